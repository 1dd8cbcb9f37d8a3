//! What a capture reads: the programs' ring, or the kernel's log with it.

use std::io;

use super::{by_log::LogFeed, ring::Ring};
use crate::model::{Observation, observation::Lost, stats::BufferStats};

/// The consumer's end. Needs a tokio runtime.
pub enum Feed {
    /// Of hooks on functions.
    Ring(Box<Ring>),
    /// Of the `log` flavour.
    Log(Box<LogFeed>),
}

impl Feed {
    /// Waits until there may be something to take. Cancel safe.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn readable(&mut self) -> io::Result<()> {
        match self {
            Self::Ring(ring) => ring.readable().await,
            Self::Log(log) => log.readable().await,
        }
    }

    /// The next observation that is there, without waiting.
    pub fn take(&mut self) -> Option<Observation> {
        match self {
            Self::Ring(ring) => ring.take(),
            Self::Log(log) => log.take(),
        }
    }

    /// How full the ring was, if that was noted.
    #[must_use]
    pub fn level(&self) -> Option<BufferStats> {
        self.ring().and_then(Ring::level)
    }

    /// The same of the candidate log, which the `log` flavour has none of.
    #[must_use]
    pub fn log_level(&self) -> Option<BufferStats> {
        match self {
            Self::Ring(ring) => ring.log_level(),
            Self::Log(_) => None,
        }
    }

    /// What was lost between the kernel and here: records that could not be decoded, and what is not in the log.
    #[must_use]
    pub fn lost(&self) -> Lost {
        let mut lost = match self {
            Self::Ring(_) => Lost::default(),
            Self::Log(log) => log.lost(),
        };
        lost.rejected = lost.rejected.saturating_add(self.ring().map_or(0, Ring::rejected));
        lost
    }

    /// The hooks are gone: what waits for more of them is told as it is.
    pub(super) fn end(&mut self) {
        if let Self::Log(log) = self {
            log.end();
        }
    }

    fn ring(&self) -> Option<&Ring> {
        match self {
            Self::Ring(ring) => Some(ring),
            Self::Log(log) => log.ring(),
        }
    }
}
