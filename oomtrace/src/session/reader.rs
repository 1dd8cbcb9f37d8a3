//! Reads a session file, from anything that gives bytes: no seeking, so that pipes work.
//!
//! Everything before damage is given out, nothing after it: what follows a hole could be told as a wrong episode. Where a frame could
//! begin, another session may: files that were put behind one another are read one after the other.

use std::io::{self, Read};

use crate::model::{Observation, SessionEnd, SessionInfo};

use super::block::{Unpacked, Unpacker};
use super::error::{self, Ending, OpenError};
use super::format::{
    self, CHECKSUM_LEN, FRAME_HEADER_LEN, Frame, HEADER_LEN, MAGIC, MAX_PAYLOAD, MUST_KNOW_FLAGS, Major,
    Minor, VERSION, Version, kind,
};

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Whole frames, the description and the end included.
    pub frames: u64,
    /// Frames among them of a kind that this program does not know; passed over.
    pub unknown: u64,
    /// Frames among them of a known kind with contents that this program cannot read; passed over.
    pub unreadable: u64,
    /// Bytes up to the end of the last whole frame.
    pub bytes: u64,
    /// Bytes that these would be if nothing were compressed.
    pub unpacked: u64,
}

/// Reads one session.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    version: Version,
    info: SessionInfo,
    tally: Tally,
    payload: Vec<u8>,
    block: Unpacker,
    /// Where the block starts whose frames are being read, bytes.
    block_offset: u64,
    end: Option<SessionEnd>,
    ending: Option<Ending>,
    /// Where this session starts in the file, bytes.
    start: u64,
    /// Another one follows, whose first eight bytes were read.
    followed: bool,
}

/// One whole frame, not yet understood.
#[derive(Clone, Copy)]
struct RawFrame {
    kind: u16,
    flags: u16,
}

impl RawFrame {
    fn of(header: &[u8; FRAME_HEADER_LEN]) -> Self {
        Self {
            kind: u16::from_le_bytes([header[4], header[5]]),
            flags: u16::from_le_bytes([header[6], header[7]]),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header and the session's description.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]: what it is instead, which side is newer, or where it is damaged.
    pub fn open(mut input: R) -> Result<Self, OpenError> {
        let version = read_header(&mut input)?;
        Self::begin(input, version, 0)
    }

    /// The session that follows in the same file; `None` when none does, or this one has not been read to its end.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn next_session(mut self) -> Option<Result<Self, OpenError>> {
        if !self.followed {
            return None;
        }
        let start = self.start + self.tally.bytes;
        let version = read_header(&mut (&MAGIC[..]).chain(&mut self.input));
        Some(version.and_then(|version| Self::begin(self.input, version, start)))
    }

    /// Reads the description behind the header of a session that starts at `start`.
    fn begin(mut input: R, version: Version, start: u64) -> Result<Self, OpenError> {
        let head = HEADER_LEN as u64;
        let mut tally = Tally { bytes: head, unpacked: head, ..Tally::default() };
        let mut payload = Vec::new();
        let raw = match read_frame(&mut input, &mut payload, &mut tally, start) {
            Ok(Next::Frame(raw)) => raw,
            Ok(Next::Header) => return Err(OpenError::NotInfo),
            Err(Ending::Io { error, .. }) => return Err(OpenError::Io(error)),
            Err(ending) => return Err(OpenError::NoInfo(ending)),
        };
        match format::decode_payload(raw.kind, &payload) {
            Ok(Some(Frame::Info(info))) if raw.flags & MUST_KNOW_FLAGS == 0 => {
                tally.unpacked = tally.bytes;
                Ok(Self {
                    input,
                    version,
                    info: *info,
                    tally,
                    payload,
                    block: Unpacker::new(),
                    block_offset: 0,
                    end: None,
                    ending: None,
                    start,
                    followed: false,
                })
            }
            _ => Err(OpenError::NotInfo),
        }
    }

    /// Version of the file.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// What the session says of itself.
    #[must_use]
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }

    /// What was read so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The session's own end; `None` when it has not been read, or is missing.
    #[must_use]
    pub fn end(&self) -> Option<SessionEnd> {
        self.end.clone()
    }

