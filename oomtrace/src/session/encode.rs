//! Observations to frames, and frames to blocks: the two halves of writing, for whoever does them on two threads.

use std::collections::HashSet;

use crate::model::names::Named;
use crate::model::{Gap, Name, Observation, SessionEnd, SessionInfo};

use super::block::{Compression, Packer};
use super::columns;
use super::format::{self, Frame, FrameRef, TooLong, VERSION, kind};

/// Encodes observations.
#[derive(Debug, Default)]
pub struct Encoder {
    columns: columns::Writer,
}

impl Encoder {
    /// Appends the frame of an observation.
    ///
    /// # Errors
    ///
    /// It would be longer than a reader accepts; `out` is unchanged.
    pub fn observation(&mut self, out: &mut Vec<u8>, observation: &Observation) -> Result<(), TooLong> {
        if let Observation::Candidates(run) = observation
            && run.tasks.len() >= columns::LEAST
            && self.columns.gather(run).is_some()
        {
            return format::append_payload(out, |out| {
                self.columns.write(out, run);
                kind::CANDIDATE_COLUMNS
            });
        }
        format::append(out, FrameRef::Observation(observation))
    }
}

/// What a file begins with: its header, and the session's description, which are for everybody and not packed.
///
/// # Errors
///
/// The description is longer than a reader accepts.
pub fn head(info: &SessionInfo) -> Result<Vec<u8>, TooLong> {
    let mut head = format::file_header(VERSION).to_vec();
    format::append(&mut head, FrameRef::Info(info))?;
    Ok(head)
}

/// Appends the frame that ends a session. It is not packed: it shows what the file came to.
///
/// # Errors
///
/// It would be longer than a reader accepts.
pub fn end(out: &mut Vec<u8>, end: &SessionEnd) -> Result<(), TooLong> {
    format::append(out, FrameRef::End(end))
}

/// Appends the frame that says what is missing.
///
/// # Errors
///
/// It would be longer than a reader accepts.
pub fn gap(out: &mut Vec<u8>, gap: &Gap) -> Result<(), TooLong> {
    format::append(out, FrameRef::Gap(gap))
}

/// The frames of a run that is whole.
pub fn frames(run: &[u8]) -> impl Iterator<Item = &[u8]> {
    format::split(run).map(|(_, frame)| frame)
}

/// The frames of samples in it.
pub fn samples(frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    format::split(frames).filter(|(kind, _)| *kind == kind::SAMPLES).map(|(_, frame)| frame)
}

/// Whose names a frame has.
#[derive(PartialEq, Eq, Hash)]
enum Whose {
    Cgroup(u64),
    /// Id of a container, uid of a pod.
    Owner(Option<Name>, Option<Name>),
}

/// Of the frames of names, those that are worth keeping in `most` bytes: of each cgroup, container and pod the newest, cgroups that
/// others are in, and then the newest ones.
#[must_use]
pub fn newest_names(frames: &[u8], most: usize) -> Vec<u8> {
    let whose = |kind: u16, frame: &[u8]| {
        let payload = frame.get(format::FRAME_HEADER_LEN..frame.len().checked_sub(format::CHECKSUM_LEN)?)?;
        match format::decode_payload(kind, payload) {
            Ok(Some(Frame::Observation(Observation::Cgroup(node)))) => {
                Some((Whose::Cgroup(node.id), node.parent))
            }
            Ok(Some(Frame::Observation(Observation::Named(Named { container_id, pod_uid, .. })))) => {
                Some((Whose::Owner(container_id, pod_uid), None))
            }
            _ => None,
        }
    };
    let all: Vec<_> = format::split(frames)
        .filter(|(kind, _)| is_name(*kind))
        .filter_map(|(kind, frame)| Some((frame, whose(kind, frame)?)))
        .collect();
    let parents: HashSet<u64> = all.iter().filter_map(|(_, (_, parent))| *parent).collect();
    let is_inner = |whose: &Whose| matches!(whose, Whose::Cgroup(id) if parents.contains(id));
    let mut known = HashSet::new();
    let mut room = most;
    let mut kept: Vec<&[u8]> = Vec::new();
    // Without one that others are in, the paths of all of them would be lost.
    for inner in [true, false] {
        for (frame, (whose, _)) in all.iter().rev().filter(|(_, (whose, _))| is_inner(whose) == inner) {
            if frame.len() <= room && known.insert(whose) {
                room -= frame.len();
                kept.push(frame);
            }
        }
    }
    kept.reverse();
    kept.concat()
}

/// The frames of names, of cgroups, containers and pods, in a run of frames that are whole.
pub fn names(frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    format::split(frames).filter(|(kind, _)| is_name(*kind)).map(|(_, frame)| frame)
}

fn is_name(kind: u16) -> bool {
    matches!(kind, kind::CGROUP | kind::NAMED)
}

/// Makes blocks of frames.
#[derive(Debug)]
pub struct Blocks {
    packer: Option<Packer>,
}

impl Blocks {
    /// Takes the memory that it needs; `None` without it.
    #[must_use]
    pub fn new(compression: Compression) -> Option<Self> {
        match compression {
            Compression::None => Some(Self { packer: None }),
            Compression::Zstd => Some(Self { packer: Some(Packer::new()?) }),
        }
    }

    /// Appends frames: as a block, or as they are when that is not wanted or not shorter.
    pub fn append(&mut self, out: &mut Vec<u8>, frames: &[u8]) {
        if let Some(packed) = self.packer.as_mut().and_then(|packer| packer.pack(frames)) {
            let block = format::append_payload(out, |out| {
                out.extend_from_slice(&packed.head);
                out.extend_from_slice(packed.bytes);
                kind::BLOCK
            });
            if block.is_ok() {
                return;
            }
        }
        out.extend_from_slice(frames);
    }
}
