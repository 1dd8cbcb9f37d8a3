//! From arguments to a pipeline: which sinks, how wide, in colour or not, recorded where to.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context;

use crate::exit::Usage;
use crate::filter::Filter;
use crate::pipeline::Pipeline;
use crate::record::{self, RecordingFile, Stream};
use crate::sink::terminal::{self, Terminal};
use crate::sink::{FanOut, Json, Sink};

use super::args::{CaptureArgs, Color, DirArgs, DisplayArgs};
use super::helper::HANDED_WITHIN;
use super::status::Above;
use super::{say, target};

/// Columns when stdout is no terminal and the environment does not say.
const DEFAULT_WIDTH: usize = 100;
/// Columns at least: narrower than this nothing can be laid out.
const MIN_WIDTH: usize = 60;
/// Columns at most.
const MAX_WIDTH: usize = 1000;

/// A pipeline that shows on stdout.
///
/// # Errors
///
/// None today; opening the targets that later sinks have may fail.
pub(super) fn shown(display: &DisplayArgs, filter: Filter, count: Option<u64>) -> Pipeline {
    let mut sinks = FanOut::default();
    let (name, sink) = sink(display);
    sinks.add(name, sink);
    Pipeline::new(sinks, filter, |message| say(&message)).stop_after(count)
}

/// What shows on stdout, and its name for messages.
pub(super) fn sink(display: &DisplayArgs) -> (&'static str, Box<dyn Sink + Send>) {
    if display.json {
        ("the JSON output", Box::new(Json::new(Above::of(io::stdout()))))
    } else {
        ("the text output", Box::new(Terminal::new(Above::of(io::stdout()), options(display))))
    }
}

/// A pipeline for a capture: shows (unless `display` is `None`) and records (unless `output` is `None`). With `-` the
/// recording goes to stdout, and nothing else does.
///
/// # Errors
///
/// The file cannot be created, or the recording would go to a terminal. The file is created here, before the capture, so
/// that a bad path shows at once.
pub(super) fn captured(
    display: Option<&DisplayArgs>,
    filter: Filter,
    capture: &CaptureArgs,
    output: Option<&Path>,
) -> anyhow::Result<Pipeline> {
    recorded(display, filter, capture.count, recording(capture), output)
}

/// How it is recorded.
fn recording(capture: &CaptureArgs) -> record::Options {
    let CaptureArgs { compress, sync, .. } = *capture;
    record::Options { compression: compress.into(), sync: sync.into(), ..record::Options::default() }
}

/// A pipeline for a capture that is recorded to a directory, and shown nowhere.
///
/// # Errors
///
/// The directory cannot be made or used.
pub(super) fn directory(
    filter: Filter,
    capture: &CaptureArgs,
    dir: &Path,
    limits: &DirArgs,
) -> anyhow::Result<Pipeline> {
    let limits = record::dir::Limits {
        file_bytes: limits.max_size.as_u64(),
        files: limits.max_files.into(),
        age: limits.max_age,
    };
    let directory = record::Directory::open(dir, limits).with_context(|| target::name(dir))?;
    let pipeline = Pipeline::new(FanOut::default(), filter, |message| say(&message));
    Ok(pipeline.stop_after(capture.count).record_to(directory, recording(capture)))
}

/// The same for what is not captured here.
///
/// # Errors
///
/// As [`captured`].
pub(super) fn recorded(
    display: Option<&DisplayArgs>,
    filter: Filter,
    count: Option<u64>,
    options: record::Options,
    output: Option<&Path>,
) -> anyhow::Result<Pipeline> {
    let to_stdout = output.is_some_and(is_dash);
    let pipeline = match display.filter(|_| !to_stdout) {
        Some(display) => shown(display, filter, count),
        None => Pipeline::new(FanOut::default(), filter, |message| say(&message)).stop_after(count),
    };
    let Some(path) = output else { return Ok(pipeline) };
    if !to_stdout {
        return to_file(pipeline, path, options).with_context(|| target::name(path));
    }
    if io::stdout().is_terminal() {
        return Err(Usage("a recording is binary: redirect stdout, or give a file with -o".to_owned()).into());
    }
    let stdout = rustix::io::dup(rustix::stdio::stdout()).map_err(io::Error::from).context("stdout")?;
    Ok(pipeline.record_to(Stream::new(File::from(stdout), "stdout"), options))
}

/// Hands everything on to stdout too, as a recording, without waiting for whoever reads it.
///
/// # Errors
///
/// There is no stdout.
pub(super) fn fed_to_stdout(pipeline: Pipeline) -> anyhow::Result<Pipeline> {
    let stdout = rustix::io::dup(rustix::stdio::stdout()).map_err(io::Error::from).context("stdout")?;
    let options = record::Options {
        compression: crate::session::Compression::None,
        sync: record::Sync::None,
        ..Default::default()
    };
    Ok(pipeline.hand_to(Stream::new(File::from(stdout), "the process that shows"), options, HANDED_WITHIN))
}

/// Whether the argument means stdin or stdout.
pub(super) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Records to what is at `path`, or will be.
fn to_file(pipeline: Pipeline, path: &Path, options: record::Options) -> anyhow::Result<Pipeline> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let file = OpenOptions::new().write(true).open(path)?;
        return Ok(pipeline.record_to(Stream::new(file, path.display().to_string()), options));
    }
    let (file, before) = RecordingFile::create(path)?;
    if before > 0 {
        say(&format!("{}: the {before} bytes that were there before are replaced", path.display()));
    }
    Ok(pipeline.record_to(file, options))
}

/// How text is laid out on stdout.
pub(super) fn options(display: &DisplayArgs) -> terminal::Options {
    text_options(display.color, display.verbose)
}

/// How text is laid out on this stdout.
pub(super) fn text_options(when: Color, verbose: bool) -> terminal::Options {
    terminal::Options { width: width(), color: color(when), verbose }
}

/// Whether to use colour on this stdout.
pub(super) fn color(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        // Knows NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb.
        Color::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}

/// `COLUMNS` when it is set, else the terminal's width.
pub(super) fn width() -> usize {
    width_at(rustix::stdio::stdout())
}

/// The same for what is at the other end of a descriptor.
pub(super) fn width_at(fd: std::os::fd::BorrowedFd<'_>) -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
    let asked = || {
        let size = rustix::termios::tcgetwinsize(fd).ok()?;
        Some(usize::from(size.ws_col))
    };
    let width = told.filter(|&width| width > 0).or_else(asked).filter(|&width| width > 0);
    width.unwrap_or(DEFAULT_WIDTH).clamp(MIN_WIDTH, MAX_WIDTH)
}
