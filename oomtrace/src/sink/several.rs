//! Several sessions shown as one: one beginning, one end, and between them each session as an origin of its own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Episode, Gap, SessionInfo};

use super::{Sink, Totals};

/// A sink that outlives a session. Clones of it are the same one, to be given to one pipeline after the other.
#[derive(Clone)]
pub struct Several(Arc<Mutex<State>>);

struct State {
    sink: Box<dyn Sink + Send>,
    started: bool,
    totals: Option<Totals>,
}

impl Several {
    /// Shows in `sink`.
    pub fn new(sink: Box<dyn Sink + Send>) -> Self {
        Self(Arc::new(Mutex::new(State { sink, started: false, totals: None })))
    }

    /// All sessions have been shown: returns what they come to, with what the sink says to it. `None`: there was none.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn finish(&self) -> io::Result<Option<Totals>> {
        let mut state = self.state();
        let totals = state.totals.take();
        if let Some(totals) = &totals {
            state.sink.end(totals)?;
        }
        Ok(totals)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Several {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        let mut state = self.state();
        if std::mem::replace(&mut state.started, true) {
            state.sink.origin(info)
        } else {
            state.sink.start(info)
        }
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.state().sink.origin(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        self.state().sink.episode(episode)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        self.state().sink.gap(gap)
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        let mut state = self.state();
        match &mut state.totals {
            Some(all) => all.add(totals),
            none => *none = Some(totals.clone()),
        }
        Ok(())
    }
}
