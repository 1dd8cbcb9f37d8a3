//! The writer thread: packs chunks, writes them, makes them durable, and tells what is missing.
//!
//! A target that fails is tried again with the next chunk. What was not written is a gap: one frame in front of the first chunk
//! that is written again, and one message when it begins and one when it ends.

use std::sync::Arc;

use crate::model::Gap;
use crate::session::{Blocks, encode};

use super::chunk::{self, Chunk, Extent};
use super::context::Context;
use super::handover::{CHUNKS, HandOver};
use super::recorder::Outcome;
use super::target::{Fault, Piece, Target, Turn};
use super::{Report, Sync};

pub(super) struct Writer {
    handover: Arc<HandOver>,
    target: Box<dyn Target>,
    blocks: Blocks,
    sync: Sync,
    report: Report,
    context: Context,
    /// What is missing behind what was written last.
    gap: Option<Missing>,
    /// What was written and is not durable: chunks, and the gap in front of them.
    unsafe_yet: Extent,
    gap_unsafe_yet: Option<Missing>,
    /// No episode is unfinished behind what was written last, and the newest that was entered by then.
    at_boundary: bool,
    newest_episode: u64,
    prefix: Vec<u8>,
    out: Vec<u8>,
    outcome: Outcome,
}

/// What is missing, why, and whether somebody was told.
#[derive(Clone, Debug)]
struct Missing {
    cause: u32,
    /// `None`: it is in another file.
    extent: Option<Extent>,
    newest_episode: u64,
    error: Option<String>,
}

impl Missing {
    fn gap(&self) -> Gap {
        let span = self.extent.and_then(|extent| extent.span);
        Gap {
            cause: self.cause,
            records: self.extent.map(|extent| extent.records),
            bytes: self.extent.map(|extent| extent.bytes),
            episodes: self.extent.map(|extent| extent.episodes),
            first_boot_ns: span.map(|(first, _)| first),
            last_boot_ns: span.map(|(_, last)| last),
            newest_episode: self.newest_episode,
            error: self.error.clone(),
        }
    }

    fn in_words(&self) -> String {
        let extent = self.extent.unwrap_or_default();
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        format!(
            "{} record{} of {} pass{} through the OOM killer",
            extent.records,
            plural(extent.records),
            extent.episodes,
            if extent.episodes == 1 { "" } else { "es" },
        )
    }
}

impl Writer {
    pub(super) fn new(
        handover: Arc<HandOver>,
        target: Box<dyn Target>,
        blocks: Blocks,
        sync: Sync,
        report: Report,
    ) -> Self {
        let context = Context::new(target.context_bytes());
        Self {
            handover,
            target,
            blocks,
            sync,
            report,
            context,
            gap: None,
            unsafe_yet: Extent::default(),
            gap_unsafe_yet: None,
            at_boundary: true,
            newest_episode: 0,
            prefix: chunk::faulted_in(4096),
            out: chunk::faulted_in(chunk::FULL + 2 * chunk::MORE),
            outcome: Outcome::default(),
        }
    }

    /// Writes until nothing more comes.
    pub(super) fn run(mut self) -> Outcome {
        let mut commit = false;
        let mut since = 0;
        while let Some((chunk, more)) = self.handover.next() {
            commit |= chunk.commit || self.sync == Sync::Always;
            let written = self.write(&chunk);
            if let Some(turn) = chunk.turn.as_ref().filter(|_| written) {
                let turned = self.turn(turn);
                self.handover.turned(turned);
            }
            self.handover.give_back(chunk);
            since += 1;
            // One for all that came in the meantime.
            if written && commit && (!more || since >= CHUNKS) {
                self.make_durable();
                (commit, since) = (false, 0);
            }
            if !written {
                self.handover.end();
                break;
            }
            if !more {
                self.handover.settle();
            }
        }
        if let Some(missing) = self.gap.take() {
            self.say(&format!(
                "recording failed: {}; {} were left out at its end; what was written before stays readable",
                missing.error.as_deref().unwrap_or("it could not keep up"),
                missing.in_words()
            ));
            self.outcome.failed = true;
        }
        self.outcome
    }

    /// Writes a chunk, or counts it; false when the target takes nothing any more.
    fn write(&mut self, chunk: &Chunk) -> bool {
        if let Some(extent) = chunk.left_out {
            self.miss(Gap::BEHIND, Some(extent), None);
        }
        // A target may change its file at most once for a piece.
        for _ in 0..2 {
            self.pack(chunk);
            let piece =
                Piece { bytes: &self.out, boundary: chunk.boundary, last: chunk.last, extent: chunk.extent };
            match self.target.write(&piece) {
                Ok(()) => {
                    self.wrote(chunk);
                    return true;
                }
                Err(Fault::Anew(why)) => {
                    if let Some(why) = why {
                        self.say(&format!("{why}; the recording goes on in a new one"));
                    }
                    self.goes_on_elsewhere();
                    if !self.at_boundary {
                        self.miss(Gap::ELSEWHERE, None, None);
                    }
                }
                Err(Fault::Failed(error)) => {
                    self.failed(chunk, &error);
                    return true;
                }
                Err(Fault::Final(error)) => {
                    if error.kind() == std::io::ErrorKind::BrokenPipe {
                        self.outcome.pipe_closed = true;
                    } else {
                        self.miss(Gap::TARGET, Some(chunk.extent), Some(error.to_string()));
                    }
                    return false;
                }
            }
        }
        self.failed(chunk, &std::io::Error::other("it changes its file again and again"));
        true
    }

