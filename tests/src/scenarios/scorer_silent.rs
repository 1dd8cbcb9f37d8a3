//! A probe on the scorer that never fires, as on kernels where the scan calls another copy of it: the choice and the victim
//! are there, points are unknown, and that is said.

use anyhow::{Result, ensure};

use super::common::{MIB, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("scorer_silent")?;
    let _crowd = crowd(&cgroup, 20)?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    let watch = stage.watch(&["--without-hook", "oom_badness"])?;
    hog.go()?;
    watch.await_episode("without the scorer", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("without the scorer", |report| report.is_of(cgroup.path()))?;
    ensure!(episode.is("scorer_silent")?, "scorer_silent is false");
    for candidate in &episode.candidates {
        // What the choice says of the chosen one is the kernel's word; nobody else's points can be known.
        let known = candidate.points.is_some() && candidate.verdict != "chosen";
        ensure!(!known, "{} has points: {:?}", candidate.task.pid, candidate.points);
    }
    let mut ours: Vec<i32> = episode.candidates.iter().map(|candidate| candidate.task.pid).collect();
    ours.sort_unstable();
    let mut kernels: Vec<i32> = report.rows.iter().map(|row| row.tgid).collect();
    kernels.sort_unstable();
    ensure!(ours == kernels, "candidates {ours:?}, and {kernels:?} by the kernel");
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    ensure!(report.killed() == [hog.pid()], "killed by the log: {:?}", report.killed());
    ensure!(episode.number("chosen_points")?.is_some(), "chosen_points is not known");
    Ok(())
}
