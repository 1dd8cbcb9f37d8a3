//! `oomtrace watch` and `oomtrace record`: what is to be captured, how, and what stands in the way. The capture itself is
//! [`super::capture`]'s, its words are [`super::ready`]'s.
//!
//! The probes are attached before the output is opened: a capture that is not possible must not cost an older recording.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::Context as _;
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::exit::{Exit, NotAllowed, Usage};
use crate::filter::Filter;
use crate::privileges::{Features, Sandbox};
use crate::source::live::load::Flavour;
use crate::source::live::{Live, LiveError, Options, protect};
use crate::source::samples;

use super::args::{
    Attach, CaptureArgs, DirArgs, DisplayArgs, MetricsArgs, NamesArgs, OutletArgs, ProbeLog, RecordArgs,
    SampleArgs, WatchArgs,
};
use super::capture::{Beside, capture};
use super::helper::Helper;
use super::ready::{protection, say_ready, say_refused, say_summary};
use super::say::say_stats;
use super::service_manager::ServiceManager;
use super::status::{self, Status};
use super::{deliver, heartbeat, metrics, names, output, screen};

/// Runs `watch`.
pub(super) fn watch(args: &WatchArgs) -> anyhow::Result<Exit> {
    if args.outlets.deliver {
        return deliver::run(&args.outlets, Filter::from(&args.filter));
    }
    if args.tui && !args.feed {
        return screen::watch(args);
    }
    let capture = Capture {
        args: &args.capture,
        display: Some(&args.display).filter(|_| !args.feed),
        output: args.output.as_deref(),
        dir: None,
        samples: args.samples,
        names: &args.names,
        metrics: &args.metrics,
        outlets: &args.outlets,
        status: !args.no_status && !args.feed,
        feed: args.feed,
    };
    capture.run(Filter::from(&args.filter))
}

/// Runs `record`.
pub(super) fn record(args: &RecordArgs) -> anyhow::Result<Exit> {
    if args.outlets.deliver {
        return deliver::run(&args.outlets, Filter::default());
    }
    Capture {
        args: &args.capture,
        display: None,
        output: args.output.as_deref(),
        dir: Some(&args.dir),
        samples: args.samples,
        names: &args.names,
        metrics: &args.metrics,
        outlets: &args.outlets,
        status: false,
        feed: false,
    }
    .run(Filter::default())
}

struct Capture<'a> {
    args: &'a CaptureArgs,
    display: Option<&'a DisplayArgs>,
    output: Option<&'a Path>,
    dir: Option<&'a DirArgs>,
    samples: SampleArgs,
    names: &'a NamesArgs,
    metrics: &'a MetricsArgs,
    outlets: &'a OutletArgs,
    /// Whether there may be a line that tells what it is at.
    status: bool,
    /// Another process shows what is captured, and does all that is no capture: it comes to stdout as a recording.
    feed: bool,
}

impl Capture<'_> {
    fn run(&self, filter: Filter) -> anyhow::Result<Exit> {
        // What is started inherits neither what follows nor what is opened.
        let delivers = self.outlets.any() && !self.feed;
        let mut helper = delivers.then(Helper::start).transpose()?;
        if self.feed {
            // Whoever shows is gone: nobody else would end this.
            set_parent_process_death_signal(Some(Signal::TERM)).context("the parent cannot be followed")?;
        }
        // First of all: attaching takes memory, and may take place when there is little.
        let exposed = protect::from_the_oom_killer();
        // An address that cannot be had is told before anything is attached.
        let listener = metrics::listen(self.metrics)?;
        let options = options(self.args);
        if self.args.probe_log != ProbeLog::Off {
            super::probe_log::install(options.probe_log);
        }
        let live = Live::start(&options).map_err(refusal)?;
        say_refused(&live);
        // Before threads are started, and behind the start, which gives back what it took.
        protect::heap();
        let directory = self.dir.and_then(|args| Some((args.dir.as_deref()?, args)));
        let mut pipeline = match directory {
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
            server: listener.is_some(),
            helper: helper.is_some(),
            ..Features::default()
        };
        let for_readers = listener.as_ref().map_or(0, |_| self.metrics.options().room());
        if let Some(listener) = listener {
            let (name, sink) = metrics::serve(listener, self.metrics)?;
            pipeline = pipeline.also_to(name, sink);
        }
        if self.feed {
            pipeline = output::fed_to_stdout(pipeline)?;
        }
        if let Some(helper) = &mut helper {
            pipeline = helper.fed_by(pipeline);
        }
        let beside = Beside {
            heartbeat: self.samples.every(directory.map(|_| samples::EVERY)).map(heartbeat::start),
            names: names::start(self.names),
        };
        // Its socket is opened before none can be.
        let manager = ServiceManager::of_environment();
        let ready = |live: &Live| {
            let locked = protect::memory(for_readers);
            // Behind everything that takes a privilege: from here on only what is open is used.
            let confined = sandbox.map(|sandbox| sandbox.confine(features, || live.needs_bpf()));
            say_ready(&live.info, &protection(exposed, locked, confined.as_ref()));
        };
        // Where something else draws what is shown, a pager for example, the line would be drawn over it.
        let alone = self.display.is_none() || io::stdout().is_terminal();
        let status = (self.status && alone && status::possible()).then(Status::start);
        let summary = capture(live, pipeline, beside, self.args.duration, manager, status, ready)?;
        say_summary(&summary, self.display.is_none());
        say_stats(&summary);
        let delivered = helper.map_or(Exit::Done, Helper::finish);
        Ok(summary.exit().max(delivered))
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
