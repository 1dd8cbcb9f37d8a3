//! How to capture: what `watch` and `record` have in common, and how a recording is compressed.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum;

use crate::record;
use crate::session::Compression;

use super::values::duration;

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
    /// When what is recorded is made to survive a crash of the machine: never, with each episode, or with everything written
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub sync: Sync,
    /// Stop after N episodes were shown
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Stop after a time, for example 10s, 5m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Tell at the end what the capture cost: runs and time of each program, how full the buffers were
    #[arg(long)]
    pub stats: bool,
    /// Keep all privileges and system calls, instead of giving up what a running capture does not need
    #[arg(long)]
    pub no_sandbox: bool,
    /// Leave a hook out; for tests of what is shown without it
    #[arg(long, value_name = "NAME", hide = true)]
    pub without_hook: Vec<String>,
    /// Log of the eBPF programs
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t, hide = true)]
    pub probe_log: ProbeLog,
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

/// When a recording is made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum Sync {
    None,
    #[default]
    Episode,
    Always,
}

impl From<Sync> for record::Sync {
    fn from(when: Sync) -> Self {
        match when {
            Sync::None => Self::None,
            Sync::Episode => Self::Episode,
            Sync::Always => Self::Always,
        }
    }
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
