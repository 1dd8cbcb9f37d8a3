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
    let shown = String::from_utf8_lossy(&finished.stdout).into_owned();
    let killed: Vec<i32> = stage.reports()?.reports.iter().flat_map(|report| report.killed()).collect();
    ensure!(u64::try_from(killed.len())? == kills, "the log has {killed:?}, /proc/vmstat counts {kills}");
    for pid in killed {
        // The victim's row of the table is marked in front and behind.
        let row = shown.lines().find(|line| line.starts_with("  > ") && line.contains(&format!("[{pid}]")));
        let row = row.with_context(|| format!("the victim {pid} is not shown: {shown}"))?;
        ensure!(row.trim_end().ends_with("victim"), "the victim's row does not say so: {row}");
    }
    Ok(())
}
