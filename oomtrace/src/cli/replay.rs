//! `oomtrace replay`: a recording through the same pipeline that showed it live.

use std::iter;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::exit::Exit;
use crate::filter::Filter;
use crate::model::Observation;
use crate::pipeline::{Pipeline, Summary};

use super::args::{ReplayArgs, Speed};
use super::input::{self, Input, Recording};
use super::output;
use super::say::say_stats;

/// Observations that are read before they are needed: a few thousand candidates.
const AHEAD: usize = 16;

/// Runs the command.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    let mut input = input::open(&args.file)?;
    let pipeline = output::shown(&args.display, Filter::from(&args.filter), args.count);
    let (summary, whole) = drive(&mut input, pipeline, args.speed);
    say_stats(&summary);
    if summary.failed || summary.pipe_closed || !whole {
        return Ok(summary.exit());
    }
    Ok(summary.exit().max(input.verdict()))
}

/// Feeds a recording to a pipeline; also tells whether it was read to its end.
pub(super) fn drive(input: &mut Input, mut pipeline: Pipeline, speed: Speed) -> (Summary, bool) {
    let Input { reader, is_file, .. } = input;
    let mut pace = Pace::new(speed, reader.info().started_boot_ns);
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
struct Pace {
    factor: Option<f64>,
    started: Instant,
    started_boot_ns: u64,
}

impl Pace {
    fn new(speed: Speed, started_boot_ns: u64) -> Self {
        let factor = match speed {
            Speed::Max => None,
            Speed::Times(factor) => Some(factor),
        };
        Self { factor, started: Instant::now(), started_boot_ns }
    }

    fn wait_until(&mut self, boot_ns: u64) {
        let Some(factor) = self.factor else { return };
        let since_start = boot_ns.saturating_sub(self.started_boot_ns) as f64 / 1e9 / factor;
        let due = Duration::try_from_secs_f64(since_start).unwrap_or(Duration::MAX);
        thread::sleep(due.saturating_sub(self.started.elapsed()));
    }
}
