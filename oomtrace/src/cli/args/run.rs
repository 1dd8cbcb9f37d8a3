//! The command that runs a job: `run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use super::Color;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = RUN_EXIT)]
pub struct RunArgs {
    /// Write what happened to FILE: JSON lines with the session, the episodes of the job, and the job itself last
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Say something when nothing happened too; and of an OOM all candidates, and what led to it
    #[arg(short, long)]
    pub verbose: bool,
    /// When to use colour; `auto` on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
    /// How to see OOMs; `auto` takes hooks on functions, else the kernel's log, else only counters of the cgroup
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub attach: Follow,
    /// Whether the command gets a cgroup of its own, where one can be made without changing anything for others
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub cgroup: OwnCgroup,
    /// Read the kernel's types from FILE instead of /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,
    /// The command, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

const RUN_EXIT: &str = "\
The exit code is the command's, 128 + N if signal N ended it, 127 if there is no such command, 126 if it cannot be run, \
125 if oomtrace cannot start it. INT, TERM, HUP, QUIT, USR1 and USR2 are passed on to it.";

/// How OOMs are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum Follow {
    #[default]
    Auto,
    Fentry,
    Kprobe,
    Log,
    Counters,
}

/// Whether the command gets a cgroup of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum OwnCgroup {
    #[default]
    Auto,
    Never,
}
