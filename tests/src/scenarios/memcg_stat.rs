//! A memcg OOM: the counters are those that the kernel's report prints of the limiting cgroup, to the byte.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare;
use crate::harness::evidence::Comparison;
use crate::harness::stage::Stage;

/// On every tested kernel; each is more than 0 here.
const NEEDED: [&str; 4] = ["anon", "file", "shmem", "file_mapped"];
/// Which of them new pages are on differs: the multi-generational LRU counts them as active.
const LISTS: [&str; 2] = ["active_anon", "inactive_anon"];

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("memcg_stat")?;
    let _crowd = crowd(&cgroup, 20)?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(8 * MIB)?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the cgroup", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the cgroup", |report| report.is_of(cgroup.path()))?;
    let kernels = &report.details.memcg;
    let ours = episode.json["memcg"]["stat"].as_object().context("there are no counters")?;
    let mut comparison = Comparison::new()?;
    comparison.situation(episode, &report.details)?;
    let mut positive = Vec::new();
    for (name, value) in ours {
        // Not every counter is in the report, and not every line of it is a counter.
        let (Some(kernels), Some(value)) = (kernels.get(name), value.as_i64()) else { continue };
        comparison.constant(name, Some(value), *kernels);
        if value > 0 {
            positive.push(name.as_str());
        }
    }
    compare::verdict(&comparison.differences)?;
    ensure!(comparison.compared > 20, "only {} values were compared", comparison.compared);
    for name in NEEDED {
        ensure!(positive.contains(&name), "{name} is not among those compared that are not 0: {positive:?}");
    }
    ensure!(LISTS.iter().any(|name| positive.contains(name)), "no {LISTS:?} in {positive:?}");
    // What the kernel shows where nothing of the machine is short: its state is captured all the same.
    ensure!(episode.json["memory"]["zones"].as_array().is_some_and(|zones| !zones.is_empty()), "no zones");
    Ok(())
}
