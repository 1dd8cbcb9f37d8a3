//! A bounded queue before an outlet, and the thread behind it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Item, Outlet, Say};

/// What becomes of an episode that there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It is passed over, and counted: it comes from a running capture.
    PassOver,
    /// Whoever has it waits: it comes from a file.
    Wait,
}

/// For what takes too long, to be ended.
const KILLED_IN: Duration = Duration::from_secs(1);

/// What became of the episodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Delivered.
    pub delivered: u64,
    /// Tried, in vain.
    pub failed: u64,
    /// Not tried: there was no room, or no time at the end.
    pub passed_over: u64,
}

/// A queue and the thread behind it. Clones are the same one.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
    name: &'static str,
    room: usize,
    when_full: WhenFull,
    /// How long one delivery takes at the most.
    at_most: Duration,
    say: Say,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// One is being delivered.
    busy: bool,
    closed: bool,
    tally: Tally,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    /// Starts a thread that gives to `outlet` what is put in, `room` episodes of which may wait; `name` is for messages, as in `--exec`.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(
        name: &'static str,
        outlet: Box<dyn Outlet>,
        room: usize,
        when_full: WhenFull,
        say: Say,
    ) -> io::Result<Self> {
        let at_most = outlet.at_most();
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (of_thread, told) = (Arc::clone(&shared), Arc::clone(&say));
        thread::Builder::new()
            .name("deliver".to_owned())
            .spawn(move || run(&of_thread, outlet, name, &told))?;
        Ok(Self { shared, name, room, when_full, at_most, say })
    }

    /// Puts an episode in.
    pub fn put(&self, item: Item) {
        let mut state = self.shared.state();
        while state.waiting.len() >= self.room {
            if self.when_full == WhenFull::PassOver {
                state.tally.passed_over += 1;
                let first = state.tally.passed_over == 1;
                drop(state);
                if first {
                    (self.say)(format!(
                        "{}: {} episodes wait already; those for which there is no room are counted and passed over",
                        self.name, self.room
                    ));
                }
                return;
            }
            state = self.shared.wait(state);
        }
        state.waiting.push_back(item);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Nothing comes any more: waits for what is there, but not longer than `most`; what waits then is not tried, and what is under way
    /// is given the time that one may take: a command that hangs is killed then. Says what became of it if that is not all good.
    pub fn finish(&self, most: Duration) -> Tally {
        // Without one, however long it takes.
        let until = Instant::now().checked_add(most);
        let mut state = self.shared.state();
        state.closed = true;
        self.shared.changed.notify_all();
        while state.busy || !state.waiting.is_empty() {
            let left =
                until.map_or(Duration::from_secs(1), |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let late = state.waiting.len() as u64;
        state.waiting.clear();
        state.tally.passed_over += late;
        let (mut state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, self.at_most.saturating_add(KILLED_IN), |state| state.busy)
            .unwrap_or_else(PoisonError::into_inner);
        state.tally.failed += u64::from(state.busy);
        let tally = state.tally;
        drop(state);
        if tally.failed > 0 || tally.passed_over > 0 {
            (self.say)(format!(
                "{}: {} delivered, {} failed, {} passed over",
                self.name, tally.delivered, tally.failed, tally.passed_over
            ));
        }
        tally
    }
}

fn run(shared: &Shared, mut outlet: Box<dyn Outlet>, name: &str, say: &Say) {
    let mut state = shared.state();
    loop {
        let Some(item) = state.waiting.pop_front() else {
            if state.closed {
                return;
            }
            state = shared.wait(state);
            continue;
        };
        state.busy = true;
        drop(state);
        // There is room.
        shared.changed.notify_all();
        let result = outlet.deliver(&item);
        state = shared.state();
        state.busy = false;
        match result {
            Ok(()) => state.tally.delivered += 1,
            Err(reason) => {
                state.tally.failed += 1;
                let first = state.tally.failed == 1;
                if first {
                    drop(state);
                    say(format!("{name}: {reason}; from now on failures are counted, and told at the end"));
                    state = shared.state();
                }
            }
        }
        shared.changed.notify_all();
    }
}
