//! A cgroup that stays under its own limit, below one that does not: the parent's limit fires, and the chain names the parent.
//! In both versions of cgroups.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

/// What the child may have, and never gets.
const CHILD: u64 = 256 * MIB;
/// What the grandparent may have.
const GRANDPARENT: u64 = 512 * MIB;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let grandparent = Cgroup::new("parent_limit")?;
    grandparent.hold_for_children()?;
    let parent = grandparent.child("parent")?;
    let child = parent.child("child")?;
    let mut hog = waiting_hog(&child)?;
    child.limit(CHILD)?;
    grandparent.limit(GRANDPARENT)?;
    let limit = parent.limit_above_usage(8 * MIB)?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the parent's limit", |episode| episode.is_of(parent.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the parent's limit", |report| report.is_of(parent.path()))?;
    compare::with_report(episode, &report, &Basis::new(limit / PAGE_BYTES)?)?;
    let task_memcg = report.summary.as_ref().map(|summary| summary.task_memcg.as_str());
    ensure!(task_memcg == Some(child.path()), "the kernel's victim was in {task_memcg:?}");

    let chain = episode.json["memcg"]["chain"].as_array().context("there is no chain")?;
    let paths: Vec<_> = chain.iter().map(|level| level["path"].as_str().unwrap_or_default()).collect();
    ensure!(paths == [parent.path(), grandparent.path(), "/"], "the chain is {paths:?}");
    let limiting: Vec<_> = chain.iter().map(|level| level["limiting"] == true).collect();
    ensure!(limiting == [true, false, false], "limiting are {limiting:?}");
    let max: Vec<_> = chain.iter().map(|level| level["max_pages"].as_u64()).collect();
    ensure!(max == [Some(limit / PAGE_BYTES), Some(GRANDPARENT / PAGE_BYTES), None], "limits {max:?}");
    let usage = chain.first().and_then(|level| level["usage_pages"].as_u64()).context("no usage")?;
    // What CPUs have taken in advance is counted as used until it is given back.
    ensure!(
        usage.abs_diff(limit / PAGE_BYTES) <= 512,
        "usage {usage} at a limit of {} pages",
        limit / PAGE_BYTES
    );
    let victim = episode.victims.first().context("there is no victim")?;
    ensure!(victim.task.pid == hog.pid(), "the victim is {:?}", victim.task);
    let home = victim.task.cgroup.as_deref().unwrap_or_default();
    ensure!(home == child.path().as_bytes(), "the victim's cgroup is {}", home.escape_ascii());
    Ok(())
}
