//! A child between `vfork()` and `exec`: the scorer refuses it, and it is shown as that.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("vfork_child")?;
    let (parent, child) = Launch::guest("vfork")?.args(&["--rss", "512"]).inside(&cgroup).start_ready()?;
    let child: i32 = child.parse().context("vfork said no process id")?;
    let mut hog = waiting_hog(&cgroup)?;
    let totalpages = cgroup.limit_above_usage(4 * MIB)? / PAGE_BYTES;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("with the child", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("with the child", |report| report.is_of(cgroup.path()))?;
    compare::with_report(episode, &report, &Basis::new(totalpages)?)?;
    let candidate = episode.candidate(child).context("the child is no candidate")?;
    let verdict = (candidate.verdict.as_str(), candidate.reason.as_deref());
    ensure!(verdict == ("unkillable", Some("vfork")), "the child is {verdict:?}");
    let candidate = episode.candidate(parent.pid()).context("the parent is no candidate")?;
    ensure!(candidate.verdict == "outscored", "the parent is {}", candidate.verdict);
    Ok(())
}
