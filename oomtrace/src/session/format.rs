//! Constants and frames of the session file, for writer and reader alike.
//!
//! The version is that of the file, not of the program:
//!
//! | version | since | change |
//! |---|---|---|
//! | 1.0 | 0.1.0 | first |
//! | 1.1 | 0.1.0 | the situation around the choice: call path, memory, settings, counters, adjustments |
//! | 1.2 | 0.1.0 | candidates field by field, compressed blocks |
//! | 1.3 | 0.1.0 | what logs tell: reports, other boots and machines in one session, named counters |
//! | 1.4 | 0.1.0 | gaps, samples of the state of memory |
//! | 1.5 | 0.1.0 | names of containers and pods |

use std::fmt;

use minicbor::{Decode, Encode};

use crate::model::{Gap, Observation, SessionEnd, SessionInfo};

use super::{columns, samples};

/// First bytes of every file. The high bit shows transports that strip it, the line ends those that translate them, and
/// the control-Z stops `type` on one system; all three tell text tools that this is not text.
pub const MAGIC: [u8; 8] = *b"\x89OOM\r\n\x1a\n";
/// The version that this program writes.
pub const VERSION: Version = Version { major: Major(1), minor: Minor(5) };
/// Bytes of the file's header: magic, version, checksum.
pub const HEADER_LEN: usize = 16;
/// Bytes of a frame's header: length, kind, flags.
pub const FRAME_HEADER_LEN: usize = 8;
/// Bytes of a frame's checksum.
pub const CHECKSUM_LEN: usize = 4;
/// Longest payload of a frame, bytes. Anything longer is damage.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// Flags of a frame that a reader must know, or else pass the frame over. None is in use. The other bits may be ignored.
pub const MUST_KNOW_FLAGS: u16 = 0x00ff;

/// Changes when older readers must not read the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Major(pub u16);

/// Changes when something was added that older readers pass over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minor(pub u16);

/// Version of the file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Readers refuse a newer one.
    pub major: Major,
    /// Readers accept any.
    pub minor: Minor,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major.0, self.minor.0)
    }
}

/// Kinds of frames. A number is never reused.
pub mod kind {
    /// [`SessionInfo`](crate::model::SessionInfo): the first frame.
    pub const INFO: u16 = 1;
    /// [`SessionEnd`](crate::model::SessionEnd): the last frame.
    pub const END: u16 = 2;
    /// Frames, compressed ([`block`](mod@crate::session::block)).
    pub const BLOCK: u16 = 3;
    /// `Observation::Gap`.
    pub const GAP: u16 = 4;
    /// `Observation::Opened`.
    pub const OPENED: u16 = 16;
    /// `Observation::Cgroup`.
    pub const CGROUP: u16 = 17;
    /// `Observation::MemcgLevel`.
    pub const MEMCG_LEVEL: u16 = 18;
    /// `Observation::Candidates`.
    pub const CANDIDATES: u16 = 19;
    /// `Observation::Choice`.
    pub const CHOICE: u16 = 20;
    /// `Observation::Kill`.
    pub const KILL: u16 = 21;
    /// `Observation::Signal`.
    pub const SIGNAL: u16 = 22;
    /// `Observation::Marked`.
    pub const MARKED: u16 = 23;
    /// `Observation::Reaper`.
    pub const REAPER: u16 = 24;
    /// `Observation::Exited`.
    pub const EXITED: u16 = 25;
    /// `Observation::Released`.
    pub const RELEASED: u16 = 26;
    /// `Observation::Closed`.
    pub const CLOSED: u16 = 27;
    /// `Observation::Clock`.
    pub const CLOCK: u16 = 28;
    /// `Observation::Stack`.
    pub const STACK: u16 = 29;
    /// `Observation::Situation`.
    pub const SITUATION: u16 = 30;
    /// `Observation::NodeMemory`.
    pub const NODE_MEMORY: u16 = 31;
    /// `Observation::ZoneMemory`.
    pub const ZONE_MEMORY: u16 = 32;
    /// `Observation::MemcgStat`.
    pub const MEMCG_STAT: u16 = 33;
    /// `Observation::OomGroup`.
    pub const OOM_GROUP: u16 = 34;
    /// `Observation::AdjUpdated`.
    pub const ADJ_UPDATED: u16 = 35;
    /// `Observation::Candidates`, field by field ([`columns`](mod@crate::session::columns)).
    pub const CANDIDATE_COLUMNS: u16 = 36;
    /// `Observation::Report`.
    pub const REPORT: u16 = 37;
    /// `Observation::Origin`.
    pub const ORIGIN: u16 = 38;
    /// `Observation::Samples` ([`samples`](mod@crate::session::samples)).
    pub const SAMPLES: u16 = 39;
    /// `Observation::Named`.
    pub const NAMED: u16 = 40;
}

