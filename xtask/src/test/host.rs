//! What oomtrace finds and says on this machine's own kernel.
//!
//! The stock kernels of the guests all allow hooks on functions; a kernel without kprobes that refuses fentry can only be found on the
//! machine that the tests run on. On a machine that allows them there is no refusal to see.

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
    let tests: [(&str, Test); 3] = [("host/types", types), ("host/refusal", refusal), ("host/demo", demo)];
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

/// Runs `watch` by fentry for a second at the most.
fn refusal() -> Result<Verdict> {
    let output = oomtrace(&["watch", "--attach", "fentry", "--duration", "1s"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(match output.status.code() {
        Some(0) => Verdict::Skipped(
            "this machine's kernel lets oomtrace hook functions: there is no refusal to see".to_owned(),
        ),
        Some(3) if !output.stdout.is_empty() => {
            Verdict::Failed(format!("it refused, and printed data: {said}"))
        }
        Some(3) if ADVICE.iter().any(|advice| said.contains(advice)) => Verdict::Passed,
        Some(3) => Verdict::Failed(format!("it refused without saying what to do: {said}")),
        _ => Verdict::Failed(format!("{}: {said}", output.status)),
    })
}

/// The demonstration's two OOMs, in a cgroup of its own with a limit on it, by whatever flavour this kernel allows: where it refuses
/// hooks on functions, by its log.
fn demo() -> Result<Verdict> {
    let output = oomtrace(&["demo", "--json"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    if let Some((_, reason)) = said.split_once("not live because: ") {
        return Ok(Verdict::Skipped(format!("no live demonstration: {}", reason.trim())));
    }
    ensure!(output.status.success(), "{}: {said}", output.status);
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<serde_json::Value> = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
    let episodes: Vec<_> = lines.iter().filter(|line| line["type"] == "episode").collect();
    ensure!(episodes.len() == 2, "{} episodes: {said}", episodes.len());
    // The one that is marked to be sacrificed, then the one that grows.
    for (episode, victim) in episodes.iter().zip(["build-cache", "leak"]) {
        ensure!(episode["outcome"] == "killed", "outcome {}", episode["outcome"]);
        ensure!(episode["victims"][0]["comm"] == victim, "{} was killed", episode["victims"][0]["comm"]);
        let has_points = |candidate: &serde_json::Value| candidate["points"].is_i64();
        let candidates = episode["candidates"].as_array().context("no list of candidates")?;
        ensure!(candidates.iter().filter(|it| has_points(it)).count() > 1, "candidates without points");
        ensure!(episode["victims"][0]["exited_boot_ns"].is_u64(), "the exit of {victim} was not seen");
    }
    Ok(Verdict::Passed)
}

/// Runs the ordinary build of oomtrace.
fn oomtrace(args: &[&str]) -> Result<Output> {
    run::check(run::cargo().args(["build", "--quiet", "--package", "oomtrace"]))?;
    let mut oomtrace = Command::new(workspace::target().join("debug/oomtrace"));
    oomtrace.args(args).stdin(Stdio::null());
    oomtrace.output().map_err(|error| run::explain_spawn(&oomtrace, error))
}
