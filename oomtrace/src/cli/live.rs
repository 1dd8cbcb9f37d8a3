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
use crate::model::session::Hook;
use crate::model::{Observation, SessionEnd, SessionInfo, SourceKind, Stats};
use crate::pipeline::{Pipeline, Summary};
use crate::privileges::{Confined, Features, Sandbox};
use crate::sink::terminal::text;
use crate::source::live::load::Flavour;
use crate::source::live::{Live, LiveError, Options, host, protect};
use crate::source::samples::{self, Heartbeat};

use super::args::{Attach, CaptureArgs, DirArgs, DisplayArgs, ProbeLog, RecordArgs, SampleArgs, WatchArgs};
use super::say::say_stats;
use super::{heartbeat, new_file, output, say};

/// Runs `watch`.
pub(super) fn watch(args: &WatchArgs) -> anyhow::Result<Exit> {
    let capture = Capture {
        args: &args.capture,
        display: Some(&args.display),
        output: args.output.as_deref(),
        dir: None,
        samples: args.samples,
    };
    capture.run(Filter::from(&args.filter))
}

/// Runs `record`.
pub(super) fn record(args: &RecordArgs) -> anyhow::Result<Exit> {
    Capture {
        args: &args.capture,
        display: None,
        output: args.output.as_deref(),
        dir: Some(&args.dir),
        samples: args.samples,
    }
    .run(Filter::default())
}

struct Capture<'a> {
    args: &'a CaptureArgs,
    display: Option<&'a DisplayArgs>,
    output: Option<&'a Path>,
    dir: Option<&'a DirArgs>,
    samples: SampleArgs,
}

impl Capture<'_> {
    fn run(&self, filter: Filter) -> anyhow::Result<Exit> {
        // First of all: attaching takes memory, and may take place when there is little.
        let exposed = protect::from_the_oom_killer();
        let options = options(self.args);
        if self.args.probe_log != ProbeLog::Off {
            super::probe_log::install(options.probe_log);
        }
        let live = Live::start(&options).map_err(refusal)?;
        say_refused(&live);
        let directory = self.dir.and_then(|args| Some((args.dir.as_deref()?, args)));
        let pipeline = match directory {
            Some((dir, limits)) => output::directory(filter, self.args, dir, limits)?,
            None => output::captured(self.display, filter, self.args, self.output)?,
        };
        let file = self.output.filter(|path| !output::is_dash(path));
        let recorded_in = directory.map(|(dir, _)| dir).or(file.map(folder));
        // Before threads are started.
        let sandbox = (!self.args.no_sandbox).then(|| Sandbox::prepare(recorded_in));
        let features = Features {
            recording: recorded_in.is_some(),
            directory: directory.is_some(),
            ..Features::default()
        };
        let heartbeat = self.samples.every(directory.map(|_| samples::EVERY)).map(heartbeat::start);
        let ready = |live: &Live| {
            let locked = protect::memory();
            // Behind everything that takes a privilege: from here on only what is open is used.
            let confined = sandbox.map(|sandbox| sandbox.confine(features, || live.needs_bpf()));
            say_ready(&live.info, &protection(exposed, locked, confined.as_ref()));
        };
        let summary = capture(live, pipeline, heartbeat, self.args.duration, ready)?;
        say_summary(&summary, self.display.is_none());
        say_stats(&summary);
        Ok(summary.exit())
    }
}

/// The folder that a file is in.
fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What the loader is told.
pub(super) fn options(args: &CaptureArgs) -> Options {
    Options {
        flavour: match args.attach {
            Attach::Auto => Flavour::Auto,
            Attach::Fentry => Flavour::Fentry,
            Attach::Kprobe => Flavour::Kprobe,
            Attach::Log => Flavour::Log,
        },
        btf: args.btf.clone(),
        buffer_bytes: args.buffer.map(|size| size.as_u64()),
        without: args.without_hook.clone(),
        stats: args.stats,
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
        LiveError::Buffer { .. } => Usage(error.to_string()).into(),
        LiveError::BadBtf { .. } | LiveError::Read { .. } | LiveError::Broken { .. } => error.into(),
        LiveError::Privileges { .. }
        | LiveError::NoBtf { .. }
        | LiveError::Layout { .. }
        | LiveError::Lockdown
        | LiveError::NoHooks { .. }
        | LiveError::NoFlavour { .. }
        | LiveError::LogRefused { .. }
        | LiveError::Attach { .. }
        | LiveError::Load { .. } => NotAllowed(error.to_string()).into(),
    }
}