    /// What follows is written to another file. What was written before is in the one before, durable or not.
    fn goes_on_elsewhere(&mut self) {
        self.unsafe_yet = Extent::default();
        self.gap_unsafe_yet = None;
        self.context.anew();
    }

    /// Ends the file and begins another, behind a chunk that was written; tells whether it did.
    fn turn(&mut self, turn: &Turn) -> bool {
        if self.gap.is_some() || !self.at_boundary {
            // Later: what is missing is told in the file that it is missing in.
            self.not_now();
            return false;
        }
        self.make_durable();
        if self.gap.is_some() {
            // What was written is not there after all.
            self.not_now();
            return false;
        }
        match self.target.turn(turn) {
            Ok(true) => {
                self.goes_on_elsewhere();
                return true;
            }
            Ok(false) => {}
            Err(error) => self
                .say(&format!("no new file could be begun: {error}; the recording goes on in the old one")),
        }
        false
    }

    /// Another file is still wanted.
    fn not_now(&self) {
        if let Some(wants) = self.target.wants_turn() {
            wants.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    /// What is to be written of a chunk, behind what has to be told before it.
    fn pack(&mut self, chunk: &Chunk) {
        self.out.clear();
        self.prefix.clear();
        if let Some(missing) = &self.gap {
            // Its text is the operating system's and short.
            let _ = encode::gap(&mut self.prefix, &missing.gap());
        }
        self.context.tell(&mut self.prefix);
        for frames in [&self.prefix, &chunk.frames] {
            if !frames.is_empty() {
                self.blocks.append(&mut self.out, frames);
            }
        }
        self.out.extend_from_slice(&chunk.end);
    }

    fn wrote(&mut self, chunk: &Chunk) {
        if let Some(missing) = self.gap.take() {
            if missing.cause == Gap::TARGET {
                self.say(&format!("recording goes on; {} were left out", missing.in_words()));
            } else if missing.cause == Gap::BEHIND {
                self.say(&format!("{} were left out", missing.in_words()));
            }
            self.gap_unsafe_yet = Some(missing);
        }
        self.unsafe_yet.add(chunk.extent);
        self.context.learn(&chunk.frames);
        self.context.wrote();
        self.at_boundary = chunk.boundary;
        self.newest_episode = self.newest_episode.max(chunk.extent.newest_episode);
    }

    fn failed(&mut self, chunk: &Chunk, error: &std::io::Error) {
        if self.gap.as_ref().is_none_or(|missing| missing.cause != Gap::TARGET) {
            self.say(&format!(
                "recording is interrupted: {error}; the capture goes on, and writing is tried again at later episodes"
            ));
        }
        self.miss(Gap::TARGET, Some(chunk.extent), Some(error.to_string()));
        self.context.learn(&chunk.frames);
    }

    fn make_durable(&mut self) {
        if self.sync == Sync::None {
            return;
        }
        let lost = std::mem::take(&mut self.unsafe_yet);
        let gap = self.gap_unsafe_yet.take();
        match self.target.make_durable() {
            Ok(()) => {}
            Err(error) => {
                self.say(&format!(
                    "recording is interrupted: {error}; the capture goes on, and writing is tried again at later episodes"
                ));
                let later = self.gap.take();
                if let Some(before) = gap {
                    self.miss(before.cause, before.extent, before.error);
                }
                self.miss(Gap::TARGET, Some(lost), Some(error.to_string()));
                if let Some(later) = later {
                    self.miss(later.cause, later.extent, later.error);
                }
                self.context.anew();
            }
        }
    }

    /// Notes that something is missing in the file.
    fn miss(&mut self, cause: u32, extent: Option<Extent>, error: Option<String>) {
        if let Some(extent) = extent {
            self.outcome.left_out.get_or_insert_default().add(extent);
        }
        let missing = self.gap.get_or_insert(Missing { cause, extent: None, newest_episode: 0, error: None });
        if cause == Gap::TARGET {
            // What failed is worth more words than what was slow.
            missing.cause = cause;
        }
        missing.error = error.or(missing.error.take());
        if let Some(extent) = extent {
            missing.extent.get_or_insert_default().add(extent);
        }
        let newest = extent.map_or(0, |extent| extent.newest_episode).max(self.newest_episode);
        missing.newest_episode = missing.newest_episode.max(newest);
    }

    fn say(&self, message: &str) {
        self.report.say(format!("{}: {message}", self.target.name()));
    }
}