/// What a frame holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The head of the session.
    Info(Box<SessionInfo>),
    /// One fact.
    Observation(Observation),
    /// The end of the session.
    End(SessionEnd),
}

/// A payload that its kind does not explain.
#[derive(Debug, thiserror::Error)]
#[error("payload of a frame of kind {kind}")]
pub struct PayloadError {
    kind: u16,
    #[source]
    source: minicbor::decode::Error,
}

/// The header of a file of `version`.
#[must_use]
pub fn file_header(version: Version) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&version.major.0.to_le_bytes());
    header[10..12].copy_from_slice(&version.minor.0.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..12]);
    header[12..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// Appends one frame to `out`.
///
/// # Errors
///
/// A payload longer than [`MAX_PAYLOAD`]; `out` is then unchanged. Candidates come in runs of a few dozen, so this does
/// not happen to what sources make.
pub fn append(out: &mut Vec<u8>, frame: FrameRef<'_>) -> Result<(), TooLong> {
    append_payload(out, |out| encode_payload(out, frame))
}

/// Appends one frame, whose payload `encode` appends and of whose kind it tells.
///
/// # Errors
///
/// As [`append`].
pub(super) fn append_payload(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> u16,
) -> Result<(), TooLong> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_LEN]);
    let kind = encode(out);
    let len = out.len() - start - FRAME_HEADER_LEN;
    let Some(len32) = u32::try_from(len).ok().filter(|_| len <= MAX_PAYLOAD) else {
        out.truncate(start);
        return Err(TooLong { kind, len });
    };
    out[start..start + 4].copy_from_slice(&len32.to_le_bytes());
    out[start + 4..start + 6].copy_from_slice(&kind.to_le_bytes());
    let checksum = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// A frame that would be longer than a reader accepts.
#[derive(Debug, thiserror::Error)]
#[error(
    "a frame of kind {kind} with {len} bytes is longer than the {MAX_PAYLOAD} bytes a session file allows"
)]
pub struct TooLong {
    kind: u16,
    len: usize,
}

