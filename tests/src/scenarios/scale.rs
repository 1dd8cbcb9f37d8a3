//! Tens of thousands of candidates, in both flavours: all of them are captured, each with the kernel's own numbers; and with buffers
//! that are far too small the best 64, the trigger and the victim are there, and the rest is counted exactly.
//!
//! How many is said by the guest's command line (`oomtrace.herd=N`): it takes a machine with memory for them.

use std::cmp::Reverse;

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::{Launch, Running};
use crate::harness::stage::{Flavour, OOMTRACE, Stage};
use crate::harness::sysctl::Sysctl;
use crate::harness::view::Episode;
use crate::harness::watch::{Finished, Lines};
use crate::oracle::formula::PAGE_BYTES;
use crate::skip;

/// What the herd's size stands behind on the kernel's command line.
const SIZE: &str = "oomtrace.herd=";
/// Processes with memory and adjustments of their own, three times: before, amid and behind the herd.
const CROWD: u32 = 100;
/// What the smallest buffers keep room for.
const BEST: usize = 64;
/// Far too small for all of them.
const SMALL: &str = "256KiB";

pub(super) fn run(stage: &Stage) -> Result<()> {
    let Some(size) = herd_size()? else { skip!("the guest's command line has no {SIZE}N") };
    let _ids = Sysctl::set("kernel/pid_max", "4194304")?;
    let _threads = Sysctl::set("kernel/threads-max", "200000")?;
    let cgroup = Cgroup::new("scale")?;
    let mut _all = vec![crowd(&cgroup, CROWD)?];
    for _ in 0..2 {
        _all.push(herd(&cgroup, size / 2)?);
        _all.push(crowd(&cgroup, CROWD)?);
    }
    for flavour in [Flavour::Fentry, Flavour::Kprobe] {
        // The limit stays the same for both, and with it what an adjustment is worth.
        let mut hog = waiting_hog(&cgroup)?;
        let limit = cgroup.limit_above_usage(16 * MIB)?;
        let members = cgroup.members()?.len();
        ensure!(members > usize::try_from(size)?, "only {members} processes are there");

        let finished = one_oom(stage, flavour, &mut hog, &[])?;
        ensure!(finished.code == Some(0), "{flavour}: exit code {:?}: {}", finished.code, finished.stderr);
        let lines = Lines::read(&finished.stdout)?;
        let episode = only_episode(&lines)?;
        let (there, evaluated) = (episode.candidates.len(), episode.number("evaluated")?);
        println!("  {flavour}: {there} candidates of {members} processes, {evaluated:?} evaluated");
        ensure!(there == members, "{flavour}: {there} candidates of {members} processes");
        ensure!(evaluated == i64::try_from(members).ok(), "{flavour}: {evaluated:?} evaluated of {members}");
        let report = stage.report("with all captured", |report| report.killed() == [hog.pid()])?;
        ensure!(report.rows.len() == members, "{flavour}: {} rows of {members}", report.rows.len());
        compare::with_report(episode, &report, &Basis::new(limit / PAGE_BYTES)?)
            .with_context(|| flavour.to_string())?;
        let best = points(episode);
        drop(lines);

        let _no_table = Sysctl::set("vm/oom_dump_tasks", "0")?;
        let mut hog = waiting_hog(&cgroup)?;
        let finished = one_oom(stage, flavour, &mut hog, &["--buffer", SMALL])?;
        too_small(&finished, members, &hog, &best).with_context(|| format!("{flavour}, small buffers"))?;
    }
    Ok(())
}

fn too_small(finished: &Finished, members: usize, hog: &Running, best: &[i64]) -> Result<()> {
    ensure!(finished.code == Some(4), "exit code {:?} with losses: {}", finished.code, finished.stderr);
    let lines = Lines::read(&finished.stdout)?;
    let [episode] = &lines.episodes[..] else { anyhow::bail!("{} episodes", lines.episodes.len()) };
    let lost = episode.json["lost"]["candidates"].as_u64().context("lost.candidates is no number")?;
    let there = episode.candidates.len();
    println!("  with {SMALL}: {there} candidates, {lost} lost");
    ensure!(lost > 0, "nothing was lost");
    ensure!(there + usize::try_from(lost)? == members, "{there} candidates and {lost} lost of {members}");
    ensure!(
        episode.number("evaluated")? == i64::try_from(members).ok(),
        "{:?}",
        episode.number("evaluated")?
    );
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    ensure!(episode.trigger()?.pid == hog.pid(), "the trigger is {:?}", episode.trigger()?);
    let chosen = episode.chosen().context("nobody is chosen")?;
    ensure!(chosen.task.pid == hog.pid(), "chosen: {chosen:?}");
    // The hog is another one than before; the others have what they had.
    let kept = points(episode);
    ensure!(
        kept.get(1..BEST) == best.get(1..BEST) && kept.len() >= BEST,
        "the best are {:?}, and were {:?} when all were captured",
        kept.get(..BEST),
        best.get(..BEST)
    );
    Ok(())
}

/// A watch that ends with the OOM of `hog`.
fn one_oom(stage: &Stage, flavour: Flavour, hog: &mut Running, options: &[&str]) -> Result<Finished> {
    let flavour = flavour.to_string();
    let launch = Launch::of(OOMTRACE).args(&["watch", "--json", "--count", "1", "--attach", &flavour]);
    let watch = stage.follow(launch.args(options))?;
    watch.await_ready()?;
    hog.go()?;
    hog.wait()?;
    watch.wait()
}

fn herd(cgroup: &Cgroup, count: u32) -> Result<Running> {
    let (herd, _) = Launch::guest("herd")?.args(&[&count.to_string()]).inside(cgroup).start_ready()?;
    Ok(herd)
}

/// The points of all that have some, the highest first.
fn points(episode: &Episode) -> Vec<i64> {
    let mut points: Vec<i64> = episode.candidates.iter().filter_map(|candidate| candidate.points).collect();
    points.sort_by_key(|&points| Reverse(points));
    points
}

fn herd_size() -> Result<Option<u32>> {
    let line = std::fs::read_to_string("/proc/cmdline").context("failed to read the command line")?;
    let word = line.split_whitespace().find_map(|word| word.strip_prefix(SIZE));
    word.map(|number| number.parse().with_context(|| format!("{SIZE}{number} is no number"))).transpose()
}
