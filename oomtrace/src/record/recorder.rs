//! The pipeline's side of a recording: encodes, hands over, never waits for the target longer than it says.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::assemble::Adjustments;
use crate::model::{Observation, SessionEnd, SessionInfo};
use crate::privileges;
use crate::session::{Blocks, Encoder, encode};

use super::chunk::{self, Chunk, Extent};
use super::handover::HandOver;
use super::target::{Target, Turn};
use super::writer::Writer;
use super::{Options, Report, WhenFull};

/// Bytes of names, of cgroups, containers and pods, that are kept while there is no room for anything else.
const NAMES_KEPT: usize = 64 << 10;
/// Stack of the writer thread, bytes: locked memory is taken for all of it.
const STACK: usize = 256 << 10;

/// What a recording came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What is missing in it.
    pub left_out: Option<Extent>,
    /// Its end is missing: the last write failed.
    pub failed: bool,
    /// Nobody reads the pipe any more.
    pub pipe_closed: bool,
}

fn head(info: &SessionInfo) -> io::Result<Vec<u8>> {
    encode::head(info).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The head of a file that begins at a moment at which nobody looked at the kernel's count of kills.
fn again(info: &SessionInfo) -> io::Result<Vec<u8>> {
    head(&SessionInfo { vmstat_oom_kills: None, ..info.clone() })
}

/// One recording on its way.
#[derive(Debug)]
pub struct Recorder {
    handover: Arc<HandOver>,
    thread: Option<JoinHandle<Outcome>>,
    encoder: Encoder,
    chunk: Option<Chunk>,
    /// Adjustments that are recorded when anything else is. A machine that adjusts every process that it starts writes a lot of
    /// them between two OOMs, and few are remembered.
    held: Adjustments,
    newest_episode: u64,
    /// What there was no room for, since there was none.
    left_out: Option<Extent>,
    /// Names among that: they are told once.
    names: Vec<u8>,
    /// The target was waited for in vain.
    behind: bool,
    /// Chunks were handed over full, and not to be made durable.
    uncommitted: bool,
    when_full: WhenFull,
    /// The target wants to go on in another file.
    wants_turn: Option<Arc<AtomicBool>>,
    name: String,
    report: Report,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Report")
    }
}

impl Recorder {
    /// Writes the head of the recording and starts its thread. All memory is taken here.
    ///
    /// # Errors
    ///
    /// What the target says; no memory, no thread.
    pub fn start(
        mut target: Box<dyn Target>,
        info: &SessionInfo,
        options: Options,
        report: Report,
    ) -> io::Result<Self> {
        let head = head(info)?;
        target.begin(&head)?;
        target.keep_head(&again(info)?);
        let wants_turn = target.wants_turn();
        let blocks = Blocks::new(options.compression).ok_or(io::ErrorKind::OutOfMemory)?;
        let handover = Arc::new(HandOver::new());
        let name = target.name().to_owned();
        let writer = Writer::new(Arc::clone(&handover), target, blocks, options.sync, report.clone());
        let thread =
            thread::Builder::new().name("recorder".to_owned()).stack_size(STACK).spawn(move || {
                // Whether it has worked is looked at when the process is confined.
                let _ = privileges::confine_thread();
                writer.run()
            })?;
        Ok(Self {
            handover,
            thread: Some(thread),
            encoder: Encoder::default(),
            chunk: None,
            held: Adjustments::default(),
            newest_episode: 0,
            left_out: None,
            names: chunk::faulted_in(NAMES_KEPT + chunk::MORE),
            behind: false,
            uncommitted: false,
            when_full: options.when_full,
            wants_turn,
            name,
            report,
        })
    }

    /// What it records to, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Records an observation, after what was held back.
    pub fn observation(&mut self, observation: &Observation) {
        if let Observation::AdjUpdated(update) = observation {
            self.held.learn(update);
            return;
        }
        // Samples come while nothing happens, and adjustments are for when something does.
        if !matches!(observation, Observation::Samples(_)) {
            self.let_go();
        }
        self.add(observation);
    }

    /// What was recorded is to be made durable, soon. `boundary`: no episode is unfinished.
    pub fn commit(&mut self, boundary: bool) {
        let mut chunk = self.chunk.take();
        if chunk.is_none() && self.uncommitted {
            // The last record has just filled one. Without room for this one, it is said with the next.
            chunk = self.room();
        }
        if let Some(mut chunk) = chunk {
            chunk.commit = true;
            chunk.boundary = boundary;
            self.uncommitted = false;
            self.handover.hand(chunk, false);
        }
    }

    /// Waits until everything that was committed is in the target, but not longer than `most`; not at all while the target is
    /// still behind because of something before.
    pub fn settle(&mut self, most: Duration) {
        let most = if self.behind { Duration::ZERO } else { most };
        self.behind = !self.handover.is_settled(most);
    }

    /// Waits until the writer has dealt with everything that it was given, but not longer than `most`.
    pub fn await_writer(&self, most: Duration) {
        let _in_time = self.handover.is_settled(most);
    }

