//! `oomtrace demo` where tracing is allowed: it makes an OOM of its own, which the kernel counts.

use anyhow::{Context as _, Result, ensure};

use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::oracle::counters;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let kills = counters::oom_kills()?;
    let finished = stage.follow(Launch::of(OOMTRACE).arg("demo"))?.wait()?;
    ensure!(finished.code == Some(0), "exit code {:?}: {}", finished.code, finished.stderr.trim());
    let kills = counters::oom_kills()? - kills;
    ensure!(kills > 0, "nobody was killed: this demo was not live; it said: {}", finished.stderr.trim());
    let report = stage.report("of the demo", |report| report.summary.is_some())?;
    let killed = *report.killed().first().context("the kernel logged no kill")?;
    let shown = String::from_utf8_lossy(&finished.stdout).into_owned();
    ensure!(shown.contains(&format!("[{killed}]")), "the victim {killed} is not shown: {shown}");
    Ok(())
}
