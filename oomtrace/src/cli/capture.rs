//! Drives a live capture: what wakes it, in which order things are looked at, and what ends it.

use std::future::pending;
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::model::observation::{Clock, Lost};
use crate::model::{Observation, SessionEnd, Stats};
use crate::pipeline::{Pipeline, Summary};
use crate::source::live::{Live, host};
use crate::source::samples::Heartbeat;

use super::names::Follower;
use super::service_manager::ServiceManager;
use super::status::Status;
use super::{heartbeat, names, new_file};

/// What looks at the machine beside a capture.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) names: Option<Follower>,
}

/// Runs a capture until it is told to end: by a signal, the wanted count, the time, or a reader that went away.
///
/// `ready` is called when signals are listened for and all memory has been reserved: from then on nothing is missed.
pub(super) fn capture(
    live: Live,
    pipeline: Pipeline,
    beside: Beside,
    duration: Option<Duration>,
    manager: ServiceManager,
    status: Option<Status>,
    ready: impl FnOnce(&Live),
) -> anyhow::Result<Summary> {
    runtime()?.block_on(async {
        let mut stop = Stop::new(duration, status)?;
        drive(live, pipeline, beside, &mut stop, manager, ready).await
    })
}

/// Runs a capture, until `stop` says so, or there is nobody to capture for.
pub(super) fn capture_until(
    live: Live,
    pipeline: Pipeline,
    stop: &mut impl Until,
    ready: impl FnOnce(&Live),
) -> anyhow::Result<Summary> {
    runtime()?.block_on(drive(live, pipeline, Beside::default(), stop, ServiceManager::default(), ready))
}

/// One thread that waits.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")
}

/// What ends a capture.
pub(super) trait Until {
    /// Comes when it is to end. Cancel safe.
    async fn asked(&mut self);

    /// When it wants to look at the capture, ns since boot.
    fn looks_ns(&self) -> Option<u64> {
        None
    }

    /// Looks at the capture.
    fn look(&mut self, _pipeline: &Pipeline, _lost: Lost) {}
}

async fn drive(
    mut live: Live,
    mut pipeline: Pipeline,
    mut beside: Beside,
    stop: &mut impl Until,
    mut manager: ServiceManager,
    ready: impl FnOnce(&Live),
) -> anyhow::Result<Summary> {
    let mut hangup = pipeline.has_files().then(|| listen(SignalKind::hangup())).transpose()?;
    let mut lost = Lost::default();
    let mut flow = pipeline.start(&live.info);
    if let Some(heartbeat) = &mut beside.heartbeat {
        heartbeat.look(host::boot_ns());
    }
    tell_losses(&live, &mut pipeline, lost);
    ready(&live);
    manager.ready(&format!("attached by {}, waiting", live.info.source.word()));
    // There may be more on the ring than was taken.
    let mut more = false;
    while flow.is_continue() {
        let looks_ns = stop.looks_ns();
        let woken = tokio::select! {
            biased;
            () = stop.asked() => break,
            () = tokio::task::yield_now(), if more => Woken::Capture,
            ready = live.feed.readable() => {
                ready.context("what was captured cannot be waited for")?;
                Woken::Capture
            }
            () = deadline(pipeline.next_deadline_ns()) => Woken::Deadline,
            () = deadline(beside.heartbeat.as_ref().map(Heartbeat::due_ns)) => Woken::Beat,
            () = deadline(looks_ns) => Woken::Look,
            () = deadline(beside.names.as_ref().and_then(Follower::due_ns)) => Woken::Capture,
            () = names::changed(&mut beside.names) => Woken::Capture,
            () = asked_by(&mut hangup) => {
                pipeline.ask_for_new_file();
                Woken::Capture
            }
            () = log_tick(live.probe_log.is_some()) => Woken::Capture,
            () = manager.due() => Woken::Capture,
        };
        manager.alive();
        if let Some(meter) = &mut live.meter
            && !more
        {
            meter.woken();
        }
        if let Some(log) = &mut live.probe_log {
            log.flush();
        }
        (flow, more) = drain(&mut live, &mut pipeline, &mut beside, &mut lost, AT_ONCE);
        if let Some(names) = beside.names.as_mut().filter(|_| flow.is_continue()) {
            flow = names.look(&mut pipeline, more);
        }
        // Files of /proc are read for it: not while an episode is under way.
        if !more && pipeline.next_deadline_ns().is_none() {
            tell_losses(&live, &mut pipeline, lost);
        }
        if woken == Woken::Deadline && flow.is_continue() {
            flow = pipeline.push(Observation::Clock(Clock { boot_ns: host::boot_ns() }));
        }
        if woken == Woken::Look {
            stop.look(&pipeline, lost);
        }
        if woken == Woken::Beat
            && flow.is_continue()
            && let Some(heartbeat) = &mut beside.heartbeat
        {
            flow = heartbeat::sample(heartbeat, &mut pipeline, more);
        }
        if flow.is_continue() && !more && pipeline.wants_new_file() {
            let info = host::as_of_now(&live.info);
            // What was killed before that look has to be in the file that it ends.
            (flow, more) = drain(&mut live, &mut pipeline, &mut beside, &mut lost, AT_ONCE);
            if flow.is_continue() && !more {
                new_file::begin(&live, &mut pipeline, &mut beside.heartbeat, lost, &info);
            }
        }
    }
    manager.stopping();
    let missed_runs = live.missed_runs();
    // Before the probes go: what is killed after this look and seen by them can be told by its time, what is killed without
    // them could not.
    let (vmstat_oom_kills, boot_ns) = host::oom_kills_now();
    let cost = live.meter.take().map(|meter| meter.stats());
    live.detach();
    if flow.is_continue() {
        flow = drain(&mut live, &mut pipeline, &mut beside, &mut lost, usize::MAX).0;
    }
    if flow.is_continue() {
        let _ended_anyway = heartbeat::hand_on(&mut beside.heartbeat, &mut pipeline);
    }
    while let Some(observation) = live.feed.take() {
        pipeline.pass_by(&observation);
    }
    let stats =
        cost.map(|stats| Stats { ring: live.feed.level(), candidate_log: live.feed.log_level(), ..stats });
    lost.add(Lost { missed_runs, ..live.lost() });
    Ok(pipeline.finish(Some(SessionEnd {
        boot_ns,
        lost,
        completed: None,
        vmstat_oom_kills,
        kills_left: None,
        stats,
    })))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    Capture,
    Deadline,
    Beat,
    Look,
}

