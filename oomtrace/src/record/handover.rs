//! The hand-over: a fixed number of chunks that go round between the pipeline and the writer thread.
//!
//! Neither side allocates, and the lock is never held over a write: taking a chunk takes no longer than moving a pointer.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::chunk::{Chunk, Extent};

/// Chunks: with those of 256 KiB, an OOM with some fifty thousand candidates that nobody has written yet.
pub(super) const CHUNKS: usize = 8;

/// What both sides see.
#[derive(Debug)]
pub(super) struct HandOver {
    state: Mutex<State>,
    /// There is something to write, or nothing will come any more.
    filled: Condvar,
    /// Something was written: there is room, or what was waited for is there.
    written: Condvar,
    /// The target takes nothing any more.
    ended: AtomicBool,
}

#[derive(Debug)]
struct State {
    free: Vec<Chunk>,
    full: VecDeque<Chunk>,
    /// One that may be written, and that more may be added to until it is.
    parked: Option<Chunk>,
    /// What the chunk that is being written holds.
    busy: Option<Extent>,
    /// Chunks that were handed over, and that were dealt with, made durable if asked for.
    handed: u64,
    done: u64,
    /// What became of the last turn that was asked for; `None` until the writer has dealt with it.
    turned: Option<bool>,
    /// The pipeline has gone.
    closed: bool,
}

impl State {
    /// Chunks that wait for the writer.
    fn waiting(&self) -> u64 {
        self.full.len() as u64 + u64::from(self.parked.is_some())
    }

    fn room(&mut self) -> Option<Chunk> {
        let Some(parked) = self.parked.take() else { return self.free.pop() };
        self.handed -= 1;
        Some(parked)
    }
}

impl HandOver {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                free: std::iter::repeat_with(Chunk::reserved).take(CHUNKS).collect(),
                full: VecDeque::with_capacity(CHUNKS),
                parked: None,
                busy: None,
                handed: 0,
                done: 0,
                turned: None,
                closed: false,
            }),
            filled: Condvar::new(),
            written: Condvar::new(),
            ended: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk with room; `None` when all are on their way.
    pub(super) fn room(&self) -> Option<Chunk> {
        self.lock().room()
    }

    /// The same, waited for; `None` when the target takes nothing any more.
    pub(super) fn wait_for_room(&self) -> Option<Chunk> {
        let none = |state: &mut State| state.free.is_empty() && state.parked.is_none() && !self.has_ended();
        let waited = self.written.wait_while(self.lock(), none);
        waited.unwrap_or_else(PoisonError::into_inner).room()
    }

    /// The same, waited for no longer than `most`.
    pub(super) fn wait_for_room_within(&self, most: Duration) -> Option<Chunk> {
        let none = |state: &mut State| state.free.is_empty() && state.parked.is_none() && !self.has_ended();
        let waited = self.written.wait_timeout_while(self.lock(), most, none);
        waited.unwrap_or_else(PoisonError::into_inner).0.room()
    }

    /// What was handed over and is not written.
    pub(super) fn not_written(&self) -> Extent {
        let state = self.lock();
        let waiting = state.full.iter().chain(&state.parked).map(|chunk| chunk.extent);
        let mut extent = Extent::default();
        state.busy.into_iter().chain(waiting).for_each(|more| extent.add(more));
        extent
    }

    /// Gives a chunk to the writer. If it is not `full` and the last one, it may come back by [`HandOver::room`]: small ones do not
    /// use up all that there are.
    pub(super) fn hand(&self, chunk: Chunk, full: bool) {
        let mut state = self.lock();
        state.handed += 1;
        if full || !state.free.is_empty() {
            state.full.push_back(chunk);
        } else {
            state.parked = Some(chunk);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Gives the writer the last chunk of a file.
    pub(super) fn hand_turn(&self, chunk: Chunk) {
        self.lock().turned = None;
        // Nothing may be added to it.
        self.hand(chunk, true);
    }

    /// Whether the file was ended behind that chunk.
    pub(super) fn turned(&self, turned: bool) {
        self.lock().turned = Some(turned);
    }

    /// What became of that; `None` as long as it is on its way.
    pub(super) fn has_turned(&self) -> Option<bool> {
        self.lock().turned
    }

    /// Nothing will come any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// The next chunk to write, and whether another one is there already; waits for it. `None` when nothing will come.
    pub(super) fn next(&self) -> Option<(Chunk, bool)> {
        let nothing = |state: &mut State| state.waiting() == 0 && !state.closed;
        let waited = self.filled.wait_while(self.lock(), nothing);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let chunk = state.full.pop_front().or_else(|| state.parked.take())?;
        state.busy = Some(chunk.extent);
        Some((chunk, state.waiting() > 0))
    }

    /// Gives back a chunk that was written.
    pub(super) fn give_back(&self, mut chunk: Chunk) {
        chunk.clear();
        let mut state = self.lock();
        state.busy = None;
        state.free.push(chunk);
        drop(state);
        self.written.notify_one();
    }

    /// Everything that was taken has been dealt with.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        state.done = state.handed - state.waiting();
        drop(state);
        self.written.notify_one();
    }

    /// The target takes nothing any more.
    pub(super) fn end(&self) {
        let state = self.lock();
        self.ended.store(true, Relaxed);
        drop(state);
        self.written.notify_one();
    }

    /// Whether the target takes nothing any more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Whether everything that was handed over has been dealt with; waits for it, but not longer than `most`.
    pub(super) fn is_settled(&self, most: Duration) -> bool {
        let state = self.lock();
        let wanted = state.handed;
        let waiting = |state: &mut State| state.done < wanted && !self.has_ended();
        match self.written.wait_timeout_while(state, most, waiting) {
            Ok((_, timeout)) => !timeout.timed_out(),
            Err(_) => true,
        }
    }
}
