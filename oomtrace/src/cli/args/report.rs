//! `report`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{FilterArgs, PickArgs};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// Recordings, or folders of them (their *.oomtrace); `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write to PATH, which is there when it is whole; `-` is stdout
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// What to write; by default what PATH ends in, else html
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Form>,
    /// Which of them.
    #[command(flatten)]
    pub pick: PickArgs,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One page that loads nothing
    Html,
    /// Markdown for a ticket
    Md,
}