/// Observations that are taken off the ring before signals are looked at again.
const AT_ONCE: usize = 1024;

/// Takes what is on the ring, `most` observations at the most; tells whether there may be more. Losses of episodes are summed
/// as they pass, because a recording's end has to hold those of unfinished ones too.
///
/// Samples that were held back come before the first observation of an episode, names of containers behind the name of their cgroup, or as
/// soon as they are known.
fn drain(
    live: &mut Live,
    pipeline: &mut Pipeline,
    beside: &mut Beside,
    lost: &mut Lost,
    most: usize,
) -> (ControlFlow<()>, bool) {
    if let Some(names) = &mut beside.names {
        names.catch_up();
        if names.tell(pipeline).is_break() {
            return (ControlFlow::Break(()), false);
        }
    }
    for _ in 0..most {
        let Some(observation) = live.feed.take() else { return (ControlFlow::Continue(()), false) };
        let begins = observation.stamp().is_some_and(|at| at.episode != 0);
        if begins && heartbeat::hand_on(&mut beside.heartbeat, pipeline).is_break() {
            return (ControlFlow::Break(()), false);
        }
        if let Observation::Closed(closed) = &observation {
            lost.add(closed.lost);
        }
        let names = match (&mut beside.names, &observation) {
            (Some(names), Observation::Cgroup(node)) => {
                names.see(node);
                Some(names)
            }
            _ => None,
        };
        if pipeline.push(observation).is_break() || names.is_some_and(|names| names.tell(pipeline).is_break())
        {
            return (ControlFlow::Break(()), false);
        }
    }
    (ControlFlow::Continue(()), true)
}

/// Says what is lost until now, to those that do not wait for the end; `lost` is what episodes told.
fn tell_losses(live: &Live, pipeline: &mut Pipeline, mut lost: Lost) {
    if pipeline.wants_losses() {
        lost.add(Lost { missed_runs: live.missed_runs(), ..live.lost() });
        pipeline.losses(&lost);
    }
}

/// Comes when the pipeline wants to know the time; never, while nothing is unfinished: an idle capture does not wake up.
async fn deadline(boot_ns: Option<u64>) {
    match boot_ns {
        Some(boot_ns) => sleep(Duration::from_nanos(boot_ns.saturating_sub(host::boot_ns()))).await,
        None => pending().await,
    }
}

/// The programs' own log is only looked at now and then, and only when it was asked for.
async fn log_tick(on: bool) {
    if on { sleep(Duration::from_millis(200)).await } else { pending().await }
}

fn listen(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("signals cannot be listened for")
}

/// Comes with the signal, if it is listened for.
async fn asked_by(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

/// What ends a capture from outside.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    at: Option<Instant>,
    /// What is told meanwhile.
    status: Option<Status>,
}

impl Stop {
    fn new(duration: Option<Duration>, status: Option<Status>) -> anyhow::Result<Self> {
        Ok(Self {
            status,
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            at: duration.map(|duration| Instant::now() + duration),
        })
    }
}

impl Until for Stop {
    async fn asked(&mut self) {
        let time = async {
            match self.at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = time => {}
        }
    }

    fn looks_ns(&self) -> Option<u64> {
        self.status.as_ref().map(Status::due_ns)
    }

    fn look(&mut self, pipeline: &Pipeline, lost: Lost) {
        if let Some(status) = &mut self.status {
            status.draw(pipeline, lost);
        }
    }
}
