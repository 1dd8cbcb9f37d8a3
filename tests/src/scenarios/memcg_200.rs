//! A memcg OOM with 200 processes: every candidate, with all its numbers, is the kernel's own.

use anyhow::{Result, ensure};

use super::common::{MIB, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("memcg_200")?;
    let _crowd = crowd(&cgroup, 200)?;
    let mut hog = waiting_hog(&cgroup)?;
    let limit = cgroup.limit_above_usage(8 * MIB)?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the memcg", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the memcg", |report| report.is_of(cgroup.path()))?;
    // 200 idle ones, their parent and the hog.
    ensure!(report.rows.len() == 202, "the kernel's table has {} rows", report.rows.len());
    compare::with_report(episode, &report, &Basis::new(limit / PAGE_BYTES)?)?;
    ensure!(episode.outcome == "killed", "outcome {}", episode.outcome);
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    ensure!(episode.number("evaluated")? == Some(202), "evaluated {:?}", episode.number("evaluated")?);
    ensure!(episode.victims[0].exited_boot_ns.is_some(), "the victim's exit is not known");
    limits(episode, limit)?;
    ensure!(cgroup.oom_kills()? == 1, "memory.events counts {} kills", cgroup.oom_kills()?);
    Ok(())
}

/// The chain of limits: the cgroup that was limited first, the root last.
fn limits(episode: &crate::harness::view::Episode, limit: u64) -> Result<()> {
    let chain = episode.json["memcg"]["chain"].as_array().map(Vec::as_slice).unwrap_or_default();
    let paths: Vec<_> = chain.iter().map(|level| level["path"].as_str()).collect();
    ensure!(paths == [Some("/memcg_200"), Some("/")], "the chain is {paths:?}");
    ensure!(chain[0]["limiting"] == true && chain[1]["limiting"] == false, "the wrong level is limiting");
    ensure!(chain[0]["max_pages"].as_u64() == Some(limit / PAGE_BYTES), "limit {}", chain[0]["max_pages"]);
    let usage = chain[0]["usage_pages"].as_u64();
    // The charge that did not fit is taken back before the scan; other CPUs hold a stock of charged pages.
    ensure!(
        usage.is_some_and(|usage| usage <= limit / PAGE_BYTES && usage + 256 >= limit / PAGE_BYTES),
        "usage {usage:?} pages at a limit of {}",
        limit / PAGE_BYTES
    );
    Ok(())
}
