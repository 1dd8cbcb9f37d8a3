//! `echo f > /proc/sysrq-trigger`: an OOM kill that nobody's allocation asked for.

use anyhow::{Context as _, Result, ensure};

use super::common::only_episode;
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::counters;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("sysrq_f")?;
    // Fat and with the highest adjustment, so that it is nobody else.
    let (mut fat, _) =
        Launch::guest("hog")?.args(&["--hold", "20000", "--adj", "1000"]).inside(&cgroup).start_ready()?;
    let watch = stage.watch(&[])?;
    std::fs::write("/proc/sysrq-trigger", "f").context("failed to ask for an OOM kill by sysrq")?;
    watch.await_episode("by sysrq", |_| true)?;
    fat.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("by sysrq", |report| report.order == -1)?;
    compare::with_report(episode, &report, &Basis::new(counters::total_pages()?)?)?;
    ensure!(episode.is("sysrq")?, "sysrq is false");
    ensure!(episode.string("scope")? == "global", "scope {}", episode.string("scope")?);
    let trigger = episode.trigger()?;
    ensure!(trigger.comm.starts_with(b"kworker"), "the trigger is {}", trigger.comm.escape_ascii());
    ensure!(episode.victim_pids() == [fat.pid()], "victims {:?}", episode.victim_pids());
    Ok(())
}
