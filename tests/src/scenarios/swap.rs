//! Processes that are partly swapped out: swap entries are the kernel's, and count in the points.

use anyhow::{Result, ensure};

use super::common::{MIB, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::compare::{self, Basis};
use crate::harness::stage::Stage;
use crate::harness::swap::Swap;
use crate::oracle::formula::PAGE_BYTES;
use crate::skip;

/// What the cgroup may swap.
const SWAP: u64 = 16 * MIB;

pub(super) fn run(stage: &Stage) -> Result<()> {
    if Version::of_guest()? == Version::One {
        skip!("limits memory and swap apart, which cgroup version 1 cannot");
    }
    if !Swap::is_possible() {
        skip!("the guest has no disk to swap to, so swap_entries is only ever compared as 0");
    }
    let _swap = Swap::on()?;
    let cgroup = Cgroup::new("swap")?;
    let _crowd = crowd(&cgroup, 50)?;
    let mut hog = waiting_hog(&cgroup)?;
    let limit = cgroup.limit_above_usage(4 * MIB)?;
    if !cgroup.directory().join("memory.swap.max").exists() {
        skip!("this kernel does not account swap to cgroups");
    }
    cgroup.limit_with_swap(limit, SWAP)?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("with swap", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("with swap", |report| report.is_of(cgroup.path()))?;
    let swapped = report.rows.iter().filter(|row| row.swapents > 0).count();
    ensure!(swapped > 10, "only {swapped} processes are swapped out: this proves nothing");
    compare::with_report(episode, &report, &Basis::new((limit + SWAP) / PAGE_BYTES)?)?;
    ensure!(
        lines.session["swap_bytes"].as_u64().is_some_and(|bytes| bytes > SWAP),
        "{}",
        lines.session["swap_bytes"]
    );
    Ok(())
}
