//! `export`.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::sink::export::Table;

use super::{FilterArgs, PickArgs};

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = FORMATS)]
pub struct ExportArgs {
    /// Recordings, or folders of them (their *.oomtrace); `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What to make of them
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Format,
    /// Which table, of csv and parquet; without it all three go to the folder of --output
    #[arg(long, value_enum, value_name = "TABLE")]
    pub table: Option<TableArg>,
    /// Write to PATH: a file; a folder for all tables. Without it, stdout
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Which of them.
    #[command(flatten)]
    pub pick: PickArgs,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
}

const FORMATS: &str = "\
Formats: json, what `replay --json` shows; csv and parquet, tables of episodes, candidates and victims for databases; perfetto, a \
trace for ui.perfetto.dev.";

/// Format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum Format {
    Json,
    Csv,
    Parquet,
    Perfetto,
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum TableArg {
    Episodes,
    Candidates,
    Victims,
}

impl From<TableArg> for Table {
    fn from(table: TableArg) -> Self {
        match table {
            TableArg::Episodes => Self::Episodes,
            TableArg::Candidates => Self::Candidates,
            TableArg::Victims => Self::Victims,
        }
    }
}
