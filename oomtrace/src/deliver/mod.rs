//! Episodes to other programs: a command ([`exec`]), the journal ([`journal`]), syslog ([`syslog`]); and to other machines, as
//! OpenTelemetry has them (`otlp`, a cargo feature; [`endpoint`] is where).
//!
//! Each outlet has a thread and a queue of its own, so that one that hangs keeps neither the others nor whoever gives it episodes waiting.
//! A queue that is full passes episodes over, and counts them. What is told of an episode in short is [`summary`]'s.
//!
//! None of this runs in the process of a capture, which may neither start programs nor open sockets: it gives its observations to a
//! second process (`cli/helper.rs`).

pub mod endpoint;
pub mod exec;
pub mod journal;
#[cfg(feature = "otlp")]
pub mod otlp;
mod queue;
pub mod summary;
pub mod syslog;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Episode, SessionInfo};
use crate::sink::{Json, Sink, Totals};

pub use endpoint::{BadEndpoint, Endpoint};
pub use queue::{Outbox, Tally, WhenFull};

/// An episode on its way.
#[derive(Clone, Debug)]
pub struct Item {
    /// What is true of its session.
    pub info: Arc<SessionInfo>,
    /// It.
    pub episode: Arc<Episode>,
}

impl Item {
    /// Its line of JSON, as `--json` has it.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut json = Json::new(&mut lines);
        // A vector takes everything.
        let _ = json.start(&self.info).and_then(|()| json.episode(&self.episode));
        let session = lines.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        lines.split_off(session)
    }
}

/// Where an episode goes.
pub trait Outlet: Send {
    /// Takes one, however long that takes.
    ///
    /// # Errors
    ///
    /// Why it could not, for the user.
    fn deliver(&mut self, item: &Item) -> Result<(), String>;

    /// How long that takes at the most, if something sees to it.
    fn at_most(&self) -> Duration {
        AT_THE_END
    }
}

/// Takes messages for the user.
pub type Say = Arc<dyn Fn(String) + Send + Sync>;

/// The sink before an [`Outbox`].
pub struct Delivery {
    outbox: Outbox,
    info: Option<Arc<SessionInfo>>,
}

impl Delivery {
    /// Gives episodes to `outbox`.
    #[must_use]
    pub fn new(outbox: Outbox) -> Self {
        Self { outbox, info: None }
    }
}

impl Sink for Delivery {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.info = Some(Arc::new(info.clone()));
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        if let Some(info) = &self.info {
            self.outbox.put(Item { info: Arc::clone(info), episode: Arc::new(episode.clone()) });
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}

/// How long the end waits for what has not been delivered.
pub const AT_THE_END: Duration = Duration::from_secs(15);
