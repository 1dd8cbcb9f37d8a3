//! The arguments of every command: here the commands, beside it a file for each group of them.

mod browse;
mod capture;
mod diff;
mod dir;
mod display;
mod export;
mod filter;
mod list;
mod live;
mod machine;
mod metrics;
mod names;
mod outlets;
mod recorded;
mod report;
mod run;
mod samples;
mod values;

use clap::{Parser, Subcommand};

pub use browse::BrowseArgs;
pub use capture::{Attach, CaptureArgs, Compress, ProbeLog, Sync};
pub use diff::DiffArgs;
pub use dir::DirArgs;
pub use display::{Color, DisplayArgs};
pub use export::{ExportArgs, Format, TableArg};
pub use filter::{FilterArgs, OutcomeArg, PickArgs, ScopeArg};
pub use list::ListArgs;
pub use live::{RecordArgs, WatchArgs};
pub use machine::{DemoArgs, DemoTaskArgs, DoctorArgs, RankArgs};
pub use metrics::MetricsArgs;
pub use names::NamesArgs;
pub use outlets::OutletArgs;
pub use recorded::{ExplainArgs, ImportArgs, InfoArgs, ReplayArgs};
pub use report::{Form, ReportArgs};
pub use run::{Follow, OwnCgroup, RunArgs};
pub use samples::SampleArgs;
pub use values::Speed;

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
    /// Run a command, and if the OOM killer ends it or a child of its, tell why and what would have spared it
    Run(RunArgs),
    /// Show a recording, as `watch` showed it; needs no privileges
    Replay(ReplayArgs),
    /// Look around in recordings on a whole screen: episodes, candidates sorted by any column, timeline, what if
    Browse(BrowseArgs),
    /// List the episodes of recordings: when, which scope, who died, how large, in which file
    List(ListArgs),
    /// Tell what grew from one episode to another, by process and by cgroup
    Diff(DiffArgs),
    /// Make tables (csv, parquet), JSON or a trace (perfetto) of recordings, for other programs
    Export(ExportArgs),
    /// Make a page (HTML) or a ticket (Markdown) of recordings, for people who were not there
    Report(ReportArgs),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Args::command().debug_assert();
    }
}
