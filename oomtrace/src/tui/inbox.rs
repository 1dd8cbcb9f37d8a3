//! Where episodes and messages arrive: a sink on one side, the screen on the other.
//!
//! What is kept is bounded. Of episodes beyond the bounds the row stays in the list and the rest goes, the oldest first.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::model::{Episode, Gap, SessionInfo};
use crate::sink::listing::Row;
use crate::sink::terminal::text;
use crate::sink::{Sink, Totals};

use super::app::Source;

/// Candidates that are kept at most, of all episodes of recordings together: about 250 MB.
pub const MOST_CANDIDATES: usize = 1_000_000;
/// The same beside a capture, on a machine that may have little memory.
pub const MOST_BESIDE_A_CAPTURE: usize = MOST_CANDIDATES / 10;
/// An episode without candidates is as large as so many of them.
const EMPTY: usize = 16;
/// Messages that are kept: the latest.
const MOST_MESSAGES: usize = 200;

/// An episode that has arrived.
#[derive(Clone, Debug)]
pub struct Item {
    /// The episode; `None` when there was no room for it any more.
    pub episode: Option<Arc<Episode>>,
    /// The head that was in force.
    pub info: Arc<SessionInfo>,
    /// Its row in a list.
    pub row: Row,
}

impl Item {
    /// What it takes, in candidates.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.episode.as_ref().map_or(0, |episode| episode.candidates.len() + EMPTY)
    }
}

/// What has arrived since it was looked last.
#[derive(Default)]
pub struct Arrived {
    /// Episodes, in the order in which they were over.
    pub items: Vec<Item>,
    /// What there was to say.
    pub messages: Vec<String>,
    /// How far reading has come; `None`: it takes no time to speak of.
    pub progress: Option<String>,
    /// Nothing comes any more, for this reason if there is one to be told.
    pub ended: Option<String>,
}

#[derive(Default)]
struct State {
    file: String,
    info: Option<Arc<SessionInfo>>,
    items: VecDeque<Item>,
    weight: usize,
    /// What that may come to.
    most: usize,
    messages: VecDeque<String>,
    progress: Option<String>,
    ended: Option<String>,
}

struct Shared {
    state: Mutex<State>,
    arrived: Notify,
}

/// Clones of it are the same one.
#[derive(Clone)]
pub struct Inbox(Arc<Shared>);

impl Inbox {
    /// For episodes from such a source.
    #[must_use]
    pub fn of(source: Source) -> Self {
        let state = State { most: source.most_candidates(), ..State::default() };
        Self(Arc::new(Shared { state: Mutex::new(state), arrived: Notify::new() }))
    }

    /// What follows is in this recording.
    pub fn file(&self, name: &str) {
        name.clone_into(&mut self.state().file);
    }

    /// Something to say to whoever is looking.
    pub fn message(&self, text: &str) {
        let mut state = self.state();
        if state.messages.len() == MOST_MESSAGES {
            state.messages.pop_front();
        }
        state.messages.push_back(text.to_owned());
        drop(state);
        self.0.arrived.notify_one();
    }

    /// How far reading has come; `None`: it is not told any more.
    pub fn progress(&self, text: Option<&str>) {
        self.state().progress = text.map(str::to_owned);
        self.0.arrived.notify_one();
    }

    /// Nothing comes any more.
    pub fn ended(&self, why: &str) {
        self.state().ended = Some(why.to_owned());
        self.0.arrived.notify_one();
    }

    /// Takes what has arrived.
    #[must_use]
    pub fn take(&self) -> Arrived {
        let mut state = self.state();
        state.weight = 0;
        Arrived {
            items: std::mem::take(&mut state.items).into(),
            messages: std::mem::take(&mut state.messages).into(),
            progress: state.progress.clone(),
            ended: state.ended.clone(),
        }
    }

    /// Comes when something has arrived.
    pub fn arrived(&self) -> Notified<'_> {
        self.0.arrived.notified()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Inbox {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.state().info = Some(Arc::new(info.clone()));
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let info = self.state().info.clone();
        self.message(&text::gap(gap, info.as_deref()));
        Ok(())
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let mut state = self.state();
        let Some(info) = state.info.clone() else { return Ok(()) };
        let row = Row::of(episode, &info, &state.file);
        let item = Item { episode: Some(Arc::new(episode.clone())), info, row };
        state.weight += item.weight();
        state.items.push_back(item);
        // A terminal that takes nothing must not make this grow.
        let mut oldest = 0;
        while state.weight > state.most && oldest + 1 < state.items.len() {
            let freed = state.items.get_mut(oldest).map_or(0, |item| {
                let weight = item.weight();
                item.episode = None;
                weight
            });
            state.weight -= freed;
            oldest += 1;
        }
        drop(state);
        self.0.arrived.notify_one();
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}
