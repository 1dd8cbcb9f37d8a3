//! A limit two levels down: the chain of limits goes from the one that fired up to the root, and each level's numbers are
//! those of its own files.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, only_episode, waiting_hog};
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::compare::{self, Basis};
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;
use crate::skip;

/// Pages that each processor charges ahead (`MEMCG_CHARGE_BATCH`, mm/memcontrol.c).
const STOCK: u64 = 64;

pub(super) fn run(stage: &Stage) -> Result<()> {
    if Version::of_guest()? == Version::One {
        skip!("reads the limits from files of cgroup version 2");
    }
    let outer = Cgroup::new("nested_limits")?;
    let middle = outer.child("slice with spaces")?;
    let inner = middle.child("pod")?;
    let leaf = inner.child("container")?;
    let mut hog = waiting_hog(&leaf)?;
    outer.limit(64 * MIB)?;
    outer.write("memory.high", &(48 * MIB).to_string())?;
    let limit = inner.limit_above_usage(4 * MIB)?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the inner limit", |episode| episode.is_of(inner.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the inner limit", |report| report.is_of(inner.path()))?;
    compare::with_report(episode, &report, &Basis::new(limit / PAGE_BYTES)?)?;
    let chain = episode.json["memcg"]["chain"].as_array().context("there is no chain")?;
    let paths: Vec<_> = chain.iter().map(|level| level["path"].as_str().unwrap_or_default()).collect();
    ensure!(paths == [inner.path(), middle.path(), outer.path(), "/"], "the chain is {paths:?}");
    let limiting: Vec<_> = chain.iter().map(|level| level["limiting"] == true).collect();
    ensure!(limiting == [true, false, false, false], "limiting are {limiting:?}");
    let max: Vec<_> = chain.iter().map(|level| level["max_pages"].as_u64()).collect();
    let pages = |bytes: u64| Some(bytes / PAGE_BYTES);
    ensure!(max == [pages(limit), None, pages(64 * MIB), None], "limits {max:?}");
    let high: Vec<_> = chain.iter().map(|level| level["high_pages"].as_u64()).collect();
    ensure!(high == [None, None, pages(48 * MIB), None], "high limits {high:?}");
    let usage: Option<Vec<u64>> = chain.iter().take(3).map(|level| level["usage_pages"].as_u64()).collect();
    let usage = usage.context("a level's usage is not known")?;
    // Levels are read one after the other, and another processor may give its stock back meanwhile, from the inside out too.
    let between = STOCK * std::thread::available_parallelism()?.get() as u64;
    ensure!(
        usage[0] > 0 && usage.windows(2).all(|pair| pair[0] <= pair[1] + between),
        "usage from the inside out: {usage:?}"
    );
    let victim = episode.victims.first().context("there is no victim")?;
    let home = victim.task.cgroup.as_deref().unwrap_or_default();
    ensure!(home == leaf.path().as_bytes(), "the victim's cgroup is {}", home.escape_ascii());
    Ok(())
}
