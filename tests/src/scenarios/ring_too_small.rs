//! A ring that cannot hold a whole scan: what is lost is counted, and what explains the kill is not among it.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::common::{MIB, crowd, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::harness::sysctl::Sysctl;
use crate::harness::view::Episode;

/// The smallest that oomtrace takes.
const SMALLEST: &str = "128KiB";
/// Enough candidates to overflow that several times.
const IDLE: u32 = 1600;
/// Candidates that the log then holds.
const LOG: i64 = 512;
/// Candidates with the most points that are kept whatever happens.
const TOP: i64 = 64;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // More than a thousand rows of a table that nobody reads here.
    let _no_table = Sysctl::set("vm/oom_dump_tasks", "0")?;
    let cgroup = Cgroup::new("ring_too_small")?;
    let _crowd = crowd(&cgroup, IDLE)?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(8 * MIB)?;
    let watch = stage.watch(&["--buffer", SMALLEST])?;
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
    let evaluated = episode.number("evaluated")?.context("evaluated is not known")?;
    // The idle ones, their parent and the hog.
    ensure!(evaluated == i64::from(IDLE) + 2, "{evaluated} evaluated");
    let there = i64::try_from(episode.candidates.len())?;
    ensure!(there + lost == evaluated, "{there} candidates and {lost} lost of {evaluated} evaluated");
    ensure!(there == LOG + TOP, "{lost} lost, {there} there");
    top_ones_are_there(episode)?;
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

/// Beyond what the log had room for, nobody is there who has fewer points than the 64 that are kept, and those lie anywhere in the
/// scan.
fn top_ones_are_there(episode: &Episode) -> Result<()> {
    let mut beyond = Vec::new();
    let mut least_points = i64::MAX;
    for candidate in &episode.candidates {
        let index = candidate.scan_index.context("a candidate without a place in the scan")?;
        if index >= LOG {
            beyond.push(index);
            least_points = least_points.min(candidate.points.unwrap_or(i64::MIN));
        }
    }
    ensure!(i64::try_from(beyond.len())? == TOP, "beyond the log there are {beyond:?}");
    ensure!(least_points > i64::MIN, "one without points was kept");
    // The crowd's adjustments are spread at random: were it the first or the last 64, they would lie side by side.
    let (first, last) = (beyond.iter().min(), beyond.iter().max());
    ensure!(
        last.zip(first).is_some_and(|(last, first)| last - first > 4 * TOP),
        "beyond the log: {beyond:?}"
    );
    Ok(())
}
