//! Episodes and metrics to a receiver of OTLP over HTTP: an OpenTelemetry collector, or what speaks like one.
//!
//! A thread of its own sends both, one request at a time. Episodes are made records when they come, and wait in a bounded queue; what a
//! receiver cannot take now is tried again, with growing pauses or when it says, until it is taken. Metrics are cumulative: what was
//! not taken is in the next ones.
//!
//! - [`settings`]: the environment's word;
//! - [`event`]: an episode as a record, a machine as a resource; [`series`]: numbers; [`proto`]: the messages of both;
//! - [`client`]: a request, and what its answer means;
//! - [`queue`]: what waits, and who waits for it; [`sender`]: the thread.

mod client;
pub mod event;
pub mod proto;
mod queue;
mod sender;
mod series;
pub mod settings;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::model::observation::Lost;
use crate::model::{Episode, SessionInfo};
use crate::sink::metrics::{self, Metrics};
use crate::sink::{Sink, Totals};

use super::{Endpoint, Say, Tally, WhenFull};
use proto::Resource;
use queue::{Entry, Queue};
use sender::Sender;
use settings::Settings;

/// Episodes that may wait: each is a record of some two KiB.
pub const ROOM: usize = 1024;

/// What both signals go through. Clones are the same one.
#[derive(Clone)]
pub struct Otlp {
    queue: Arc<Queue>,
    settings: Arc<Settings>,
    say: Say,
}

/// The sink before it, with the numbers that it sends.
pub struct OtlpSink {
    otlp: Otlp,
    metrics: Metrics,
    /// The session and its resource.
    of: Option<(SessionInfo, Arc<Resource>)>,
}

impl Otlp {
    /// Starts the thread, which sends metrics at once: a receiver that is down is told of before anything has happened. `room` episodes
    /// may wait. From a file (`when_full`), whoever has more waits too, but no longer than `patience` without anything being taken.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(
        endpoint: &Endpoint,
        settings: Settings,
        (room, when_full): (usize, WhenFull),
        patience: Duration,
        say: Say,
    ) -> io::Result<(Self, OtlpSink)> {
        let queue = Arc::new(Queue::new(room, when_full, patience));
        let (metrics, exposition) = metrics::new(metrics::Options::default());
        let settings = Arc::new(settings);
        let sender = Sender::new(Arc::clone(&queue), endpoint, &settings, exposition, Arc::clone(&say));
        thread::Builder::new().name("otlp".to_owned()).spawn(move || sender.run())?;
        let otlp = Self { queue, settings, say };
        Ok((otlp.clone(), OtlpSink { otlp, metrics, of: None }))
    }

    /// Nothing comes any more: what waits is to be sent within `most`, and then the last metrics are.
    pub fn close(&self, most: Duration) {
        self.queue.close(most);
    }

    /// Waits for that; says what became of it if that is not all good. True when nothing was lost.
    pub fn finish(&self) -> bool {
        let (Tally { delivered, failed, passed_over }, metrics) = self.queue.finish();
        let mut parts = Vec::new();
        if failed > 0 || passed_over > 0 {
            parts.push(format!("{delivered} delivered, {failed} failed, {passed_over} passed over"));
        }
        if !metrics {
            parts.push("the last metrics were not taken".to_owned());
        }
        if parts.is_empty() {
            return true;
        }
        (self.say)(format!("--otlp: {}", parts.join("; ")));
        false
    }

    fn put(&self, entry: Entry) {
        if self.queue.put(entry) {
            return;
        }
        (self.say)(format!(
            "--otlp: {} episodes wait already; those for which there is no room are counted and passed over",
            self.queue.room()
        ));
    }
}

impl Sink for OtlpSink {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        let resource = Arc::new(event::resource(info, &self.otlp.settings.resource));
        self.otlp.queue.resource(Arc::clone(&resource));
        self.of = Some((info.clone(), resource));
        self.metrics.start(info)
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn lost(&mut self, lost: &Lost) -> io::Result<()> {
        self.metrics.lost(lost)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        self.metrics.episode(episode)?;
        if let Some((info, resource)) = &self.of {
            let record = event::record(episode, info, unix_ns());
            self.otlp.put(Entry { resource: Arc::clone(resource), record });
        }
        Ok(())
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.metrics.end(totals)
    }
}

/// Now.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
