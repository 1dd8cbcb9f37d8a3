//! The commands that capture: `watch` and `record`.

use std::path::PathBuf;

use super::{CaptureArgs, DirArgs, DisplayArgs, FilterArgs, MetricsArgs, NamesArgs, OutletArgs, SampleArgs};

/// Arguments of `watch`.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// How to capture.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Record to FILE as well; `-` records to stdout and shows nothing
    #[arg(short, long, value_name = "FILE", help_heading = "Capture")]
    pub output: Option<PathBuf>,
    /// Show episodes on a whole screen, to look around in, as `browse` does
    #[arg(long, conflicts_with = "json", help_heading = "Display")]
    pub tui: bool,
    /// This is the process that captures, for one that shows
    #[arg(long, hide = true)]
    pub feed: bool,
    /// No line on the terminal that tells the time, episodes, losses and the pressure on memory
    #[arg(long, help_heading = "Display")]
    pub no_status: bool,
    /// The minutes before.
    #[command(flatten)]
    pub samples: SampleArgs,
    /// Of containers and pods.
    #[command(flatten)]
    pub names: NamesArgs,
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

/// Arguments of `record`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("target").args(["output", "dir"]).required(true)))]
pub struct RecordArgs {
    /// How to capture.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Record to FILE; `-` is stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Capture")]
    pub output: Option<PathBuf>,
    /// Where to, in place of it.
    #[command(flatten)]
    pub dir: DirArgs,
    /// The minutes before.
    #[command(flatten)]
    pub samples: SampleArgs,
    /// Of containers and pods.
    #[command(flatten)]
    pub names: NamesArgs,
    /// For a monitoring system.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// For other programs.
    #[command(flatten)]
    pub outlets: OutletArgs,
}
