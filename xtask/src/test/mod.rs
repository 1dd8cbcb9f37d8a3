//! `cargo xtask test`: every test there is, in the order of how quickly they tell something is wrong.
//!
//! - [`cargo`]: style, lints, and everything that `cargo test` runs
//! - the committed eBPF object against a fresh build
//! - [`host`]: what oomtrace finds and says on this machine's own kernel
//! - [`packages`]: man pages, completions, units, the DaemonSet, the .deb's files
//! - [`readers`]: what databases and Perfetto read in exports
//! - [`prometheus`]: a real Prometheus over the metrics
//! - [`otlp`]: a receiver of the official definitions over logs and metrics
//! - [`pages`]: what a browser makes of reports
//! - [`guests`]: real OOMs on real kernels, listed in [`matrix`]
//!
//! What cannot run is counted as skipped, with its reason ([`report`]).

mod cargo;
mod guests;
mod host;
mod matrix;
mod otlp;
mod packages;
mod pages;
mod prometheus;
mod readers;
mod report;
mod systemd;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use self::report::{Report, Verdict};
use crate::{ebpf, toolchain};

/// What to run, as given on the command line.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out the tests on real kernels
    #[arg(long)]
    no_vm: bool,
    /// Only these kernels: 5.10, 6.1, 6.12, 7.3, 6.1-arm64, 6.12-arm64, or the path of a kernel image [repeatable]
    #[arg(long, value_name = "KERNEL")]
    kernel: Vec<String>,
    /// Guests at a time
    #[arg(long, default_value_t = 2, value_name = "N")]
    jobs: usize,
    /// Only tests whose name contains this; tests on kernels are named <kernel>/<group>/<name>
    filter: Option<String>,
}

/// Runs everything that was asked for.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let started = Instant::now();
    let report = Report::default();
    let filter = args.filter.as_deref();
    cargo::style(&report, filter);
    cargo::tests(&report, filter)?;
    if filter.is_none_or(|filter| OBJECT.contains(filter)) {
        object(&report);
    }
    host::run(&report, filter);
    packages::run(&report, filter);
    readers::run(&report, filter);
    prometheus::run(&report, filter);
    otlp::run(&report, filter);
    pages::run(&report, filter);
    if !args.no_vm {
        guests::run(&report, &matrix::entries(&args.kernel), args.jobs, filter);
    }
    println!(
        "\nall of it took {} s; logs of guests are in {}",
        started.elapsed().as_secs(),
        guests::logs().display()
    );
    let totals = report.conclude();
    Ok(if totals.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `cargo xtask check`: what needs neither network nor guests nor BPF tools. The digest of the eBPF sources is one of
/// xtask's own tests.
pub(crate) fn check() -> Result<ExitCode> {
    let report = Report::default();
    cargo::style(&report, None);
    cargo::tests(&report, None)?;
    Ok(if report.conclude().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The name of the test of the committed object.
const OBJECT: &str = "build-ebpf --check";

/// Rebuilds the eBPF object. Without the tools for it, that is skipped; the digest test still guards the sources.
fn object(report: &Report) {
    let started = Instant::now();
    let verdict = match toolchain::get() {
        Err(error) => Verdict::Skipped(format!("{error:#}")),
        Ok(toolchain) => match ebpf::check(&toolchain) {
            Ok(()) => Verdict::Passed,
            Err(error) => Verdict::Failed(format!("{error:#}")),
        },
    };
    report.add(OBJECT, verdict, &took(started));
}

/// " (1.2 s)"
fn took(started: Instant) -> String {
    format!(" ({:.1} s)", started.elapsed().as_secs_f64())
}
