//! `oomtrace watch` and `oomtrace record`: a live capture through the pipeline.
//!
//! The probes are attached before the output is opened: a capture that is not possible must not cost an older recording.

use std::future::pending;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bytesize::ByteSize;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::exit::{Exit, NotAllowed, Usage};
use crate::filter::Filter;
use crate::model::observation::{Clock, Lost};
use crate::model::{Observation, SessionEnd, SessionInfo, SourceKind};
use crate::pipeline::{Pipeline, Summary};
use crate::source::live::load::Flavour;
use crate::source::live::{Live, LiveError, Options, host, protect};

use super::args::{Attach, CaptureArgs, DisplayArgs, ProbeLog, RecordArgs, WatchArgs};
use super::{output, say};

/// Runs `watch`.
pub(super) fn watch(args: &WatchArgs) -> anyhow::Result<Exit> {
    let capture =
        Capture { args: &args.capture, display: Some(&args.display), output: args.output.as_deref() };
    capture.run(Filter::from(&args.filter))
}

/// Runs `record`.
pub(super) fn record(args: &RecordArgs) -> anyhow::Result<Exit> {
    Capture { args: &args.capture, display: None, output: Some(&args.output) }.run(Filter::default())
}

struct Capture<'a> {
    args: &'a CaptureArgs,
    display: Option<&'a DisplayArgs>,
    output: Option<&'a Path>,
}

impl Capture<'_> {
    fn run(&self, filter: Filter) -> anyhow::Result<Exit> {
        let options = options(self.args);
        if self.args.probe_log != ProbeLog::Off {
            super::probe_log::install(options.probe_log);
        }
        let live = Live::start(&options).map_err(refusal)?;
        let pipeline = output::captured(self.display, filter, self.args.count, self.output)?;
        say_ready(&live.info);
        let summary = capture(live, pipeline, self.args.duration)?;
        say_summary(&summary);
        Ok(summary.exit())
    }
}

/// What the loader is told.
pub(super) fn options(args: &CaptureArgs) -> Options {
    Options {
        flavour: match args.attach {
            Attach::Auto => Flavour::Auto,
            Attach::Fentry => Flavour::Fentry,
            Attach::Kprobe => Flavour::Kprobe,
        },
        btf: args.btf.clone(),
        ring_bytes: args.ring_size.map(|size| size.as_u64()),
        without: args.without_hook.clone(),
        probe_log: match args.probe_log {
            ProbeLog::Off => None,
            ProbeLog::Error => Some(log::LevelFilter::Error),
            ProbeLog::Warn => Some(log::LevelFilter::Warn),
            ProbeLog::Info => Some(log::LevelFilter::Info),
            ProbeLog::Debug => Some(log::LevelFilter::Debug),
            ProbeLog::Trace => Some(log::LevelFilter::Trace),
        },
    }
}

/// What stands in the way, as this program's exit codes have it.
pub(super) fn refusal(error: LiveError) -> anyhow::Error {
    match error {
        LiveError::RingTooSmall { .. } => Usage(error.to_string()).into(),
        LiveError::BadBtf { .. } | LiveError::Read { .. } => error.into(),
        LiveError::Privileges { .. }
        | LiveError::NoBtf { .. }
        | LiveError::Layout { .. }
        | LiveError::Lockdown
        | LiveError::NoFlavour { .. }
        | LiveError::Attach { .. }
        | LiveError::Load { .. } => NotAllowed(error.to_string()).into(),
    }
}

/// Runs a capture until it is told to end: by a signal, the wanted count, the time, or a reader that went away.
pub(super) fn capture(live: Live, pipeline: Pipeline, duration: Option<Duration>) -> anyhow::Result<Summary> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")?;
    runtime.block_on(drive(live, pipeline, duration))
}

async fn drive(
    mut live: Live,
    mut pipeline: Pipeline,
    duration: Option<Duration>,
) -> anyhow::Result<Summary> {
    let mut stop = Stop::new(duration)?;
    let mut lost = Lost::default();
    let mut flow = pipeline.start(&live.info);
    while flow.is_continue() {
        let woken = tokio::select! {
            () = stop.asked() => break,
            ready = live.ring.readable() => {
                ready.context("the ring buffer cannot be waited for")?;
                Woken::Ring
            }
            () = deadline(pipeline.next_deadline_ns()) => Woken::Deadline,
            () = log_tick(live.probe_log.is_some()) => Woken::Ring,
        };
        if let Some(log) = &mut live.probe_log {
            log.flush();
        }
        flow = drain(&mut live, &mut pipeline, &mut lost);
        if woken == Woken::Deadline && flow.is_continue() {
            flow = pipeline.push(&Observation::Clock(Clock { boot_ns: host::boot_ns() }));
        }
    }
    // What the programs counted, before they are gone; then what they left on the ring.
    let counted = live.losses.read();
    live.detach();
    if flow.is_continue() {
        let _ended_anyway = drain(&mut live, &mut pipeline, &mut lost);
    }
    lost.add(counted);
    lost.rejected = lost.rejected.saturating_add(live.ring.rejected());
    Ok(pipeline.finish(Some(SessionEnd { boot_ns: host::boot_ns(), lost, completed: None })))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    Ring,
    Deadline,
}

/// Takes everything off the ring. Losses of episodes are summed as they pass, because a recording's end has to hold those of
/// unfinished ones too.
fn drain(live: &mut Live, pipeline: &mut Pipeline, lost: &mut Lost) -> ControlFlow<()> {
    while let Some(observation) = live.ring.take() {
        if let Observation::Closed(closed) = &observation {
            lost.add(closed.lost);
        }
        pipeline.push(&observation)?;
    }
    ControlFlow::Continue(())
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

/// What ends a capture from outside.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    at: Option<Instant>,
}

impl Stop {
    fn new(duration: Option<Duration>) -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be listened for");
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            at: duration.map(|duration| Instant::now() + duration),
        })
    }

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
}

/// Says what was attached, what is missing, and that it waits from here on.
fn say_ready(info: &SessionInfo) {
    for hook in &info.hooks {
        if let Some(reason) = &hook.missing {
            say(&format!("{} is not hooked: {reason}", hook.target));
        }
    }
    let mut protection = "protected".to_owned();
    if let Some(reason) = protect::from_the_oom_killer() {
        protection = format!("not protected from the OOM killer ({reason})");
    }
    if let Some(reason) = protect::memory() {
        protection = format!("{protection}, memory not locked ({reason})");
    }
    let size = |bytes: Option<u64>| {
        bytes.map_or("?".to_owned(), |bytes| ByteSize(bytes).display().iec().to_string())
    };
    let flavour = match info.source {
        SourceKind::Fentry => "fentry",
        SourceKind::Kprobe => "kprobe",
        SourceKind::Log => "log",
        SourceKind::Import => "import",
    };
    let cpus = info.cpus.map_or("?".to_owned(), |cpus| cpus.to_string());
    say(&format!(
        "{} · Linux {} · {cpus} CPUs, {} RAM, {} swap · {flavour}, ring {}, {protection} · waiting, Ctrl-C ends",
        info.tool_version,
        info.kernel_release.as_deref().unwrap_or("?"),
        size(info.ram_bytes),
        size(info.swap_bytes),
        size(info.ring_bytes),
    ));
}

/// The last word on stderr.
fn say_summary(summary: &Summary) {
    let totals = &summary.totals;
    let counted = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let lost = if totals.lost.any() { "some of it lost, see above" } else { "nothing lost" };
    say(&format!("{}, {}; {lost}", counted(totals.episodes, "episode"), counted(totals.victims, "victim")));
}
