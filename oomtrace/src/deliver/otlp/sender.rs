//! The thread that sends: records as they come, metrics at an interval, and what is left at the end.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::deliver::{Endpoint, Say};
use crate::sink::metrics::Exposition;

use super::client::{Client, Outcome};
use super::proto::{
    LogsRequest, MetricsRequest, Resource, ResourceLogs, ResourceMetrics, ScopeLogs, ScopeMetrics,
};
use super::queue::{Entry, Next, Queue};
use super::settings::Settings;
use super::{event, series, unix_ns};

/// Records of a request.
const BATCH: usize = 64;
/// The first pause after a failure, and the longest; each is twice the one before.
const PAUSE: Duration = Duration::from_secs(1);
const MOST_PAUSE: Duration = Duration::from_secs(30);
/// For the last metrics, when records have used up the time.
const LAST: Duration = Duration::from_millis(500);

pub(super) struct Sender {
    queue: Arc<Queue>,
    client: Client,
    logs: String,
    metrics: String,
    interval: Duration,
    exposition: Exposition,
    say: Say,
    /// Since when is counted, ns since the Unix epoch.
    start: u64,
    pause: Duration,
    /// Nothing is to be sent before.
    not_before: Option<Instant>,
    /// Nothing has been taken since.
    outage: bool,
    /// What was told once already.
    told: Told,
}

#[derive(Default)]
struct Told {
    records: bool,
    metrics: bool,
    partly: bool,
}

