//! `cargo xtask bench`: oomtrace and its peers side by side, in guests whose clock counts instructions.
//!
//! - [`root`]: the peers, from their Debian packages;
//! - [`suites`]: what is measured, and in which machine;
//! - [`guests`]: boots a guest and takes the lines of figures that it prints (`guest bench` in the package `oomtrace-tests`);
//! - [`throughput`]: how fast recordings are read, on this machine;
//! - [`results`]: those lines, kept from run to run, so that one suite can be measured again;
//! - [`document`]: the tables that are made of them.

mod document;
mod guests;
mod results;
mod root;
mod suites;
mod throughput;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use self::results::Results;
use self::root::Root;
use self::suites::{Boot, SUITES};
use crate::arch::Arch;
use crate::kernels::Kernel;
use crate::vm::initramfs::{self, Programs};
use crate::{kernels, vm, workspace};

/// What to measure, as given on the command line.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One kernel, 1000 processes, few rounds: some minutes
    #[arg(long)]
    quick: bool,
    /// Only these kernels [default: 6.1 and 7.3; with --quick only 6.1] [repeatable]
    #[arg(long, value_name = "KERNEL")]
    kernel: Vec<String>,
    /// Only this suite, or one boot of it; other figures are kept from earlier runs [repeatable]
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Only these tracers, as a list with commas: `none` and others; figures of the rest are kept from earlier runs
    #[arg(long, value_name = "NAMES", default_value = "", hide_default_value = true)]
    tracers: String,
    /// Where the tables go [default: docs/benchmarks.md; with --quick target/bench/quick.md]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Measure nothing, write the tables from what is kept
    #[arg(long, conflicts_with_all = ["only", "tracers"])]
    tables: bool,
    /// Nothing is measured: run this shell command in a guest that has the peers, in their root
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["only", "tracers"])]
    shell: Option<String>,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let boots = suites::boots(args.quick);
    check_names(&args.only, &boots)?;
    let kind = if args.quick { "quick" } else { "whole" };
    let folder = workspace::target().join("bench");
    let results = Results::open(folder.join(kind))?;
    let mut failed = 0;
    if !args.tables {
        vm::need_qemu(Arch::X86_64)?;
        let programs = Programs::as_shipped()?;
        let default: &[&str] = if args.quick { &["6.1"] } else { &["6.1", "7.3"] };
        let chosen: Vec<&str> = args.kernel.iter().map(String::as_str).collect();
        for name in if chosen.is_empty() { default } else { &chosen } {
            let kernel = kernels::get(name)?;
            let root = root::get(&kernel)?;
            if let Some(command) = &args.shell {
                guests::shell(command, &kernel, &root, &programs)?;
                continue;
            }
            results.keep(&format!("{name}-packages"), &root.packages)?;
            for boot in boots.iter().filter(|boot| is_wanted(boot, &args.only)) {
                if let Err(error) = measure(boot, &kernel, &root, &programs, &args.tracers, &results) {
                    println!("not measured: {}: {error:#}", boot.key(&kernel));
                    failed += 1;
                }
            }
        }
        if args.shell.is_some() {
            return Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let bytes =
            fs::metadata(initramfs::shipped(Arch::X86_64)?).context("cannot look at the binary")?.len();
        results.keep("binary", &[json!({ "row": "binary", "bytes": bytes })])?;
    }
    let (default, command) = if args.quick {
        (folder.join("quick.md"), "cargo xtask bench --quick")
    } else {
        (workspace::root().join("docs/benchmarks.md"), "cargo xtask bench")
    };
    let output = args.output.clone().unwrap_or(default);
    fs::write(&output, document::write(results.all()?, command))
        .with_context(|| format!("cannot write {}", output.display()))?;
    println!("the tables are in {}", output.display());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_wanted(boot: &Boot, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|only| only == boot.suite || *only == boot.name())
}

/// Nobody should wait for a suite that does not exist.
fn check_names(only: &[String], boots: &[Boot]) -> Result<()> {
    for name in only {
        if !boots.iter().any(|boot| name == boot.suite || *name == boot.name()) {
            let boots: Vec<String> = boots.iter().map(Boot::name).collect();
            bail!("there is no suite {name}: {}; single boots are {}", SUITES.join(", "), boots.join(", "));
        }
    }
    Ok(())
}

/// One boot, and what is to be done with the files that it leaves.
fn measure(
    boot: &Boot,
    kernel: &Kernel,
    root: &Root,
    programs: &Programs,
    tracers: &str,
    results: &Results,
) -> Result<()> {
    let measured = guests::run(boot, kernel, root, programs, tracers, results)?;
    let mut lines = measured.lines;
    if let Some(disk) = &measured.disk {
        lines.extend(throughput::measure(disk, results.folder(), kernel, root)?);
    }
    if tracers.is_empty() {
        results.keep(&boot.key(kernel), &lines)
    } else {
        results.replace(&boot.key(kernel), &lines)
    }
}
