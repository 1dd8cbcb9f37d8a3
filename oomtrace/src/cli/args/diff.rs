//! `diff`.

use std::path::PathBuf;

use crate::filter::Which;

use super::values::which;

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct DiffArgs {
    /// Number or id of the first episode; the beginning of an id will do
    #[arg(value_name = "BEFORE", value_parser = which)]
    pub before: Which,
    /// The same of the second one
    #[arg(value_name = "AFTER", value_parser = which)]
    pub after: Which,
    /// Recordings, or folders of them (their *.oomtrace); `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}
