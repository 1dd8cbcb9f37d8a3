//! The oracle by itself, without oomtrace: the kernel's report, its choice and its counters agree by our reading of them.
//!
//! If this fails, what the other scenarios compare with is not understood on this kernel.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, crowd, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::oracle::{counters, formula};

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("oracle_agrees")?;
    let _crowd = crowd(&cgroup, 20)?;
    let mut hog = waiting_hog(&cgroup)?;
    let totalpages = cgroup.limit_above_usage(4 * MIB)? / formula::PAGE_BYTES;
    let kills = counters::oom_kills()?;
    hog.go()?;
    hog.wait()?;

    let report = stage.report("of the limited cgroup", |report| report.is_of(cgroup.path()))?;
    let mut tasks: Vec<i32> = report.rows.iter().map(|row| row.tgid).collect();
    tasks.sort_unstable();
    // The hog is gone, so the table has one process more than the cgroup now.
    let mut members = cgroup.members()?;
    members.push(hog.pid());
    members.sort_unstable();
    ensure!(tasks == members, "the table has {tasks:?}, the cgroup has {members:?}");

    let best = report.rows.iter().filter_map(|row| Some((formula::points(row, totalpages)?, row.tgid))).max();
    let (_, best) = best.context("the table has nobody killable")?;
    ensure!(best == hog.pid(), "{best} has the most points by the formula, not the hog {}", hog.pid());
    ensure!(
        report.killed() == [hog.pid()],
        "the log says that {:?} was killed, not {}",
        report.killed(),
        hog.pid()
    );
    ensure!(cgroup.oom_kills()? == 1, "memory.events counts {} kills", cgroup.oom_kills()?);
    ensure!(counters::oom_kills()? == kills + 1, "/proc/vmstat does not count the kill");
    Ok(())
}
