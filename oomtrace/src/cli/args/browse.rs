//! `browse`.

use std::path::PathBuf;

use super::{Color, FilterArgs, PickArgs};

/// Arguments of `browse`.
#[derive(Debug, clap::Args)]
pub struct BrowseArgs {
    /// Recordings, or folders of them (their *.oomtrace); `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Go on with the newest recording for as long as its recorder writes it; in a directory also with those that it begins next
    #[arg(long)]
    pub follow: bool,
    /// When to use colour; `auto` unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
    /// Which of them.
    #[command(flatten)]
    pub pick: PickArgs,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
}