impl Sender {
    pub(super) fn new(
        queue: Arc<Queue>,
        endpoint: &Endpoint,
        settings: &Settings,
        exposition: Exposition,
        say: Say,
    ) -> Self {
        Self {
            queue,
            client: Client::new(settings),
            logs: endpoint.url("logs"),
            metrics: endpoint.url("metrics"),
            interval: settings.interval,
            exposition,
            say,
            start: unix_ns(),
            pause: PAUSE,
            not_before: None,
            outage: false,
            told: Told::default(),
        }
    }

    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        // The first ones tell that all counters are 0, and whether anybody is there.
        let mut due = Instant::now();
        loop {
            match self.queue.next(due, self.not_before) {
                Next::End => break,
                Next::Records => self.send_records(&mut batch, Duration::MAX),
                Next::Metrics => {
                    let sent = self.send_metrics(Duration::MAX);
                    let now = Instant::now();
                    due = match sent {
                        Sent::Done(_) => now + self.interval,
                        Sent::Busy | Sent::Down => now,
                    };
                }
            }
        }
        self.finish(&mut batch);
    }

    /// Sends what is left. Pauses are made, but none beyond the end.
    fn finish(&mut self, batch: &mut Vec<Entry>) {
        let queue = Arc::clone(&self.queue);
        let left = || queue.until().saturating_duration_since(Instant::now());
        // Whatever was wrong before, once more now.
        self.not_before = None;
        self.pause = PAUSE;
        loop {
            if batch.is_empty() {
                *batch = self.queue.take(BATCH);
            }
            if batch.is_empty() || left().is_zero() {
                break;
            }
            self.send_records(batch, left());
            if !self.wait_within(queue.until()) {
                break;
            }
        }
        let mut taken = false;
        // Who is there and busy is asked again; who is not there was, by now.
        for _ in 0..3 {
            match self.send_metrics(left().max(LAST)) {
                Sent::Done(all) => {
                    taken = all;
                    break;
                }
                Sent::Busy if self.wait_within(queue.until()) => {}
                Sent::Busy | Sent::Down => break,
            }
        }
        self.queue.end(batch.len() as u64, taken);
    }

    /// Makes the pause that is to be made; false when it would take longer than there is time.
    fn wait_within(&mut self, until: Instant) -> bool {
        match self.not_before.take() {
            None => true,
            Some(at) if at < until => {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                true
            }
            Some(_) => false,
        }
    }

    /// Sends records: those that were tried before, or more.
    fn send_records(&mut self, batch: &mut Vec<Entry>, most: Duration) {
        if batch.is_empty() {
            *batch = self.queue.take(BATCH);
        }
        let count = batch.len() as u64;
        match self.client.post(&self.logs, &request(batch), most) {
            Outcome::Taken(partly) => {
                self.taken();
                let (rejected, why) = partly.unwrap_or_default();
                let rejected = rejected.min(count);
                self.say_partly(&self.logs.clone(), rejected, &why);
                batch.clear();
                self.queue.done(count - rejected, rejected);
            }
            Outcome::Later(why, after) => self.later(&self.logs.clone(), &why, after),
            Outcome::Refused(why) => {
                self.taken();
                if !std::mem::replace(&mut self.told.records, true) {
                    self.say(&format!(
                        "{}: {why}; from now on failures are counted, and told at the end",
                        self.logs
                    ));
                }
                batch.clear();
                self.queue.done(0, count);
            }
        }
    }

    fn send_metrics(&mut self, most: Duration) -> Sent {
        let Some(resource) = self.queue.session() else { return Sent::Done(true) };
        let metrics = series::metrics(&self.exposition.families(Instant::now()), self.start, unix_ns());
        let request = MetricsRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(Resource::clone(&resource)),
                scope_metrics: vec![ScopeMetrics { scope: Some(event::scope()), metrics }],
            }],
        };
        match self.client.post(&self.metrics, &request, most) {
            Outcome::Taken(partly) => {
                self.taken();
                let (rejected, why) = partly.unwrap_or_default();
                self.say_partly(&self.metrics.clone(), rejected, &why);
                Sent::Done(rejected == 0)
            }
            Outcome::Later(why, after) => {
                let busy = why.starts_with("it answers");
                self.later(&self.metrics.clone(), &why, after);
                if busy { Sent::Busy } else { Sent::Down }
            }
            Outcome::Refused(why) => {
                self.taken();
                if !std::mem::replace(&mut self.told.metrics, true) {
                    self.say(&format!("{}: {why}", self.metrics));
                }
                Sent::Done(false)
            }
        }
    }

    /// Somebody answers.
    fn taken(&mut self) {
        self.pause = PAUSE;
        self.not_before = None;
        if std::mem::take(&mut self.outage) {
            self.say("it is taken again");
        }
    }

    /// Later, then: when it was said, or after a pause that is not everybody's at the same time.
    fn later(&mut self, url: &str, why: &str, after: Option<Duration>) {
        if !std::mem::replace(&mut self.outage, true) {
            self.say(&format!(
                "{url}: {why}; it is tried again, and {} episodes may wait meanwhile",
                self.queue.room()
            ));
        }
        let jitter = RandomState::new().hash_one(0) % 256;
        let pause = self.pause.mul_f64(1.0 - jitter as f64 / 1024.0);
        self.pause = (self.pause * 2).min(MOST_PAUSE);
        self.not_before = Some(Instant::now() + after.unwrap_or(pause));
    }

    fn say_partly(&mut self, url: &str, rejected: u64, why: &str) {
        if (rejected > 0 || !why.is_empty()) && !std::mem::replace(&mut self.told.partly, true) {
            let what = if rejected > 0 { format!("{rejected} refused") } else { "a warning".to_owned() };
            let why = if why.is_empty() { "no reason given" } else { why };
            self.say(&format!("{url}: {what}: {why}"));
        }
    }

    fn say(&self, message: &str) {
        (self.say)(format!("--otlp: {message}"));
    }
}

/// What came of metrics.
enum Sent {
    /// They are there; true: all of them.
    Done(bool),
    /// Not now.
    Busy,
    /// Nobody answers.
    Down,
}

/// Records of one resource after the other.
fn request(batch: &[Entry]) -> LogsRequest {
    let same = |a: &Entry, b: &Entry| Arc::ptr_eq(&a.resource, &b.resource);
    let of_one = |entries: &[Entry]| ResourceLogs {
        resource: entries.first().map(|entry| Resource::clone(&entry.resource)),
        scope_logs: vec![ScopeLogs {
            scope: Some(event::scope()),
            log_records: entries.iter().map(|entry| entry.record.clone()).collect(),
        }],
    };
    LogsRequest { resource_logs: batch.chunk_by(same).map(of_one).collect() }
}
