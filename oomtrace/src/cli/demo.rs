//! `oomtrace demo`: a small OOM, live where that is possible, else one that was recorded.

mod memcg;
mod tasks;

use std::io::Cursor;
use std::time::Duration;

use anyhow::Context;

use crate::exit::Exit;
use crate::filter::Filter;
use crate::session::Reader;
use crate::source::live::load::Flavour;
use crate::source::live::{Live, Options};

use super::args::DemoArgs;
use super::input::Input;
use super::service_manager::ServiceManager;
use super::{capture, output, ready, replay, say};
use memcg::Memcg;
use tasks::Tasks;
pub(super) use tasks::run as task;

/// A session that was recorded, for machines on which a live one is not possible.
static RECORDING: &[u8] = include_bytes!("../../demo/demo.oomtrace");

/// What the throw-away cgroup may use.
const LIMIT_MIB: u64 = 48;
/// Episodes that the demonstration makes: the sacrificed first, then the culprit.
const EPISODES: u64 = 2;
/// Long enough for a slow emulated machine.
const AT_MOST: Duration = Duration::from_secs(60);

/// Runs the command.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    match start(args) {
        Ok((capture, memcg)) => live_one(args, capture, memcg),
        Err(reason) => recorded(args, &reason),
    }
}

/// Gets all that the live half needs. The error is why that is not possible here.
fn start(args: &DemoArgs) -> Result<(Live, Memcg), String> {
    if args.recorded {
        return Err("as asked".to_owned());
    }
    let options = Options {
        flavour: Flavour::Auto,
        btf: None,
        buffer_bytes: None,
        without: Vec::new(),
        stats: false,
        probe_log: None,
    };
    let capture = Live::start(&options).map_err(|error| error.to_string())?;
    let memcg = Memcg::create(LIMIT_MIB << 20).map_err(|error| error.to_string())?;
    Ok((capture, memcg))
}

/// Makes the OOM and watches it. Only processes of its own, in a cgroup of its own with a limit on it, can be chosen.
fn live_one(args: &DemoArgs, capture: Live, memcg: Memcg) -> anyhow::Result<Exit> {
    ready::say_refused(&capture);
    say(&format!(
        "live: a cgroup of {LIMIT_MIB} MiB ({}), in which `build-cache` is marked as the one to sacrifice \
         (oom_score_adj 500), `database` is protected, and `leak` grows until the limit is hit, twice",
        memcg.path().display()
    ));
    // Filtered: another OOM on this machine at this moment is not part of the demonstration.
    let filter = Filter { cgroups: vec![memcg.name()], ..Filter::default() };
    let pipeline = output::shown(&args.display, filter, Some(EPISODES));
    let mut tasks = None;
    let mut failed = None;
    let summary = capture::capture(
        capture,
        pipeline,
        capture::Beside::default(),
        Some(AT_MOST),
        ServiceManager::default(),
        None,
        |_| match Tasks::start(&memcg) {
            Ok(started) => tasks = Some(started),
            Err(error) => failed = Some(error),
        },
    )?;
    drop(tasks);
    drop(memcg);
    if let Some(error) = failed {
        return Err(error.context("the demonstration's processes cannot be started"));
    }
    if summary.totals.episodes < EPISODES && !summary.pipe_closed {
        say(&format!(
            "{} of {EPISODES} episodes were seen in {} s",
            summary.totals.episodes,
            AT_MOST.as_secs()
        ));
        return Ok(Exit::Failed);
    }
    Ok(summary.exit())
}

/// Replays the bundled recording, and says so: nobody should take it for their own machine.
fn recorded(args: &DemoArgs, reason: &str) -> anyhow::Result<Exit> {
    let bytes: Box<dyn std::io::Read + Send> = Box::new(Cursor::new(RECORDING));
    let reader = Reader::open(bytes).context("the bundled recording")?;
    let info = reader.info();
    let kernel = info.kernel_release.as_deref().unwrap_or("unknown");
    say(&format!(
        "this is a recording, made on Linux {kernel}, not this machine; not live because: {reason}"
    ));
    let mut input = Input { name: "the bundled recording".to_owned(), is_file: true, reader };
    let pipeline = output::shown(&args.display, Filter::default(), None);
    let (summary, _) = replay::drive(&mut input, pipeline, &mut replay::Pace::max());
    Ok(summary.exit())
}
