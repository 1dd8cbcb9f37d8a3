//! What waits to be sent, between whoever assembles episodes, the thread that sends, and whoever waits for the end of both.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::proto::{LogRecord, Resource};
use crate::deliver::{Tally, WhenFull};

/// A record, and what it is of.
pub(super) struct Entry {
    pub(super) resource: Arc<Resource>,
    pub(super) record: LogRecord,
}

/// Beyond the time that the end is given, for the thread to see that it is over.
const ENDED_IN: Duration = Duration::from_secs(1);

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    room: usize,
    when_full: WhenFull,
    patience: Duration,
}

struct State {
    waiting: VecDeque<Entry>,
    /// Records that are being sent, or are to be sent again.
    under_way: u64,
    /// Of the session, for metrics.
    resource: Option<Arc<Resource>>,
    /// When something was taken last, or nothing was to be sent.
    taken: Instant,
    /// Nothing comes any more, and everything is to be sent until then.
    until: Option<Instant>,
    /// The thread has ended; whether the last metrics were taken.
    ended: Option<bool>,
    tally: Tally,
}

/// What there is to do.
pub(super) enum Next {
    /// Records, more or again.
    Records,
    /// It is time for metrics.
    Metrics,
    /// Nothing comes any more: the rest is to be sent.
    End,
}

impl Queue {
    pub(super) fn new(room: usize, when_full: WhenFull, patience: Duration) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            under_way: 0,
            resource: None,
            taken: Instant::now(),
            until: None,
            ended: None,
            tally: Tally::default(),
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), room, when_full, patience }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// The session that metrics are of.
    pub(super) fn resource(&self, resource: Arc<Resource>) {
        self.state().resource = Some(resource);
        self.changed.notify_all();
    }

    pub(super) fn session(&self) -> Option<Arc<Resource>> {
        self.state().resource.clone()
    }

    /// Puts a record in; false when it is the first that there is no room for.
    pub(super) fn put(&self, entry: Entry) -> bool {
        let mut state = self.state();
        while state.waiting.len() >= self.room {
            let left = match self.when_full {
                WhenFull::PassOver => Duration::ZERO,
                WhenFull::Wait => self.patience.saturating_sub(state.taken.elapsed()),
            };
            if left.is_zero() {
                state.tally.passed_over += 1;
                return state.tally.passed_over != 1;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.waiting.is_empty() && state.under_way == 0 {
            state.taken = Instant::now();
        }
        state.waiting.push_back(entry);
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Waits until there is something to do: records, or metrics that are `due`, as soon as there is a session; neither `not_before`.
    pub(super) fn next(&self, due: Instant, not_before: Option<Instant>) -> Next {
        let mut state = self.state();
        loop {
            if state.until.is_some() {
                return Next::End;
            }
            let early = not_before.unwrap_or(due);
            let records = (!state.waiting.is_empty() || state.under_way > 0)
                .then(|| not_before.unwrap_or_else(Instant::now));
            let metrics = state.resource.is_some().then(|| due.max(early));
            let now = Instant::now();
            if records.is_some_and(|at| at <= now) {
                return Next::Records;
            }
            if metrics.is_some_and(|at| at <= now) {
                return Next::Metrics;
            }
            state = match records.into_iter().chain(metrics).min() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(now);
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Takes up to `most` records.
    pub(super) fn take(&self, most: usize) -> Vec<Entry> {
        let mut state = self.state();
        let count = state.waiting.len().min(most);
        let entries: Vec<Entry> = state.waiting.drain(..count).collect();
        state.under_way = entries.len() as u64;
        drop(state);
        self.changed.notify_all();
        entries
    }

    /// Records that were taken out are dealt with: so many were delivered, so many were not.
    pub(super) fn done(&self, delivered: u64, failed: u64) {
        let mut state = self.state();
        state.under_way = 0;
        state.tally.delivered += delivered;
        state.tally.failed += failed;
        state.taken = Instant::now();
        if self.when_full == WhenFull::Wait {
            // As long as something is taken there is no hurry.
            state.until = state.until.map(|until| until.max(state.taken + self.patience));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Until when everything is to be sent, once nothing comes any more.
    pub(super) fn until(&self) -> Instant {
        self.state().until.unwrap_or_else(Instant::now)
    }

    /// The thread has done what it could. What it has not sent is passed over; `tried` of that it has tried.
    pub(super) fn end(&self, tried: u64, metrics: bool) {
        let mut state = self.state();
        state.under_way = 0;
        state.tally.failed += tried;
        state.tally.passed_over += state.waiting.len() as u64;
        state.waiting.clear();
        state.ended = Some(metrics);
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing comes any more.
    pub(super) fn close(&self, most: Duration) {
        let most = most.min(self.patience);
        self.state().until = Some(Instant::now() + most);
        self.changed.notify_all();
    }

    /// Waits for the end of the thread, or for the time that it has; what became of the records, and whether the last metrics were
    /// taken.
    pub(super) fn finish(&self) -> (Tally, bool) {
        let mut state = self.state();
        while state.ended.is_none() {
            // A request that was under way has time of its own.
            let until = state.until.unwrap_or_else(Instant::now) + ENDED_IN;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let mut tally = state.tally;
                tally.failed += state.under_way;
                tally.passed_over += state.waiting.len() as u64;
                return (tally, false);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.tally, state.ended == Some(true))
    }
}