/// Runs a capture until it is told to end: by a signal, the wanted count, the time, or a reader that went away.
///
/// `ready` is called when signals are listened for and all memory has been reserved: from then on nothing is missed.
pub(super) fn capture(
    live: Live,
    pipeline: Pipeline,
    heartbeat: Option<Heartbeat>,
    duration: Option<Duration>,
    ready: impl FnOnce(&Live),
) -> anyhow::Result<Summary> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime cannot be started")?;
    runtime.block_on(drive(live, pipeline, heartbeat, duration, ready))
}

async fn drive(
    mut live: Live,
    mut pipeline: Pipeline,
    mut heartbeat: Option<Heartbeat>,
    duration: Option<Duration>,
    ready: impl FnOnce(&Live),
) -> anyhow::Result<Summary> {
    let mut stop = Stop::new(duration)?;
    let mut hangup = pipeline.has_files().then(|| listen(SignalKind::hangup())).transpose()?;
    let mut lost = Lost::default();
    let mut flow = pipeline.start(&live.info);
    if let Some(heartbeat) = &mut heartbeat {
        heartbeat.look(host::boot_ns());
    }
    ready(&live);
    // There may be more on the ring than was taken.
    let mut more = false;
    while flow.is_continue() {
        let woken = tokio::select! {
            biased;
            () = stop.asked() => break,
            () = tokio::task::yield_now(), if more => Woken::Capture,
            ready = live.feed.readable() => {
                ready.context("what was captured cannot be waited for")?;
                Woken::Capture
            }
            () = deadline(pipeline.next_deadline_ns()) => Woken::Deadline,
            () = deadline(heartbeat.as_ref().map(Heartbeat::due_ns)) => Woken::Beat,
            () = asked_by(&mut hangup) => {
                pipeline.ask_for_new_file();
                Woken::Capture
            }
            () = log_tick(live.probe_log.is_some()) => Woken::Capture,
        };
        if let Some(meter) = &mut live.meter
            && !more
        {
            meter.woken();
        }
        if let Some(log) = &mut live.probe_log {
            log.flush();
        }
        (flow, more) = drain(&mut live, &mut pipeline, &mut heartbeat, &mut lost, AT_ONCE);
        if woken == Woken::Deadline && flow.is_continue() {
            flow = pipeline.push(Observation::Clock(Clock { boot_ns: host::boot_ns() }));
        }
        if woken == Woken::Beat
            && flow.is_continue()
            && let Some(heartbeat) = &mut heartbeat
        {
            flow = heartbeat::sample(heartbeat, &mut pipeline, more);
        }
        if flow.is_continue() && !more && pipeline.wants_new_file() {
            let info = host::as_of_now(&live.info);
            // What was killed before that look has to be in the file that it ends.
            (flow, more) = drain(&mut live, &mut pipeline, &mut heartbeat, &mut lost, AT_ONCE);
            if flow.is_continue() && !more {
                new_file::begin(&live, &mut pipeline, &mut heartbeat, lost, &info);
            }
        }
    }
    let missed_runs = live.missed_runs();
    // Before the probes go: what is killed after this look and seen by them can be told by its time, what is killed without
    // them could not.
    let (vmstat_oom_kills, boot_ns) = host::oom_kills_now();
    let cost = live.meter.take().map(|meter| meter.stats());
    live.detach();
    if flow.is_continue() {
        flow = drain(&mut live, &mut pipeline, &mut heartbeat, &mut lost, usize::MAX).0;
    }
    if flow.is_continue() {
        let _ended_anyway = heartbeat::hand_on(&mut heartbeat, &mut pipeline);
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
}

/// Observations that are taken off the ring before signals are looked at again.
const AT_ONCE: usize = 1024;

/// Takes what is on the ring, `most` observations at the most; tells whether there may be more. Losses of episodes are summed
/// as they pass, because a recording's end has to hold those of unfinished ones too.
///
/// Samples that were held back come before the first observation of an episode.
fn drain(
    live: &mut Live,
    pipeline: &mut Pipeline,
    heartbeat: &mut Option<Heartbeat>,
    lost: &mut Lost,
    most: usize,
) -> (ControlFlow<()>, bool) {
    for _ in 0..most {
        let Some(observation) = live.feed.take() else { return (ControlFlow::Continue(()), false) };
        let begins = observation.stamp().is_some_and(|at| at.episode != 0);
        if begins && heartbeat::hand_on(heartbeat, pipeline).is_break() {
            return (ControlFlow::Break(()), false);
        }
        if let Observation::Closed(closed) = &observation {
            lost.add(closed.lost);
        }
        if pipeline.push(observation).is_break() {
            return (ControlFlow::Break(()), false);
        }
    }
    (ControlFlow::Continue(()), true)
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
}

impl Stop {
    fn new(duration: Option<Duration>) -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
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

/// How the capture is guarded, in a few words: from the OOM killer (`exposed`: why not), from having no memory (`unlocked`: likewise),
/// and what it gave up, if it was to.
fn protection(exposed: Option<String>, unlocked: Option<String>, confined: Option<&Confined>) -> String {
    let mut words = match exposed {
        None => vec!["protected".to_owned()],
        Some(reason) => vec![format!("not protected from the OOM killer ({reason})")],
    };
    words.extend(unlocked.map(|reason| format!("memory not locked ({reason})")));
    words.push(match confined {
        None => "not confined".to_owned(),
        Some(Confined { failed, .. }) if !failed.is_empty() => {
            format!("not confined ({})", failed.join("; "))
        }
        Some(Confined { kept, .. }) if kept.is_empty() => "confined".to_owned(),
        Some(Confined { kept, .. }) => format!("confined to {kept}"),
    });
    words.join(", ")
}

/// Says what was attached, what is missing, and that it waits from here on.
fn say_ready(info: &SessionInfo, protection: &str) {
    say_missing(&info.hooks, info.source);
    if info.source == SourceKind::Log {
        say(LOG_LIMITS);
    }
    let size = |bytes: Option<u64>| {
        bytes.map_or("?".to_owned(), |bytes| ByteSize(bytes).display().iec().to_string())
    };
    let flavour = info.source.word();
    let cpus = info.cpus.map_or("?".to_owned(), |cpus| cpus.to_string());
    let how = match (info.source, info.ring_bytes) {
        (SourceKind::Log, None) => "log alone".to_owned(),
        (SourceKind::Log, Some(_)) => "log and tracepoints".to_owned(),
        (_, ring) => format!("{flavour}, ring {}", size(ring)),
    };
    say(&format!(
        "{} · Linux {} · {cpus} CPUs, {} RAM, {} swap · {how}, {protection} · waiting, Ctrl-C ends",
        info.tool_version,
        info.kernel_release.as_deref().unwrap_or("?"),
        size(info.ram_bytes),
        size(info.swap_bytes),
    ));
}

/// Says that it goes by the log, and why not by hooks on functions.
pub(super) fn say_refused(live: &Live) {
    if let Some(reason) = &live.refused {
        say(&format!("functions cannot be hooked here ({reason}); following the kernel's log instead"));
    }
}

/// What is not hooked; a reason that several have is said once. What the log flavour hooks nowhere is told by [`LOG_LIMITS`].
fn say_missing(hooks: &[Hook], source: SourceKind) {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for hook in hooks {
        let Some(reason) = hook.missing.as_deref() else { continue };
        if source == SourceKind::Log && hook.kind == "none" && !hook.target.starts_with("vm.") {
            continue;
        }
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, targets)) => targets.push(&hook.target),
            None => by_reason.push((reason, vec![&hook.target])),
        }
    }
    for (reason, targets) in by_reason {
        let are = if targets.len() == 1 { "is" } else { "are" };
        say(&format!("{} {are} not hooked: {reason}", targets.join(", ")));
    }
}

/// What a log does not tell: the hooks that it has not, in one line.
const LOG_LIMITS: &str = "the log does not tell the kernel's points (they are computed from its table of tasks), who was passed \
    over and why, when out_of_memory() was entered and left, and passes of which the kernel prints nothing";

/// The last word on stderr; `alone` when there is none on stdout.
fn say_summary(summary: &Summary, alone: bool) {
    let totals = &summary.totals;
    let counted = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let lost = if totals.lost.any() { "some of it lost, see above" } else { "nothing lost" };
    say(&format!("{}, {}; {lost}", counted(totals.episodes, "episode"), counted(totals.victims, "victim")));
    if alone && let Some(line) = text::ledger(&totals.ledger) {
        say(&line);
    }
}
