//! The commands about this machine: `rank`, `doctor` and `demo`.

use std::path::PathBuf;
use std::time::Duration;

use super::DisplayArgs;
use super::values::{duration, size};

/// Arguments of `rank`.
#[derive(Debug, clap::Args)]
#[command(after_help = RANK_LIMITS)]
pub struct RankArgs {
    /// If the memcg PATH ran into its limit, instead of the whole machine out of memory
    #[arg(long, value_name = "PATH", help_heading = "What is ranked")]
    pub memcg: Option<PathBuf>,
    /// As if the limit of the memcg were SIZE, as in memory.max: 512M are 512 * 1024 * 1024 bytes
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "memcg", help_heading = "What is ranked")]
    pub limit: Option<u64>,
    /// Again and again, until it is interrupted
    #[arg(long, help_heading = "What is ranked")]
    pub watch: bool,
    /// Time from one ranking to the next, for example 500ms or 5s
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        value_parser = duration,
        requires = "watch",
        help_heading = "What is ranked"
    )]
    pub interval: Duration,
    /// Compare with the score that the kernel has in /proc/PID/oom_score
    #[arg(long, help_heading = "What is ranked")]
    pub verify: bool,
    /// Show the first N; by default 10 as text, and all as JSON or with --verbose
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Display")]
    pub top: Option<u32>,
    /// How to show it.
    #[command(flatten)]
    pub display: DisplayArgs,
}

const RANK_LIMITS: &str = "\
The score is computed from /proc/PID/status and oom_score_adj, by the formula of the running kernel. /proc does not tell that \
a process is between vfork and exec, that its memory was reaped already, that its cpuset or memory policy does not overlap, or \
that it is in swapoff: the kernel passes over the first three, and takes the last before all others.";

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Read the kernel's types from FILE instead of /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
}

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Replay the recorded one, even where a live one would be possible
    #[arg(long)]
    pub recorded: bool,
    /// How to show it.
    #[command(flatten)]
    pub display: DisplayArgs,
}

/// Arguments of `demo-task`, which `demo` calls.
#[derive(Debug, clap::Args)]
pub struct DemoTaskArgs {
    /// Folder of the cgroup to enter
    pub memcg: PathBuf,
    /// Name to take
    pub name: String,
    /// MiB to take
    pub mib: usize,
    /// oom_score_adj to take
    #[arg(long, allow_hyphen_values = true)]
    pub adj: i32,
    /// Go on taking memory
    #[arg(long)]
    pub grow: bool,
}
