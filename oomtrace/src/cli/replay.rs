//! `oomtrace replay`: a recording through the same pipeline that showed it live.

use std::iter;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::exit::Exit;
use crate::model::Observation;
use crate::pipeline::{Pipeline, Summary};

use super::args::{ReplayArgs, Speed};
use super::deliver::Outlets;
use super::input::{Input, Recording};
use super::metrics;
use super::output;
use super::recordings::Recordings;
use super::say::say_stats;
use super::stream::{self, Wanted};
use crate::deliver::WhenFull;

/// Observations that are read before they are needed: a few thousand candidates.
const AHEAD: usize = 16;

/// Runs the command.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let recordings = Recordings::of(&args.files)?.following(args.follow);
    let (name, sink) = output::sink(&args.display);
    let pace = Pace::new(args.speed, args.idle_cap);
    let mut outlets = Outlets::open(&args.outlets, WhenFull::Wait, None)?;
    let mut also: Vec<_> = outlets.sinks().collect();
    if let Some(listener) = metrics::listen(&args.metrics)? {
        also.push(metrics::serve(listener, &args.metrics)?);
    }
    let wanted = Wanted { count: args.count, also, ..Wanted::all(args.pick.with(&args.filter), pace) };
    let (summary, exit) = stream::show(recordings, name, sink, wanted)?;
    say_stats(&summary);
    Ok(exit.max(outlets.finish(Duration::MAX)))
}

/// Feeds a recording to a pipeline; also tells whether it was read to its end.
pub(super) fn drive(input: &mut Input, mut pipeline: Pipeline, pace: &mut Pace) -> (Summary, bool) {
    let Input { reader, is_file, .. } = input;
    pace.begin(reader.info().started_boot_ns);
    let mut flow = pipeline.start(reader.info());
    let mut take = |observation: Observation| {
        if let Some(boot_ns) = observation.boot_ns() {
            pace.wait_until(boot_ns);
        }
        pipeline.push(observation)
    };
    if flow.is_continue() {
        let ahead = if *is_file { read_ahead(reader, &mut take) } else { None };
        flow = ahead.unwrap_or_else(|| iter::from_fn(|| reader.next_observation()).try_for_each(take));
    }
    if flow == ControlFlow::Break(()) {
        // Enough was shown. What the rest of the recording holds is not this run's business.
        return (pipeline.finish(None), false);
    }
    (pipeline.finish(reader.end()), true)
}

/// Reads on while what was read before is assembled and shown: two thirds of the time. Only for files: a pipe may have nothing to
/// read for a long time, when this has long been told to stop. `None` without a second thread; nothing has been read then.
fn read_ahead(
    reader: &mut Recording,
    take: impl FnMut(Observation) -> ControlFlow<()>,
) -> Option<ControlFlow<()>> {
    let (there, here) = mpsc::sync_channel(AHEAD);
    thread::scope(|scope| {
        let read = move || while reader.next_observation().is_some_and(|read| there.send(read).is_ok()) {};
        thread::Builder::new().spawn_scoped(scope, read).ok()?;
        Some(here.into_iter().try_for_each(take))
    })
}

/// Waits so that things come as they came, or so many times as fast.
pub(super) struct Pace {
    factor: Option<f64>,
    /// Longest wait between two of them.
    idle_cap: Duration,
    last_boot_ns: u64,
    /// When the last one was due.
    due: Instant,
}

impl Pace {
    pub(super) fn new(speed: Speed, idle_cap: Duration) -> Self {
        let factor = match speed {
            Speed::Max => None,
            Speed::Times(factor) => Some(factor),
        };
        Self { factor, idle_cap, last_boot_ns: 0, due: Instant::now() }
    }

    /// Never waits.
    pub(super) fn max() -> Self {
        Self::new(Speed::Max, Duration::ZERO)
    }

    /// A recording begins.
    fn begin(&mut self, boot_ns: u64) {
        (self.last_boot_ns, self.due) = (boot_ns, Instant::now());
    }

    fn wait_until(&mut self, boot_ns: u64) {
        let Some(factor) = self.factor else { return };
        // What is stamped earlier than what came before it is due at once.
        let since_last = boot_ns.saturating_sub(self.last_boot_ns) as f64 / 1e9 / factor;
        let wait =
            Duration::try_from_secs_f64(since_last).map_or(self.idle_cap, |wait| wait.min(self.idle_cap));
        self.last_boot_ns = self.last_boot_ns.max(boot_ns);
        self.due += wait;
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_waited_for_longer_than_the_cap() {
        let mut pace = Pace::new(Speed::Times(1e6), Duration::from_millis(1));
        pace.begin(5_000_000_000);
        let start = pace.due;
        pace.wait_until(5_000_001_000);
        assert_eq!(pace.due, start);
        pace.wait_until(5_100_001_000);
        assert_eq!(pace.due.duration_since(start), Duration::from_nanos(100));
        // A day.
        pace.wait_until(86_405_000_000_000);
        assert_eq!(pace.due.duration_since(start), Duration::from_nanos(1_000_100));
        pace.wait_until(7);
        assert_eq!(pace.due.duration_since(start), Duration::from_nanos(1_000_100));
    }
}
