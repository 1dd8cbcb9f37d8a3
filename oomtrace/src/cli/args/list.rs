//! `list`.

use std::path::PathBuf;

use super::{FilterArgs, PickArgs};

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Recordings, or folders of them (their *.oomtrace); `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// One JSON object an episode instead of text
    #[arg(long)]
    pub json: bool,
    /// Which of them.
    #[command(flatten)]
    pub pick: PickArgs,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
}
