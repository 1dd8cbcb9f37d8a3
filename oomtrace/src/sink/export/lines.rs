//! The JSON of `replay --json`, as an export.

use std::io;

use crate::model::{Episode, Gap, SessionInfo};
use crate::sink::{Json, Sink, Totals};

use super::Target;

/// Writes JSON Lines.
pub struct Lines(Json<Box<dyn Target>>);

impl Lines {
    /// Writes to `target`.
    #[must_use]
    pub fn new(target: Box<dyn Target>) -> Self {
        Self(Json::new(target))
    }
}

impl Sink for Lines {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.0.start(info)
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.0.origin(info)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        self.0.gap(gap)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        self.0.episode(episode)
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.0.end(totals)?;
        self.0.writer_mut().commit()
    }
}
