//! What oomtrace finds and says on this machine's own kernel.
//!
//! The stock kernels of the guests all allow tracing; a kernel without kprobes that refuses fentry can only be found on the machine
//! that the tests run on. On a machine that allows tracing there is no refusal to see.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::report::{Report, Verdict};
use crate::{run, workspace};

/// How every message that goes with exit code 3 ends: with what to do.
const ADVICE: [&str; 4] = ["`oomtrace doctor` shows", "setcap", "--btf", "boot with lockdown"];

/// A test: what came of it, or why it could not be told.
type Test = fn() -> Result<Verdict>;

/// Runs the tests of this machine.
pub(super) fn run(report: &Report, filter: Option<&str>) {
    let tests: [(&str, Test); 2] = [("host/types", types), ("host/refusal", refusal)];
    for (name, test) in tests {
        if filter.is_none_or(|filter| name.contains(filter)) {
            let started = Instant::now();
            let verdict = test().unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
            report.add(name, verdict, &super::took(started));
        }
    }
}

/// The members that the probes need are found in this kernel's BTF, a kernel that nobody chose for it.
fn types() -> Result<Verdict> {
    const BTF: &str = "/sys/kernel/btf/vmlinux";
    if !Path::new(BTF).exists() {
        return Ok(Verdict::Skipped(format!("this machine's kernel has no BTF ({BTF})")));
    }
    let output = oomtrace(&["doctor", "--json"])?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).context("doctor's JSON")?;
    let checks = report["checks"].as_array().context("doctor's JSON has no checks")?;
    let check = checks.iter().find(|check| check["name"] == "BTF").context("doctor does not check BTF")?;
    ensure!(check["ok"] == true, "doctor says of BTF: {}", check["detail"]);
    Ok(Verdict::Passed)
}

/// Runs `watch` for a second at the most.
fn refusal() -> Result<Verdict> {
    let output = oomtrace(&["watch", "--duration", "1s"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(match output.status.code() {
        Some(0) => Verdict::Skipped(
            "this machine's kernel lets oomtrace trace: there is no refusal to see".to_owned(),
        ),
        Some(3) if !output.stdout.is_empty() => {
            Verdict::Failed(format!("it refused, and printed data: {said}"))
        }
        Some(3) if ADVICE.iter().any(|advice| said.contains(advice)) => Verdict::Passed,
        Some(3) => Verdict::Failed(format!("it refused without saying what to do: {said}")),
        _ => Verdict::Failed(format!("{}: {said}", output.status)),
    })
}

/// Runs the ordinary build of oomtrace.
fn oomtrace(args: &[&str]) -> Result<Output> {
    run::check(run::cargo().args(["build", "--quiet", "--package", "oomtrace"]))?;
    let mut oomtrace = Command::new(workspace::target().join("debug/oomtrace"));
    oomtrace.args(args).stdin(Stdio::null());
    oomtrace.output().map_err(|error| run::explain_spawn(&oomtrace, error))
}
