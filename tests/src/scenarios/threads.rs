//! A process of many threads, one of which allocates: one candidate, one victim.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, only_episode};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("threads")?;
    let (mut process, tid) =
        Launch::guest("threads")?.args(&["40", "--adj", "500"]).inside(&cgroup).start_ready()?;
    let tid: i32 = tid.parse().context("threads said no thread id")?;
    let totalpages = cgroup.limit_above_usage(4 * MIB)? / PAGE_BYTES;
    let watch = stage.watch(&[])?;
    process.go()?;
    watch.await_episode("of the threads", |episode| episode.is_of(cgroup.path()))?;
    process.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the threads", |report| report.is_of(cgroup.path()))?;
    compare::with_report(episode, &report, &Basis::new(totalpages)?)?;
    let trigger = episode.trigger()?;
    ensure!((trigger.pid, trigger.tid) == (process.pid(), tid), "the trigger is {trigger:?}");
    ensure!(episode.candidates.len() == 1, "{} candidates", episode.candidates.len());
    ensure!(episode.victim_pids() == [process.pid()], "victims {:?}", episode.victim_pids());
    ensure!(episode.victims[0].exited_boot_ns.is_some(), "the victim's exit is not known");
    Ok(())
}
