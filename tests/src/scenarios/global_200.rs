//! A global OOM with 200 processes: every candidate is the kernel's own; init and kernel threads are passed over; oomtrace
//! cannot become the victim.

use anyhow::{Context as _, Result, ensure};

use super::common::{ballast, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::stage::Stage;
use crate::oracle::counters;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // A cgroup without a limit, only for tidying up.
    let cgroup = Cgroup::new("global_200")?;
    let _crowd = crowd(&cgroup, 200)?;
    let mut hog = waiting_hog(&cgroup)?;
    let _ballast = ballast()?;
    let watch = stage.watch(&[])?;
    let tracer = watch.pid();
    hog.go()?;
    watch.await_episode("of the whole machine", |episode| episode.memcg.is_none())?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    ensure!(episode.string("scope")? == "global", "scope {}", episode.string("scope")?);
    let report = stage.report("of the whole machine", |report| report.summary.is_some())?;
    ensure!(report.rows.len() > 202, "the kernel's table has only {} rows", report.rows.len());
    compare::with_report(episode, &report, &Basis::new(counters::total_pages()?)?)?;
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());

    let verdict_of = |pid| {
        let candidate = episode.candidate(pid).with_context(|| format!("{pid} is no candidate"))?;
        anyhow::Ok((candidate.verdict.as_str(), candidate.reason.as_deref()))
    };
    ensure!(verdict_of(1)? == ("passed_over", Some("init")), "init: {:?}", verdict_of(1)?);
    // kthreadd, the parent of all kernel threads, always has this id.
    ensure!(verdict_of(2)? == ("passed_over", Some("kthread")), "kthreadd: {:?}", verdict_of(2)?);
    ensure!(verdict_of(tracer)? == ("unkillable", Some("adj_min")), "oomtrace: {:?}", verdict_of(tracer)?);
    Ok(())
}