/// What to write, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum FrameRef<'a> {
    /// The head of the session.
    Info(&'a SessionInfo),
    /// One fact.
    Observation(&'a Observation),
    /// The end of the session.
    End(&'a SessionEnd),
    /// Something is missing here.
    Gap(&'a Gap),
}

fn encode_payload(out: &mut Vec<u8>, frame: FrameRef<'_>) -> u16 {
    fn put<T: Encode<()>>(out: &mut Vec<u8>, kind: u16, value: &T) -> u16 {
        // Neither memory as the target nor these types can fail; the error's type cannot be built.
        match minicbor::encode(value, out) {
            Ok(()) | Err(_) => kind,
        }
    }
    match frame {
        FrameRef::Info(info) => put(out, kind::INFO, info),
        FrameRef::End(end) => put(out, kind::END, end),
        FrameRef::Gap(gap) => put(out, kind::GAP, gap),
        FrameRef::Observation(observation) => match observation {
            Observation::Opened(o) => put(out, kind::OPENED, o),
            Observation::Cgroup(o) => put(out, kind::CGROUP, o),
            Observation::MemcgLevel(o) => put(out, kind::MEMCG_LEVEL, o),
            Observation::Candidates(o) => put(out, kind::CANDIDATES, o),
            Observation::Choice(o) => put(out, kind::CHOICE, o),
            Observation::Kill(o) => put(out, kind::KILL, o),
            Observation::Signal(o) => put(out, kind::SIGNAL, o),
            Observation::Marked(o) => put(out, kind::MARKED, o),
            Observation::Reaper(o) => put(out, kind::REAPER, o),
            Observation::Exited(o) => put(out, kind::EXITED, o),
            Observation::Released(o) => put(out, kind::RELEASED, o),
            Observation::Closed(o) => put(out, kind::CLOSED, o),
            Observation::Clock(o) => put(out, kind::CLOCK, o),
            Observation::Stack(o) => put(out, kind::STACK, o),
            Observation::Situation(o) => put(out, kind::SITUATION, o),
            Observation::NodeMemory(o) => put(out, kind::NODE_MEMORY, o),
            Observation::ZoneMemory(o) => put(out, kind::ZONE_MEMORY, o),
            Observation::MemcgStat(o) => put(out, kind::MEMCG_STAT, o),
            Observation::OomGroup(o) => put(out, kind::OOM_GROUP, o),
            Observation::AdjUpdated(o) => put(out, kind::ADJ_UPDATED, o),
            Observation::Report(o) => put(out, kind::REPORT, o),
            Observation::Origin(o) => put(out, kind::ORIGIN, o),
            Observation::Gap(o) => put(out, kind::GAP, o),
            Observation::Named(o) => put(out, kind::NAMED, o),
            Observation::Samples(o) => {
                samples::write(out, o);
                kind::SAMPLES
            }
        },
    }
}

/// Takes a run of frames apart that this program has made: kind and whole frame of each. Ends at the first that is not whole.
pub(super) fn split(mut frames: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = frames.first_chunk::<FRAME_HEADER_LEN>()?;
        let payload_len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_le_bytes([header[4], header[5]]);
        let (frame, rest) = frames.split_at_checked(FRAME_HEADER_LEN + payload_len + CHECKSUM_LEN)?;
        frames = rest;
        Some((kind, frame))
    })
}

/// Reads a payload; `Ok(None)` for a kind that this program does not know.
///
/// # Errors
///
/// The payload is not what its kind says, for example because a newer writer put a value there that has no name here.
pub fn decode_payload(kind: u16, payload: &[u8]) -> Result<Option<Frame>, PayloadError> {
    fn get<'b, T: Decode<'b, ()>>(payload: &'b [u8]) -> Result<T, minicbor::decode::Error> {
        minicbor::decode(payload)
    }
    let frame = match kind {
        kind::INFO => get(payload).map(|info| Frame::Info(Box::new(info))),
        kind::END => get(payload).map(Frame::End),
        kind::GAP => get(payload).map(|o| Frame::Observation(Observation::Gap(o))),
        kind::OPENED => get(payload).map(|o| Frame::Observation(Observation::Opened(o))),
        kind::CGROUP => get(payload).map(|o| Frame::Observation(Observation::Cgroup(o))),
        kind::MEMCG_LEVEL => get(payload).map(|o| Frame::Observation(Observation::MemcgLevel(o))),
        kind::CANDIDATES => get(payload).map(|o| Frame::Observation(Observation::Candidates(o))),
        kind::CHOICE => get(payload).map(|o| Frame::Observation(Observation::Choice(o))),
        kind::KILL => get(payload).map(|o| Frame::Observation(Observation::Kill(o))),
        kind::SIGNAL => get(payload).map(|o| Frame::Observation(Observation::Signal(o))),
        kind::MARKED => get(payload).map(|o| Frame::Observation(Observation::Marked(o))),
        kind::REAPER => get(payload).map(|o| Frame::Observation(Observation::Reaper(o))),
        kind::EXITED => get(payload).map(|o| Frame::Observation(Observation::Exited(o))),
        kind::RELEASED => get(payload).map(|o| Frame::Observation(Observation::Released(o))),
        kind::CLOSED => get(payload).map(|o| Frame::Observation(Observation::Closed(o))),
        kind::CLOCK => get(payload).map(|o| Frame::Observation(Observation::Clock(o))),
        kind::STACK => get(payload).map(|o| Frame::Observation(Observation::Stack(o))),
        kind::SITUATION => get(payload).map(|o| Frame::Observation(Observation::Situation(o))),
        kind::NODE_MEMORY => get(payload).map(|o| Frame::Observation(Observation::NodeMemory(o))),
        kind::ZONE_MEMORY => get(payload).map(|o| Frame::Observation(Observation::ZoneMemory(o))),
        kind::MEMCG_STAT => get(payload).map(|o| Frame::Observation(Observation::MemcgStat(o))),
        kind::OOM_GROUP => get(payload).map(|o| Frame::Observation(Observation::OomGroup(o))),
        kind::ADJ_UPDATED => get(payload).map(|o| Frame::Observation(Observation::AdjUpdated(o))),
        kind::REPORT => get(payload).map(|o| Frame::Observation(Observation::Report(o))),
        kind::ORIGIN => get(payload).map(|o| Frame::Observation(Observation::Origin(Box::new(o)))),
        kind::CANDIDATE_COLUMNS => {
            columns::read(payload).map(|o| Frame::Observation(Observation::Candidates(o)))
        }
        kind::NAMED => get(payload).map(|o| Frame::Observation(Observation::Named(o))),
        kind::SAMPLES => samples::read(payload).map(|o| Frame::Observation(Observation::Samples(o))),
        _ => return Ok(None),
    };
    frame.map(Some).map_err(|source| PayloadError { kind, source })
}