    /// Whether the target takes nothing any more, so that there is no sense in going on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.handover.has_ended()
    }

    /// Whether the target wants to go on in another file.
    #[must_use]
    pub fn wants_turn(&self) -> bool {
        self.wants_turn.as_ref().is_some_and(|wants| wants.load(Relaxed))
    }

    /// Asks the target to go on in another file; nothing for one that has but one.
    pub fn ask_for_turn(&mut self) {
        if let Some(wants) = &self.wants_turn {
            wants.store(true, Relaxed);
        }
    }

    /// The session goes on in another file, of which `info` is true; `end` is true of this one. Nothing is unfinished. False when
    /// there is no room for it now.
    pub fn turn(&mut self, end: &SessionEnd, info: &SessionInfo) -> bool {
        let (Ok(head), Ok(again)) = (head(info), again(info)) else { return false };
        let mut turn = Turn { end: Vec::new(), head, again };
        let encoded = encode::end(&mut turn.end, end);
        let Some(mut chunk) = self.chunk.take().or_else(|| self.room()).filter(|_| encoded.is_ok()) else {
            return false;
        };
        if let Some(wants) = &self.wants_turn {
            // Who still wants one says so again.
            wants.store(false, Relaxed);
        }
        (chunk.commit, chunk.boundary, chunk.turn) = (true, true, Some(turn));
        self.uncommitted = false;
        self.handover.hand_turn(chunk);
        true
    }

    /// Whether the last [`turn`](Self::turn) was made; `None` as long as that is not known.
    #[must_use]
    pub fn has_turned(&self) -> Option<bool> {
        self.handover.has_turned()
    }

    /// Writes what is left, and the end of the session if it has one, however long that takes.
    pub fn finish(mut self, end: Option<&SessionEnd>) -> Outcome {
        self.end(end, HandOver::wait_for_room);
        self.close()
    }

    /// The same, for no longer than `most`.
    ///
    /// # Errors
    ///
    /// The target has not taken all of it: what is missing. The thread is left alone with it.
    pub fn finish_within(mut self, end: Option<&SessionEnd>, most: Duration) -> Result<Outcome, Extent> {
        let until = Instant::now() + most;
        self.end(end, |handover| handover.wait_for_room_within(most));
        self.handover.close();
        if self.handover.is_settled(until.saturating_duration_since(Instant::now())) {
            return Ok(self.close());
        }
        self.thread = None;
        let mut missing = self.handover.not_written();
        missing.add(self.left_out.unwrap_or_default());
        Err(missing)
    }

    fn end(&mut self, end: Option<&SessionEnd>, room: impl FnOnce(&HandOver) -> Option<Chunk>) {
        if let Some(end) = end {
            self.let_go();
            let chunk = self.chunk.take().or_else(|| room(&self.handover));
            if let Some(mut chunk) = chunk.map(|chunk| self.with_gap(chunk)) {
                // An end that is too long for a reader is none; there is no such.
                let _ = encode::end(&mut chunk.end, end);
                chunk.last = true;
                self.chunk = Some(chunk);
            }
        }
        self.commit(true);
    }

    fn let_go(&mut self) {
        for update in self.held.take() {
            self.add(&Observation::AdjUpdated(update));
        }
    }

    fn add(&mut self, observation: &Observation) {
        let newest = self.newest_episode;
        let Some(mut chunk) = self.chunk.take().or_else(|| self.room()) else {
            self.leave_out(observation);
            return;
        };
        let before = chunk.frames.len();
        if self.encoder.observation(&mut chunk.frames, observation).is_err() {
            // No source makes such runs.
            self.handover.hand(chunk, true);
            self.leave_out(observation);
            return;
        }
        chunk.extent.newest_episode = chunk.extent.newest_episode.max(newest);
        chunk.extent.observation(observation);
        chunk.extent.bytes += (chunk.frames.len() - before) as u64;
        self.newest_episode = chunk.extent.newest_episode;
        if chunk.frames.len() >= chunk::FULL {
            chunk.boundary = false;
            self.uncommitted = !chunk.commit;
            self.handover.hand(chunk, true);
        } else if chunk.commit {
            // It was taken back from the writer, which is not to wait for more.
            chunk.boundary = false;
            self.handover.hand(chunk, false);
        } else {
            self.chunk = Some(chunk);
        }
    }

    /// A chunk to go on in.
    fn room(&mut self) -> Option<Chunk> {
        let chunk = match self.when_full {
            WhenFull::LeaveOut => self.handover.room(),
            WhenFull::Wait => self.handover.wait_for_room(),
        };
        chunk.map(|chunk| self.with_gap(chunk))
    }

    /// A gap can only be told in front of a chunk's frames: one that has some already is left to the writer.
    fn with_gap(&mut self, mut chunk: Chunk) -> Chunk {
        if chunk.frames.is_empty() {
            chunk.left_out = self.left_out.take();
            chunk.frames.extend_from_slice(&self.names);
            self.names.clear();
        }
        chunk
    }

    /// There is no room: it is counted, as it would have been written. Names of cgroups are kept, as long as there is room for them.
    fn leave_out(&mut self, observation: &Observation) {
        let before = self.names.len();
        let encoded = self.encoder.observation(&mut self.names, observation);
        let bytes = (self.names.len() - before) as u64;
        let is_name = matches!(observation, Observation::Cgroup(_) | Observation::Named(_));
        if encoded.is_ok() && is_name && self.names.len() <= NAMES_KEPT {
            return;
        }
        self.names.truncate(before);
        if self.left_out.is_none() {
            self.report.say(format!(
                "{}: writing is slower than what there is to write; what there is no room for is counted and left out",
                self.name
            ));
        }
        let mut extent = Extent { bytes, ..Extent::default() };
        extent.observation(observation);
        self.newest_episode = self.newest_episode.max(extent.newest_episode);
        extent.newest_episode = self.newest_episode;
        self.left_out.get_or_insert_default().add(extent);
    }

    fn close(&mut self) -> Outcome {
        self.handover.close();
        let thread = self.thread.take();
        thread.and_then(|thread| thread.join().ok()).unwrap_or(Outcome { failed: true, ..Outcome::default() })
    }
}

impl Drop for Recorder {
    /// Without an end: what was recorded is written.
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.commit(false);
            self.close();
        }
    }
}
