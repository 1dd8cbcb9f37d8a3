//! `oomtrace import`: a kernel's log through the same pipeline as everything else.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::exit::Exit;
use crate::filter::Filter;
use crate::model::observation::Lost;
use crate::model::{Observation, SessionInfo, SourceKind};
use crate::pipeline::Pipeline;
use crate::record;
use crate::source::klog::{self, Assumed, Klog, LONGEST, Lines};

use super::args::ImportArgs;
use super::status::Progress;
use super::{output, say};

/// Runs the command.
pub(super) fn run(args: &ImportArgs) -> anyhow::Result<Exit> {
    let (name, source, modified) = open(args)?;
    let assumed = Assumed {
        utc_offset_seconds: args.utc_offset,
        latest_unix_seconds: args.year.and_then(end_of).unwrap_or(modified),
    };
    let source = klog::unpack(source).with_context(|| name.clone())?;
    let mut lines = Lines::new(source).with_context(|| name.clone())?;
    let pipeline = output::recorded(
        Some(&args.display),
        Filter::from(&args.filter),
        args.count,
        record::Options {
            compression: args.compress.into(),
            when_full: record::WhenFull::Wait,
            ..record::Options::default()
        },
        args.output.as_deref(),
    )?;
    let mut import = Import { pipeline, started: false, guessed: Guessed::default(), args };
    let mut klog = Klog::new(SourceKind::Import, assumed);
    let mut found = Vec::new();
    let mut lost = Lost::default();
    let mut flow = ControlFlow::Continue(());
    let mut exit = Exit::Done;
    while flow.is_continue() {
        match lines.next_line(klog.in_report()) {
            Ok(Some(line)) => klog.line(line, &mut found),
            Ok(None) => break,
            Err(error) => {
                say(&format!("{name}: {error}; what comes before it was read"));
                exit = Exit::Lossy;
                break;
            }
        }
        flow = found.drain(..).try_for_each(|observation| import.push(observation));
    }
    if lines.cut() > 0 {
        say(&format!(
            "{name}: {} lines were longer than {LONGEST} bytes, their ends were left out",
            lines.cut()
        ));
        lost.lines = lines.cut();
    }
    if flow.is_continue() {
        klog.finish(&mut found);
        flow = found.drain(..).try_for_each(|observation| import.push(observation));
    }
    if !import.started && flow.is_continue() {
        let _ = import.start(&klog.head());
        say(&format!("{name}: there is no report of the OOM killer in it"));
    }
    if klog.pieces() > 1 {
        say(&format!(
            "{name}: it has {} pieces that pstore kept, newest first; each was read for itself, so that a report that goes from one to \
             the next is in two parts: put them in order to have it whole",
            klog.pieces()
        ));
    }
    import.guessed.tell(&name);
    let summary = import.pipeline.finish(flow.is_continue().then(|| klog.end(lost)));
    Ok(summary.exit().max(exit))
}

/// The log on its way.
struct Import<'a> {
    pipeline: Pipeline,
    started: bool,
    guessed: Guessed,
    args: &'a ImportArgs,
}

impl Import<'_> {
    fn push(&mut self, observation: Observation) -> ControlFlow<()> {
        let Observation::Origin(info) = observation else { return self.pipeline.push(observation) };
        if !self.started {
            return self.start(&info);
        }
        self.guessed.note(&info, self.args);
        self.pipeline.push(Observation::Origin(info))
    }

    fn start(&mut self, info: &SessionInfo) -> ControlFlow<()> {
        self.started = true;
        self.guessed.note(info, self.args);
        self.pipeline.start(info)
    }
}

/// What was taken for granted.
#[derive(Default)]
struct Guessed {
    zone: bool,
    year: bool,
}

impl Guessed {
    fn note(&mut self, info: &SessionInfo, args: &ImportArgs) {
        let Some(clock) = info.log_clock.filter(|_| info.started_unix_ns.is_some()) else { return };
        self.zone |= !clock.zone && args.utc_offset == 0;
        self.year |= !clock.year && args.year.is_none();
    }

    fn tell(&self, name: &str) {
        if self.zone {
            say(&format!(
                "{name}: times without an offset were taken for UTC; --utc-offset tells another one"
            ));
        }
        if self.year {
            say(&format!(
                "{name}: times without a year were taken for the latest that are not after the file; --year tells another one"
            ));
        }
    }
}

/// The log, its name, and the latest that a time in it can be (seconds since the Unix epoch).
fn open(args: &ImportArgs) -> anyhow::Result<(String, Box<dyn Read + Send>, i64)> {
    let seconds = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok())
    };
    let now = seconds(SystemTime::now()).unwrap_or(i64::MAX);
    if output::is_dash(&args.file) {
        return Ok(("stdin".to_owned(), Box::new(io::stdin()), now));
    }
    let name = args.file.display().to_string();
    let file = File::open(&args.file).with_context(|| name.clone())?;
    let metadata = file.metadata().ok();
    let length = metadata.as_ref().map_or(0, |metadata| if metadata.is_file() { metadata.len() } else { 0 });
    let modified = metadata.and_then(|metadata| metadata.modified().ok()).and_then(seconds);
    let file = Progress::of(file, &name, length);
    Ok((name, Box::new(file), modified.unwrap_or(now)))
}

/// The end of a year, seconds since the Unix epoch, less the day of grace that times have.
fn end_of(year: i16) -> Option<i64> {
    let next = jiff::civil::Date::new(year.checked_add(1)?, 1, 1).ok()?;
    let next = jiff::tz::Offset::UTC.to_timestamp(next.at(0, 0, 0, 0)).ok()?;
    Some(next.as_second() - 86_401)
}
