//! What oomtrace says on this machine's own kernel, when that does not let it trace.
//!
//! The stock kernels of the guests all allow it; a kernel without kprobes that refuses fentry can only be found on the machine that
//! the tests run on. On a machine that allows tracing there is nothing to see.

use std::process::Stdio;
use std::time::Instant;

use super::report::{Report, Verdict};
use crate::{run, workspace};

const NAME: &str = "host/refusal";

/// How every message that goes with exit code 3 ends: with what to do.
const ADVICE: [&str; 4] = ["`oomtrace doctor` shows more", "setcap", "--btf", "boot with lockdown"];

/// Runs `watch` on this machine, for a second at the most.
pub(super) fn refusal(report: &Report, filter: Option<&str>) {
    if filter.is_some_and(|filter| !NAME.contains(filter)) {
        return;
    }
    let started = Instant::now();
    let verdict = attempt().unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
    report.add(NAME, verdict, &super::took(started));
}

fn attempt() -> anyhow::Result<Verdict> {
    run::check(run::cargo().args(["build", "--quiet", "--package", "oomtrace"]))?;
    let mut watch = std::process::Command::new(workspace::target().join("debug/oomtrace"));
    watch.args(["watch", "--duration", "1s"]).stdin(Stdio::null());
    let output = watch.output().map_err(|error| run::explain_spawn(&watch, error))?;
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
