//! A ring that cannot hold a whole scan: what is lost is counted, and what explains the kill is not among it.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::common::{MIB, crowd, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::harness::sysctl::Sysctl;
use crate::skip;

/// The smallest that oomtrace takes.
const SMALLEST: &str = "128KiB";
/// Enough candidates to overflow that, and by more than the reserve that the last ones need.
const IDLE: u32 = 1600;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // More than a thousand rows of a table that nobody reads here.
    let _no_table = Sysctl::set("vm/oom_dump_tasks", "0")?;
    let cgroup = Cgroup::new("ring_too_small")?;
    let _crowd = crowd(&cgroup, IDLE)?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(8 * MIB)?;
    let watch = stage.watch(&["--ring-size", SMALLEST])?;
    // Stopped, it cannot empty the ring meanwhile, however many processors there are.
    watch.signal(Signal::STOP)?;
    hog.go()?;
    hog.wait()?;
    watch.signal(Signal::CONT)?;
    watch.await_episode("with a full ring", |episode| episode.is_of(cgroup.path()))?;
    let finished = watch.end(Signal::INT)?;
    let lines = crate::harness::watch::Lines::read(&finished.stdout)?;

    let [episode] = lines.of(cgroup.path())[..] else { anyhow::bail!("{} episodes", lines.episodes.len()) };
    let lost = episode.json["lost"]["candidates"].as_i64().context("lost.candidates is no number")?;
    if lost == 0 {
        skip!("a ring of {} bytes held {} candidates", lines.session["ring_bytes"], episode.candidates.len());
    }
    let evaluated = episode.number("evaluated")?.context("evaluated is not known")?;
    let there = i64::try_from(episode.candidates.len())?;
    ensure!(there + lost == evaluated, "{there} candidates and {lost} lost of {evaluated} evaluated");
    // The idle ones, their parent and the hog.
    ensure!(evaluated == i64::from(IDLE) + 2, "{evaluated} evaluated");
    let report = stage.report("with a full ring", |report| report.is_of(cgroup.path()))?;
    ensure!(report.killed() == [hog.pid()], "killed by the log: {:?}", report.killed());
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    ensure!(episode.trigger()?.pid == hog.pid(), "the trigger is {:?}", episode.trigger()?);
    ensure!(
        episode.chosen().is_some_and(|chosen| chosen.task.pid == hog.pid()),
        "chosen: {:?}",
        episode.chosen()
    );
    ensure!(episode.number("chosen_points")?.is_some(), "chosen_points is not known");
    ensure!(finished.code == Some(4), "exit code {:?} with losses", finished.code);
    Ok(())
}
