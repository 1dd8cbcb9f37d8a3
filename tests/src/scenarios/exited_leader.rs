//! A process whose leader has exited while a thread holds the memory: it is shown under its process id, with the thread's
//! memory.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, only_episode};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("exited_leader")?;
    let (mut process, tid) =
        Launch::guest("exit-leader")?.args(&["--adj", "500"]).inside(&cgroup).start_ready()?;
    let tid: i32 = tid.parse().context("exit-leader said no thread id")?;
    let totalpages = cgroup.limit_above_usage(4 * MIB)? / PAGE_BYTES;
    let watch = stage.watch(&[])?;
    process.go()?;
    watch.await_episode("of the leaderless process", |episode| episode.is_of(cgroup.path()))?;
    process.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the leaderless process", |report| report.is_of(cgroup.path()))?;
    // The kernel's own lines disagree about the id, which is the point of this scenario.
    ensure!(report.kills.first().is_some_and(|kill| kill.tid == tid), "the log names {:?}", report.kills);
    ensure!(
        report.summary.as_ref().is_some_and(|summary| summary.pid == process.pid()),
        "{:?}",
        report.summary
    );
    compare::with_report(episode, &report, &Basis::new(totalpages)?)?;
    let candidate = episode.candidate(process.pid()).context("the process is no candidate")?;
    ensure!(candidate.task.tid == tid, "the candidate's thread is {}, not {tid}", candidate.task.tid);
    let [victim] = episode.victims.as_slice() else { anyhow::bail!("{} victims", episode.victims.len()) };
    ensure!((victim.task.pid, victim.task.tid) == (process.pid(), tid), "the victim is {:?}", victim.task);
    Ok(())
}
