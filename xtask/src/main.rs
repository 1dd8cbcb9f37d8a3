//! oomtrace's own chores, run as `cargo xtask <command>`.
//!
//! One command a chore, each of which fetches the tools it needs into a cache folder and fails with the exact command
//! that failed. This file only reads the command line.

mod apt;
mod arch;
mod bench;
mod cache;
mod cross;
mod demo;
mod dist;
mod ebpf;
mod kernels;
mod run;
mod test;
mod toolchain;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// oomtrace's own chores: build the eBPF object, boot kernels, run all tests, demo
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    after_help = "Downloads are kept in $OOMTRACE_CACHE, else \
in $XDG_CACHE_HOME/oomtrace, else in ~/.cache/oomtrace."
)]
struct Cli {
    #[command(subcommand)]
    command: Chore,
}

/// The chores.
#[derive(Subcommand)]
enum Chore {
    /// Measure oomtrace beside bpftrace, bcc, trace-cmd and perf, in guests, and write docs/benchmarks.md
    Bench(bench::Args),
    /// Build the eBPF objects that are committed in oomtrace/ebpf/
    BuildEbpf(ebpf::Args),
    /// What a commit must pass, without network or guests: style, lints, plain tests, the digest of the eBPF sources
    Check,
    /// Show oomtrace at work: on this machine if it allows that, else in a guest, else from a recording
    Demo(demo::Args),
    /// Make what a release has: archive, .deb, checksums, in target/packages
    Dist(dist::Args),
    /// Run every test: style, unit, integration, the eBPF object, and real kernels in QEMU
    Test(test::Args),
    /// Boot a stock kernel in QEMU and run a command in it
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Chore::Bench(args) => bench::main(&args),
        Chore::BuildEbpf(args) => ebpf::main(&args).map(|()| ExitCode::SUCCESS),
        Chore::Check => test::check(),
        Chore::Demo(args) => demo::main(&args),
        Chore::Dist(args) => dist::main(&args),
        Chore::Test(args) => test::main(&args),
        Chore::Vm(args) => vm::main(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
