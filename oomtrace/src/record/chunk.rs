//! Buffers of whole frames on their way from the pipeline to the writer thread.

use crate::model::Observation;
use crate::session::BLOCK_BYTES;

use super::target::Turn;

/// Bytes of frames that make a chunk full.
pub(super) const FULL: usize = BLOCK_BYTES;
/// Bytes reserved beyond that, for the frame that fills it.
pub(super) const MORE: usize = 64 << 10;

/// What a run of frames holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Observations.
    pub records: u64,
    /// Bytes of their frames when nothing is packed.
    pub bytes: u64,
    /// Passes through `out_of_memory()` that were entered.
    pub episodes: u64,
    /// The first and the last time, ns since boot.
    pub span: Option<(u64, u64)>,
    /// The newest pass that was entered so far, here or before.
    pub newest_episode: u64,
}

impl Extent {
    /// Counts an observation; its bytes are left to the caller.
    pub(super) fn observation(&mut self, observation: &Observation) {
        self.records += 1;
        if matches!(observation, Observation::Opened(_)) {
            self.episodes += 1;
        }
        // An adjustment may have been held back.
        if let Some(ns) = observation.boot_ns().filter(|_| !matches!(observation, Observation::AdjUpdated(_)))
        {
            let (first, last) = self.span.unwrap_or((ns, ns));
            self.span = Some((first.min(ns), last.max(ns)));
        }
        if let Some(at) = observation.stamp() {
            self.newest_episode = self.newest_episode.max(at.episode);
        }
    }

    /// Adds what follows.
    pub fn add(&mut self, more: Self) {
        self.records += more.records;
        self.bytes += more.bytes;
        self.episodes += more.episodes;
        self.span = match (self.span, more.span) {
            (Some((first, last)), Some((more_first, more_last))) => {
                Some((first.min(more_first), last.max(more_last)))
            }
            (before, after) => before.or(after),
        };
        self.newest_episode = self.newest_episode.max(more.newest_episode);
    }
}

/// Whole frames, not packed, and what is known of them.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) frames: Vec<u8>,
    pub(super) extent: Extent,
    /// What had to be left out before its first frame.
    pub(super) left_out: Option<Extent>,
    /// It is to be made durable.
    pub(super) commit: bool,
    /// No episode is unfinished behind it.
    pub(super) boundary: bool,
    /// Behind it, the recording goes on in another file.
    pub(super) turn: Option<Turn>,
    /// Nothing follows.
    pub(super) last: bool,
    /// Behind the frames, and not to be packed: the session's end.
    pub(super) end: Vec<u8>,
}

impl Chunk {
    /// Takes all the memory that it will need, from the kernel too: it is used while the machine has none.
    pub(super) fn reserved() -> Self {
        Self { frames: faulted_in(FULL + MORE), ..Self::default() }
    }

    /// Makes it as if it were new.
    pub(super) fn clear(&mut self) {
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        *self = Self { frames, ..Self::default() };
    }
}

/// An empty vector whose memory is there.
pub(super) fn faulted_in(bytes: usize) -> Vec<u8> {
    let mut memory = Vec::with_capacity(bytes);
    // Not zeros: these would be asked of the kernel as pages that it gives when they are written to.
    memory.resize(bytes, 0xff);
    std::hint::black_box(&mut memory).clear();
    memory
}
