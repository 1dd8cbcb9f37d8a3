//! `oomtrace run`: runs a command, and tells at its end what the OOM killer did to it.
//!
//! - here: the order of things, and what is told at the end;
//! - [`job`]: the command's process, signals and exit;
//! - [`family`]: the processes below it;
//! - [`cgroup`]: its cgroup, and those above it;
//! - [`counters`]: what those count, and what follows from it;
//! - [`collect`]: which episodes are the job's.
//!
//! `docs/run.md` has the decisions.

mod cgroup;
mod collect;
mod counters;
mod family;
mod job;

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::thread::CapabilitySet;
use tokio::time::{sleep, sleep_until};

use crate::exit::Exit;
use crate::explain::job::Job as Told;
use crate::filter::Filter;
use crate::pipeline::Pipeline;
use crate::privileges::{Features, Sandbox};
use crate::sink::{FanOut, Json, Sink as _, json, terminal};
use crate::source::live::load::Flavour;
use crate::source::live::{Live, LiveError, Options, host, protect};

use super::args::{Color, Follow, OwnCgroup, RunArgs};
use super::capture::{self, Until};
use super::{output, say, target};
use cgroup::Place;
use collect::{Collector, Known, Shared};
use family::Family;
use job::{Ended, Job};

/// What oomtrace exits with when it could not even make a process.
const NOT_EVEN: u8 = 125;
/// How long an episode that is not over is waited for after the command has ended.
const AFTER: Duration = Duration::from_millis(600);

/// Runs the command.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    match with_file(args) {
        Ok(exit) => Ok(exit),
        Err(error) => {
            say(&format!("{error:#}"));
            Ok(Exit::Command(NOT_EVEN))
        }
    }
}

/// It names processes and cgroups of everybody on the machine: a new one is its owner's.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn with_file(args: &RunArgs) -> anyhow::Result<Exit> {
    // Before anything runs: a bad path shows at once.
    let file =
        args.json.as_ref().map(|path| private(path).with_context(|| target::name(path))).transpose()?;
    // First of all, while this process is as it was started.
    let mut job = Job::start(&args.command).context("a process for the command cannot be made")?;
    let place = Place::of(job.pid(), args.cgroup == OwnCgroup::Auto);
    let free = place.leave();
    let known = Arc::new(Mutex::new(Known::new(Family::of(job.pid()), place, free)));
    let _not_protected = protect::from_the_oom_killer();
    let (live, mut unseen) = attach(args);
    let source = live.as_ref().map(|live| live.info.source);
    let kills_before = host::oom_kills_now().0;
    let begun = Instant::now();
    let mut stop = Stop { job: &mut job, known: Arc::clone(&known), kills_before, ended: None, until: None };
    let lost = match live {
        Some(live) => follow(live, &mut stop)?,
        None => {
            let runtime = capture::runtime()?;
            stop.job.gate().open();
            runtime.block_on(stop.asked());
            false
        }
    };
    if lost {
        unseen.push("records of the capture were lost: there may have been more".to_owned());
    }
    let ended = stop.ended.context("how the command ended was not seen")?;
    let duration = begun.elapsed();
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let counted = known.place.counted();
    let machine_kills =
        host::oom_kills_now().0.zip(kills_before).map(|(now, before)| now.saturating_sub(before));
    let told = Told {
        command: args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        code: ended.code,
        signal: ended.signal,
        status: ended.status(),
        duration_ns: u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX),
        source,
        unseen,
        home: known.place.home.clone(),
        peak: known.place.peak(),
        largest_bytes: ended.largest_bytes,
        processes: known.family.most() as u64,
        tracer: std::process::id().cast_signed(),
        kills: std::mem::take(&mut known.kills),
        more_kills: known.more_kills,
        others: known.others,
        counted,
        machine_kills,
    };
    let left = known.place.tidy();
    drop(known);
    if let Some(errno) = ended.not_started {
        let program =
            args.command.first().map_or_else(String::new, |word| word.to_string_lossy().into_owned());
        say(&format!("{program}: {}", io::Error::from_raw_os_error(errno)));
    }
    tell(args, &told);
    if let (Err(error), true) = (left, args.verbose) {
        say(&format!("the cgroup of the job cannot be removed, something runs on in it: {error}"));
    }
    if let Some(file) = file
        && let Err(error) = write(file, &told)
    {
        let path = args.json.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        say(&format!("{path}: {error}"));
    }
    Ok(Exit::Command(ended.status()))
}

