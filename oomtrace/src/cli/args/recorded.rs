//! The commands that read what was captured elsewhere: `replay`, `import`, `explain` and `info`.

use std::path::PathBuf;
use std::time::Duration;

use crate::filter::Which;
use crate::sink::terminal::WHAT_IF;

use super::values::{duration, speed, utc_offset, which};
use super::{Color, Compress, DisplayArgs, FilterArgs, MetricsArgs, OutletArgs, PickArgs, Speed};

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Recordings, or folders of them (their *.oomtrace), which are shown as one, in the order of their times; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// How fast: `realtime`, `max`, or a factor as in 10x
    #[arg(long, value_name = "SPEED", default_value = "max", value_parser = speed)]
    pub speed: Speed,
    /// Do not wait longer than this between two things that happened, for example 500ms or 1h
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub idle_cap: Duration,
    /// Go on with the newest recording for as long as its recorder writes it; in a directory also with those that it begins next
    #[arg(long)]
    pub follow: bool,
    /// Which of them.
    #[command(flatten)]
    pub pick: PickArgs,
    /// Stop after N episodes were shown
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// For a monitoring system.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// For other programs.
    #[command(flatten)]
    pub outlets: OutletArgs,
    /// How to show it.
    #[command(flatten)]
    pub display: DisplayArgs,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = IMPORT_FORMS)]
pub struct ImportArgs {
    /// The log, perhaps packed (gzip, Zstandard); `-` is stdin
    #[arg(value_name = "LOG")]
    pub file: PathBuf,
    /// Make a recording of it as well; `-` records to stdout and shows nothing
    #[arg(short, long, value_name = "FILE", help_heading = "Recording")]
    pub output: Option<PathBuf>,
    /// How to compress what is recorded
    #[arg(long, value_enum, value_name = "HOW", default_value_t, help_heading = "Recording")]
    pub compress: Compress,
    /// The log's offset from UTC, for times that do not tell it
    #[arg(long, value_name = "OFFSET", default_value = "+00:00", value_parser = utc_offset, allow_hyphen_values = true, help_heading = "Times")]
    pub utc_offset: i32,
    /// The year of the last entry, for times that do not tell it; by default they are taken to be no later than the file
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1970..=9998), help_heading = "Times")]
    pub year: Option<i16>,
    /// Stop after N episodes were shown
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How to show it.
    #[command(flatten)]
    pub display: DisplayArgs,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
}

const IMPORT_FORMS: &str = "\
Forms, which may change from line to line: dmesg (also -T and ISO times), journalctl -k (short, short-iso, short-precise, \
-o json), syslog files, records of /dev/kmsg, pstore dumps, captures of a serial console. A log has no points: they are \
computed from its table of tasks.";

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Changes:\n{WHAT_IF}"))]
pub struct ExplainArgs {
    /// The recording, or a folder of them; `-` is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Number or id of the episode (the beginning of an id will do); by default the only one, or the last that killed somebody
    #[arg(value_name = "EPISODE", value_parser = which)]
    pub episode: Option<Which>,
    /// Make the choice again with something different; may be given more than once, all apply together
    #[arg(long, value_name = "CHANGE")]
    pub what_if: Vec<String>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// When to use colour; `auto` on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
}

/// Arguments of `info`.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Recordings, or folders of them; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// One JSON object a recording instead of text
    #[arg(long)]
    pub json: bool,
}
