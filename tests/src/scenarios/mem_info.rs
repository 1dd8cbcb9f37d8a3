//! A global OOM: nodes, zones, swap, CPU, masks and call path are those of the kernel's own report.

use anyhow::{Result, ensure};

use super::common::{FAULT, ballast, only_episode, waiting_hog};
use crate::harness::call_path;
use crate::harness::cgroup::Cgroup;
use crate::harness::compare;
use crate::harness::evidence::Comparison;
use crate::harness::stage::Stage;
use crate::harness::swap::Swap;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // A total of swap that is not 0, where there is a disk for it.
    let _swap = if Swap::is_possible() { Some(Swap::on()?) } else { None };
    // A cgroup without a limit, only for tidying up.
    let cgroup = Cgroup::new("mem_info")?;
    let mut hog = waiting_hog(&cgroup)?;
    let _ballast = ballast()?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the whole machine", |episode| episode.memcg.is_none())?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the whole machine", |report| report.summary.is_some())?;
    let mut comparison = Comparison::new()?;
    comparison.situation(episode, &report.details)?;
    comparison.memory(episode, &report.details)?;
    compare::verdict(&comparison.differences)?;
    // Two zones of some sixteen values, a node of eight, and what is of the whole machine.
    ensure!(comparison.compared > 50, "only {} values were compared", comparison.compared);

    let path = call_path::compared(episode, &report.details, stage.flavour())?;
    for function in ["handle_mm_fault", FAULT] {
        ensure!(path.iter().any(|name| name == function), "no {function} in {path:?}");
    }
    ensure!(path.iter().any(|name| name.starts_with("__alloc_")), "no allocation in {path:?}");
    Ok(())
}