/// Captures until the command has ended; tells whether something was lost.
fn follow(live: Live, stop: &mut Stop<'_>) -> anyhow::Result<bool> {
    let made_in =
        stop.known.lock().unwrap_or_else(PoisonError::into_inner).place.made_in().map(Path::to_owned);
    let sandbox = Sandbox::prepare(made_in.as_deref()).keeping(CapabilitySet::KILL);
    let collector = Collector { known: Arc::clone(&stop.known), info: None };
    let mut sinks = FanOut::default();
    sinks.add("the job's episodes", Box::new(collector));
    // What it has to say is said at the end.
    let pipeline = Pipeline::new(sinks, Filter::default(), |_| {});
    let gate = stop.job.gate();
    let ready = |live: &Live| {
        // What it takes later it has by now.
        let _not_locked = protect::memory(0);
        let features = Features { job: true, ..Features::default() };
        let _confined = sandbox.confine(features, || live.needs_bpf());
        gate.open();
    };
    let summary = capture::capture_until(live, pipeline, stop, ready)?;
    Ok(summary.totals.lost.any())
}

/// Attaches as well as can be done; with what stood in the way of more.
fn attach(args: &RunArgs) -> (Option<Live>, Vec<String>) {
    let options = |flavour| Options {
        flavour,
        btf: args.btf.clone(),
        buffer_bytes: None,
        without: Vec::new(),
        stats: false,
        probe_log: None,
    };
    let flavours: &[Flavour] = match args.attach {
        Follow::Auto => &[Flavour::Auto, Flavour::Log],
        Follow::Fentry => &[Flavour::Fentry],
        Follow::Kprobe => &[Flavour::Kprobe],
        Follow::Log => &[Flavour::Log],
        Follow::Counters => &[],
    };
    let mut unseen = Vec::new();
    for &flavour in flavours {
        match Live::start(&options(flavour)) {
            Ok(live) => {
                unseen.extend(live.refused.as_deref().map(log_only));
                return (Some(live), unseen);
            }
            Err(error) => unseen.push(refused(flavour, &error)),
        }
    }
    unseen.insert(0, COUNTERS_ONLY.to_owned());
    (None, unseen)
}

const COUNTERS_ONLY: &str =
    "who was killed, in favour of whom, and what would have spared it: only counters could be read";

fn log_only(reason: &str) -> String {
    format!(
        "the kernel's own points, and who was passed over: functions cannot be hooked here ({reason}), so it went by the kernel's log"
    )
}

/// What a way of attaching would have shown, and what it lacks.
fn refused(flavour: Flavour, error: &LiveError) -> String {
    match (flavour, error) {
        (Flavour::Log, LiveError::LogRefused { .. }) => {
            "the kernel's log: reading /dev/kmsg takes CAP_SYSLOG, or kernel.dmesg_restrict=0".to_owned()
        }
        (Flavour::Log, error) => format!("the kernel's log: {}", error.reason()),
        (_, LiveError::Privileges { missing, .. }) => {
            format!("the decision itself: loading eBPF programs takes {missing}")
        }
        (_, error) => format!("the decision itself: {}", error.reason()),
    }
}

/// Text on stderr, after the command's own.
fn tell(args: &RunArgs, told: &Told) {
    let mut stderr = io::stderr().lock();
    let color = match args.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never,
    };
    let options =
        terminal::Options { width: output::width_at(rustix::stdio::stderr()), color, verbose: args.verbose };
    // A stderr that is closed changes nothing about the command.
    let _ = stderr.write_all(terminal::job(told, options).as_bytes());
}

/// JSON lines: what `watch --json` writes of the job's episodes, and the job.
fn write(mut file: File, told: &Told) -> io::Result<()> {
    if let Some(first) = told.kills.first() {
        let mut lines = Json::new(&mut file);
        lines.start(&first.info)?;
        for kill in &told.kills {
            lines.episode(&kill.episode)?;
        }
    }
    file.write_all(&json::job(told)?)
}

/// Ends the capture when the command has ended, and looks after its processes until then.
struct Stop<'a> {
    job: &'a mut Job,
    known: Shared,
    kills_before: Option<u64>,
    ended: Option<Ended>,
    /// When what is not over is not waited for any longer.
    until: Option<Instant>,
}

impl Until for Stop<'_> {
    async fn asked(&mut self) {
        loop {
            if let Some(until) = self.until {
                sleep_until(until.into()).await;
                return;
            }
            let due = self.known.lock().unwrap_or_else(PoisonError::into_inner).family.due();
            tokio::select! {
                ended = self.job.end() => {
                    // A command that cannot be waited for is over for us.
                    self.ended = ended.ok();
                    let killed = host::oom_kills_now().0 != self.kills_before;
                    self.until = Some(Instant::now() + if killed { AFTER } else { Duration::ZERO });
                }
                () = sleep(due.saturating_duration_since(Instant::now())) => {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.look();
                }
            }
        }
    }
}
