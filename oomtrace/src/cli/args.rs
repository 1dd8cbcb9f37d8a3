//! The arguments of every command.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::filter::Filter;
use crate::model::episode::{Outcome, Scope};
use crate::session::Compression;

/// Shows why the Linux OOM killer chose its victim: live, recorded, replayed
#[derive(Debug, Parser)]
#[command(name = "oomtrace", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 this machine does not allow it,
4 finished, but something was lost or the input was damaged";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch the OOM killer and show each episode when it is over
    Watch(WatchArgs),
    /// Record without showing anything, for a service
    Record(RecordArgs),
    /// Show a recording, as `watch` showed it; needs no privileges
    Replay(ReplayArgs),
    /// Read reports out of a kernel's log: dmesg, the journal, syslog, a serial console; needs no privileges
    Import(ImportArgs),
    /// Tell whom the OOM killer would kill next, now; needs no privileges
    Rank(RankArgs),
    /// Explain one episode of a recording: why this victim, and what would have changed it
    Explain(ExplainArgs),
    /// Tell what is in a recording: host, kernel, time span, episodes, losses
    Info(InfoArgs),
    /// Tell what this machine allows, how oomtrace would attach, and what is missing
    Doctor(DoctorArgs),
    /// Make a small OOM in a throw-away cgroup and show it; where that is not possible, a real one that was recorded
    Demo(DemoArgs),
    /// One process of the demonstration
    #[command(hide = true)]
    DemoTask(DemoTaskArgs),
}