    /// How the reading ended; `None` while there is more.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// The next observation; `None` at the end, which [`Reader::ending`] then tells about.
    pub fn next_observation(&mut self) -> Option<Observation> {
        while self.ending.is_none() {
            let next = match self.next_in_block() {
                Some(next) => next,
                None => self.next_in_file(),
            };
            match next {
                Ok(Some(observation)) => return Some(observation),
                Ok(None) => {}
                Err(ending) => self.ending = Some(ending),
            }
        }
        None
    }

    /// The next frame of the file: an observation, or nothing of its own.
    fn next_in_file(&mut self) -> Result<Option<Observation>, Ending> {
        let Some(raw) = self.next_frame()? else {
            self.followed = true;
            return Err(match self.end {
                Some(_) => Ending::Complete,
                None => Ending::Unfinished { offset: self.start + self.tally.bytes },
            });
        };
        let offset =
            self.start + self.tally.bytes - (FRAME_HEADER_LEN + self.payload.len() + CHECKSUM_LEN) as u64;
        if raw.kind == kind::BLOCK && raw.flags & MUST_KNOW_FLAGS == 0 {
            return match self.block.unpack(&self.payload) {
                Unpacked::Frames => {
                    self.block_offset = offset;
                    // Its frames are counted, not the block itself.
                    self.tally.frames -= 1;
                    self.tally.unpacked += self.block.rest().len() as u64;
                    Ok(None)
                }
                Unpacked::Unknown => {
                    self.tally.unknown += 1;
                    Ok(None)
                }
                Unpacked::Damaged => Err(Ending::BadBlock { offset }),
            };
        }
        self.tally.unpacked += self.start + self.tally.bytes - offset;
        match understand(raw, &self.payload, &mut self.tally) {
            Some(Frame::Observation(observation)) => Ok(Some(observation)),
            Some(Frame::End(end)) => {
                self.end = Some(end);
                Ok(None)
            }
            // A second description has no meaning yet.
            Some(Frame::Info(_)) => {
                self.tally.unreadable += 1;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// The next frame of the block that is being read; `None` when there is none left.
    fn next_in_block(&mut self) -> Option<Result<Option<Observation>, Ending>> {
        let rest = self.block.rest();
        if rest.is_empty() {
            return None;
        }
        let Some((raw, payload, len)) = whole_frame(rest) else {
            return Some(Err(Ending::BadBlock { offset: self.block_offset }));
        };
        self.tally.frames += 1;
        let frame = understand(raw, payload, &mut self.tally);
        self.block.advance(len);
        Some(Ok(match frame {
            Some(Frame::Observation(observation)) => Some(observation),
            None => None,
            // These belong outside.
            Some(Frame::Info(_) | Frame::End(_)) => {
                self.tally.unreadable += 1;
                None
            }
        }))
    }

    /// The next frame, whose payload is then in its place; `None` when another session begins. Nothing else may follow the end.
    fn next_frame(&mut self) -> Result<Option<RawFrame>, Ending> {
        let before = self.tally;
        let ended = self.end.is_some();
        match read_frame(&mut self.input, &mut self.payload, &mut self.tally, self.start) {
            Ok(Next::Header) => Ok(None),
            Err(Ending::Unfinished { .. }) if ended => Err(Ending::Complete),
            Ok(Next::Frame(_))
            | Err(Ending::Torn { .. } | Ending::BadChecksum { .. } | Ending::TooLong { .. })
                if ended =>
            {
                self.tally = before;
                Err(Ending::Trailing { offset: self.start + before.bytes })
            }
            Ok(Next::Frame(raw)) => Ok(Some(raw)),
            Err(ending) => Err(ending),
        }
    }
}

fn read_header(input: &mut impl Read) -> Result<Version, OpenError> {
    let mut header = [0; HEADER_LEN];
    let len = read_some(input, &mut header)?;
    let head = &header[..len];
    if head.is_empty() {
        return Err(OpenError::Empty);
    }
    let magic_len = len.min(MAGIC.len());
    if head[..magic_len] != MAGIC[..magic_len] {
        return Err(OpenError::OtherKind { looks_like: guess_with_more(head, input) });
    }
    if len < HEADER_LEN {
        return Err(OpenError::TornHeader { len: len as u64 });
    }
    let checksum = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
    if crc32c::crc32c(&header[..12]) != checksum {
        return Err(OpenError::BadHeader);
    }
    let version = Version {
        major: Major(u16::from_le_bytes([header[8], header[9]])),
        minor: Minor(u16::from_le_bytes([header[10], header[11]])),
    };
    if version.major != VERSION.major {
        return Err(OpenError::OtherMajor { found: version });
    }
    Ok(version)
}

/// A few more bytes make a better guess of what the file is instead.
fn guess_with_more(head: &[u8], input: &mut impl Read) -> Option<&'static str> {
    let mut more = [0; 240];
    let len = read_some(input, &mut more).unwrap_or(0);
    error::guess(&[head, &more[..len]].concat())
}

/// What stands where a frame could begin.
enum Next {
    Frame(RawFrame),
    /// The first bytes of another session's header. As a frame's, they would be a length that no frame may have.
    Header,
}

/// Reads one frame and checks it; its payload goes to `payload`. `start`: of its session, bytes.
fn read_frame(
    input: &mut impl Read,
    payload: &mut Vec<u8>,
    tally: &mut Tally,
    start: u64,
) -> Result<Next, Ending> {
    let offset = start + tally.bytes;
    let io = |error| Ending::Io { offset, error };
    let mut header = [0; FRAME_HEADER_LEN];
    match read_some(input, &mut header).map_err(io)? {
        0 => return Err(Ending::Unfinished { offset }),
        FRAME_HEADER_LEN => {}
        _ => return Err(Ending::Torn { offset }),
    }
    if header == MAGIC {
        return Ok(Next::Header);
    }
    let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let payload_len = len as usize;
    if payload_len > MAX_PAYLOAD {
        return Err(Ending::TooLong { offset, len });
    }
    payload.clear();
    // Grows with what is there, not with what the length claims.
    let wanted = payload_len + CHECKSUM_LEN;
    let read = input.take(wanted as u64).read_to_end(payload).map_err(io)?;
    if read < wanted {
        return Err(Ending::Torn { offset });
    }
    let mut checksum = [0; CHECKSUM_LEN];
    checksum.copy_from_slice(&payload[payload_len..]);
    payload.truncate(payload_len);
    if crc32c::crc32c_append(crc32c::crc32c(&header), payload) != u32::from_le_bytes(checksum) {
        return Err(Ending::BadChecksum { offset });
    }
    tally.frames += 1;
    tally.bytes += (FRAME_HEADER_LEN + wanted) as u64;
    Ok(Next::Frame(RawFrame::of(&header)))
}

/// Takes a frame apart that lies in memory: kind, payload, and its length in all; `None` when it is cut off or damaged.
fn whole_frame(bytes: &[u8]) -> Option<(RawFrame, &[u8], usize)> {
    let (header, rest) = bytes.split_first_chunk::<FRAME_HEADER_LEN>()?;
    let payload_len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let (payload, rest) = rest.split_at_checked(payload_len)?;
    let checksum = u32::from_le_bytes(*rest.first_chunk::<CHECKSUM_LEN>()?);
    let len = FRAME_HEADER_LEN + payload_len;
    (crc32c::crc32c(&bytes[..len]) == checksum).then_some((RawFrame::of(header), payload, len + CHECKSUM_LEN))
}

/// What a frame holds; `None`, and counted, when that cannot be told.
fn understand(raw: RawFrame, payload: &[u8], tally: &mut Tally) -> Option<Frame> {
    if raw.flags & MUST_KNOW_FLAGS != 0 {
        tally.unknown += 1;
        return None;
    }
    match format::decode_payload(raw.kind, payload) {
        Ok(Some(frame)) => Some(frame),
        Ok(None) => {
            tally.unknown += 1;
            None
        }
        Err(_) => {
            tally.unreadable += 1;
            None
        }
    }
}

/// Fills `buffer` as far as there is input; returns how far.
fn read_some(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
