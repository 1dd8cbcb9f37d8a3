//! `cargo xtask demo`: shows oomtrace's main job on this machine, as live as the machine allows.
//!
//! `oomtrace demo` does the showing. This file decides where it runs: here, if oomtrace's own doctor says that live
//! tracing works; else in a guest with a stock kernel; else here again, where it then replays a recording.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::arch::Arch;
use crate::kernels::{self, Kernel};
use crate::vm::initramfs::{self, Programs};
use crate::vm::{self, AccelChoice, Guest, Hardware};
use crate::{run, workspace};

/// The kernel to show it on, if it can be had.
const KERNEL: &str = "6.12";

/// More than ten times what it takes.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What to show, as given on the command line.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// More words for `oomtrace demo`
    #[arg(last = true)]
    words: Vec<String>,
}

/// Runs the demo in the best place there is.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    eprintln!("demo: building oomtrace");
    // The build for guests runs here just as well, so there is only one.
    let oomtrace = initramfs::oomtrace()?;
    let why_not_here = match flavour(&oomtrace) {
        Ok(Some(flavour)) => {
            eprintln!(
                "demo: this machine allows live tracing ({flavour}): a small OOM in a throw-away cgroup, here and now"
            );
            return here(&oomtrace, &args.words);
        }
        Ok(None) => "this machine does not allow live tracing (`oomtrace doctor` says why)".to_owned(),
        Err(error) => {
            format!("oomtrace's doctor could not tell whether this machine allows live tracing: {error:#}")
        }
    };
    match in_guest(&args.words, &why_not_here) {
        Ok(code) => Ok(code),
        Err(error) => {
            eprintln!("demo: {why_not_here}, and there is no guest to do it in: {error:#}");
            eprintln!("demo: replaying a recording of a real OOM instead");
            here(&oomtrace, &args.words)
        }
    }
}

/// How oomtrace would trace on this machine; `None` if it cannot.
fn flavour(oomtrace: &Path) -> Result<Option<String>> {
    let mut doctor = Command::new(oomtrace);
    doctor.args(["doctor", "--json"]).stdin(Stdio::null());
    // A doctor that finds something missing says so with its exit code as well, so only its words count.
    let output = doctor.output().map_err(|e| run::explain_spawn(&doctor, e))?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no JSON from `{}` ({})", run::show(&doctor), output.status))?;
    match report.get("flavour") {
        Some(serde_json::Value::String(flavour)) => Ok(Some(flavour.clone())),
        Some(serde_json::Value::Null) => Ok(None),
        _ => Err(anyhow!("`{}` names no flavour", run::show(&doctor))),
    }
}

/// `oomtrace demo` on this machine.
fn here(oomtrace: &Path, words: &[String]) -> Result<ExitCode> {
    let mut demo = Command::new(oomtrace);
    demo.arg("demo").args(words);
    let status = demo.status().map_err(|e| run::explain_spawn(&demo, e))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// `oomtrace demo` in a guest. An error is a guest that did not come up; a demo that failed in it is none.
fn in_guest(words: &[String], why: &str) -> Result<ExitCode> {
    vm::need_qemu(Arch::X86_64)?;
    let kernel = any_kernel()?;
    let programs = Programs::get(Arch::X86_64)?;
    eprintln!("demo: {why}");
    eprintln!("demo: so it happens live in a virtual machine with Debian's {}", kernel.description);
    let hardware = Hardware {
        cpus: 2,
        memory: "1G".to_owned(),
        append: String::new(),
        icount: false,
        accel: AccelChoice::Tcg,
    };
    let guest = Guest {
        kernel: &kernel,
        hardware: &hardware,
        timeout: Some(TIMEOUT),
        silence: None,
        extras: &[],
        archive: None,
        disk: vm::Disk::default(),
        out: None,
        show_console: false,
        logs: workspace::vm_logs().join("demo"),
        stdout: Arc::new(Mutex::new(io::stdout())),
        stderr: Arc::new(Mutex::new(io::stderr())),
    };
    let mut command = vec!["oomtrace".to_owned(), "demo".to_owned()];
    command.extend_from_slice(words);
    let run = guest.run(&programs, &command)?;
    if run.outcome.boot.is_none() {
        let why = run.outcome.failure.unwrap_or_else(|| "it did not boot".to_owned());
        return Err(anyhow!("{why} (logs: {})", guest.logs.display()));
    }
    Ok(ExitCode::from(vm::conclude(&run, guest.timeout)))
}

/// The kernel that is meant, or one that is in the cache when that cannot be downloaded.
fn any_kernel() -> Result<Kernel> {
    kernels::get(KERNEL).or_else(|error| match kernels::cached()?.last() {
        Some(name) => kernels::get(name),
        None => Err(error),
    })
}