/// Arguments of `watch`.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// How to capture.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Record to FILE as well; `-` records to stdout and shows nothing
    #[arg(short, long, value_name = "FILE", help_heading = "Capture")]
    pub output: Option<PathBuf>,
    /// How to show it.
    #[command(flatten)]
    pub display: DisplayArgs,
    /// What to show.
    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Arguments of `record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// How to capture.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// Record to FILE; `-` is stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Capture")]
    pub output: PathBuf,
}

/// How to capture.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Capture")]
pub struct CaptureArgs {
    /// How to attach to the kernel; `auto` takes fentry where it works, else kprobe, else the kernel's log
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub attach: Attach,
    /// Read the kernel's types from FILE instead of /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
    /// Memory for what waits to be read, for example 8MiB; by default it follows from the number of tasks
    #[arg(long, value_name = "SIZE", alias = "ring-size")]
    pub buffer: Option<ByteSize>,
    /// How to compress what is recorded
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub compress: Compress,
    /// Stop after N episodes were shown
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop after a time, for example 10s, 5m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Tell at the end what the capture cost: runs and time of each program, how full the buffers were
    #[arg(long)]
    pub stats: bool,
    /// Leave a hook out; for tests of what is shown without it
    #[arg(long, value_name = "NAME", hide = true)]
    pub without_hook: Vec<String>,
    /// Log of the eBPF programs
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t, hide = true)]
    pub probe_log: ProbeLog,
}

/// How to show it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Display")]
pub struct DisplayArgs {
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    /// All candidates, with uid and cgroup
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub verbose: bool,
    /// When to use colour; `auto` on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
}

/// What to show. Recordings always hold everything.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters (for what is shown, not for what is recorded)")]
pub struct FilterArgs {
    /// Episodes with a victim whose name contains NAME, or matches it when it has * or ?; or with this pid
    #[arg(long, value_name = "NAME")]
    pub victim: Option<String>,
    /// Episodes whose limit, or one of whose victims, is in the cgroup PATH or below it
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<String>,
    /// Episodes of the whole machine, or of a memcg
    #[arg(long, value_enum)]
    pub scope: Option<ScopeArg>,
    /// Episodes that ended this way; may be given more than once, or as a list with commas
    #[arg(long, value_enum, value_delimiter = ',')]
    pub outcome: Vec<OutcomeArg>,
}

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The recording; `-` is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How fast: `realtime`, `max`, or a factor as in 10x
    #[arg(long, value_name = "SPEED", default_value = "max", value_parser = speed)]
    pub speed: Speed,
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

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = WHAT_IF)]
pub struct ExplainArgs {
    /// The recording; `-` is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Number of the episode; by default the only one, or the last that killed somebody
    #[arg(value_name = "EPISODE", value_parser = episode)]
    pub episode: Option<u64>,
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

const WHAT_IF: &str = "\
Changes:
  adj:PID=N, adj:NAME=N  another oom_score_adj, -1000 to 1000
  limit=SIZE             another limit where the limit was met;
                         for a global OOM, other memory and swap
  kill:PID, kill:NAME    gone before

NAME may be a pattern with * and ?. SIZE is as in memory.max: 512M is
512 * 1024 * 1024 bytes; 512MiB and 512MB work too.";

/// Arguments of `info`.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// The recording; `-` is stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

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

/// How to attach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum Attach {
    #[default]
    Auto,
    Fentry,
    Kprobe,
    Log,
}

/// How to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum Compress {
    None,
    #[default]
    Zstd,
}

impl From<Compress> for Compression {
    fn from(how: Compress) -> Self {
        match how {
            Compress::None => Self::None,
            Compress::Zstd => Self::Zstd,
        }
    }
}

/// Level of the eBPF programs' log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum ProbeLog {
    #[default]
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Whole machine or memcg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum ScopeArg {
    Global,
    Memcg,
}

/// How an episode ended, by its name in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum OutcomeArg {
    Killed,
    GroupKilled,
    AlreadyExiting,
    Freed,
    NoneKillable,
    Skipped,
    Incomplete,
}

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Without waiting.
    Max,
    /// This many times as fast as it happened; positive and finite.
    Times(f64),
}

impl From<&FilterArgs> for Filter {
    fn from(args: &FilterArgs) -> Self {
        Self {
            victim: args.victim.clone(),
            cgroup: args.cgroup.clone(),
            scope: args.scope.map(|scope| match scope {
                ScopeArg::Global => Scope::Global,
                ScopeArg::Memcg => Scope::Memcg,
            }),
            outcomes: args.outcome.iter().map(|&outcome| outcome.into()).collect(),
        }
    }
}

impl From<OutcomeArg> for Outcome {
    fn from(outcome: OutcomeArg) -> Self {
        match outcome {
            OutcomeArg::Killed => Self::Killed,
            OutcomeArg::GroupKilled => Self::GroupKilled,
            OutcomeArg::AlreadyExiting => Self::AlreadyExiting,
            OutcomeArg::Freed => Self::Freed,
            OutcomeArg::NoneKillable => Self::NoneKillable,
            OutcomeArg::Skipped => Self::Skipped,
            OutcomeArg::Incomplete => Self::Incomplete,
        }
    }
}

fn size(text: &str) -> Result<u64, String> {
    crate::explain::change::size(text).ok_or_else(|| "it is no size; 512M, 512MiB or 512MB are".to_owned())
}

fn utc_offset(text: &str) -> Result<i32, String> {
    crate::source::klog::utc_offset(text)
        .ok_or_else(|| "expected an offset from UTC, as in +02:00".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let time: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(time)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "it must be longer than nothing".to_owned())
}

fn episode(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix('#').unwrap_or(text).parse();
    number.map_err(|_| "expected the number of an episode, as in 4 or #4".to_owned())
}

fn speed(text: &str) -> Result<Speed, String> {
    match text {
        "max" => return Ok(Speed::Max),
        "realtime" => return Ok(Speed::Times(1.0)),
        _ => {}
    }
    let factor = text.strip_suffix('x').and_then(|number| number.parse::<f64>().ok());
    match factor.filter(|factor| factor.is_finite() && *factor >= 0.001) {
        Some(factor) => Ok(Speed::Times(factor)),
        None => Err("expected `realtime`, `max`, or a factor as in 10x".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_and_speeds() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "10", "-5s", "0s", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(speed("realtime"), Ok(Speed::Times(1.0)));
        assert_eq!(speed("10x"), Ok(Speed::Times(10.0)));
        for bad in ["", "x", "10", "0x", "-1x", "NaNx", "infx"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn outcomes_are_named_as_in_json() {
        let args =
            Args::try_parse_from(["oomtrace", "replay", "f", "--outcome", "group_killed,none_killable"]);
        let Ok(Args { command: Command::Replay(args) }) = args else { panic!("{args:?}") };
        assert_eq!(Filter::from(&args.filter).outcomes, [Outcome::GroupKilled, Outcome::NoneKillable]);
    }
}
