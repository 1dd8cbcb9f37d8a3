//! `vm.oom_kill_allocating_task`: the trigger is killed without a scan, so there are no candidates.

use anyhow::{Context as _, Result, ensure};

use super::common::{ballast, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::harness::sysctl::Sysctl;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // A cgroup without a limit, only for tidying up.
    let cgroup = Cgroup::new("allocating_task")?;
    let mut hog = waiting_hog(&cgroup)?;
    let _ballast = ballast()?;
    let watch = stage.watch(&[])?;
    let setting = Sysctl::set("vm/oom_kill_allocating_task", "1")?;
    hog.go()?;
    watch.await_episode("of the allocating task", |episode| episode.memcg.is_none())?;
    hog.wait()?;
    drop(setting);
    let lines = watch.end_json(0)?;
    lines.lossless()?;

    let reports = stage.reports()?;
    let report = reports.reports.first().context("the kernel logged no report")?;
    let kill = report.kills.first().context("the kernel logged no kill")?;
    ensure!(kill.prefix.contains("oom_kill_allocating_task"), "the kernel scanned all the same: {kill:?}");
    let episode = super::common::only_episode(&lines)?;
    ensure!(episode.outcome == "killed", "outcome {}", episode.outcome);
    ensure!(episode.candidates.is_empty(), "{} candidates of no scan", episode.candidates.len());
    ensure!(!episode.is("scorer_silent")?, "scorer_silent, though nothing was to be scored");
    let trigger = episode.trigger()?;
    ensure!(
        episode.victim_pids() == [trigger.pid],
        "victims {:?}, trigger {}",
        episode.victim_pids(),
        trigger.pid
    );
    ensure!(trigger.pid == hog.pid(), "the trigger is {}, not the hog {}", trigger.pid, hog.pid());
    ensure!(report.killed() == [trigger.pid], "killed by the log: {:?}", report.killed());
    let message = episode.string("message")?;
    ensure!(message.contains("oom_kill_allocating_task"), "message {message}");
    Ok(())
}
