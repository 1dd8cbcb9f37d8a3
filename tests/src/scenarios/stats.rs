//! `--stats`: what the kernel counts of the programs adds up with what was captured, is kept in the recording, and is only counted when
//! it is asked for.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::common::{MIB, crowd, waiting_hog};
use super::replay_identical::Scratch;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::view::need;
use crate::harness::watch::Lines;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("stats")?;
    let _crowd = crowd(&cgroup, 50)?;
    let file = Scratch::new("stats.session")?;

    let live = one_oom(stage, &cgroup, &["--stats", "--json", "-o", file.text()?])?;
    let lines = Lines::read(&live.stdout)?;
    adds_up(&lines)?;
    ensure!(live.stderr.contains("what the capture cost"), "no table on stderr: {}", live.stderr);

    let replayed = Launch::of(OOMTRACE).args(&["replay", "--json", file.text()?]);
    let replayed = stage.follow(replayed)?.wait()?;
    ensure!(replayed.stdout == live.stdout, "the replay differs from what was shown live");
    let table = |stderr: &str| stderr.split_once("what the capture cost").map(|(_, table)| table.to_owned());
    ensure!(table(&replayed.stderr) == table(&live.stderr), "the replay's table is: {}", replayed.stderr);

    // Not asked for, nothing is counted: neither here, nor, which would cost something, by the kernel.
    let lines = Lines::read(&one_oom(stage, &cgroup, &["--json"])?.stdout)?;
    ensure!(need(&lines.end, "stats")?.is_null(), "stats without --stats: {}", lines.end["stats"]);
    let enabled = std::fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled")
        .context("failed to read whether the kernel counts")?;
    ensure!(enabled.trim() == "0", "BPF statistics are left switched on");
    Ok(())
}

/// A watch over one OOM.
fn one_oom(stage: &Stage, cgroup: &Cgroup, options: &[&str]) -> Result<crate::harness::watch::Finished> {
    let mut hog = waiting_hog(cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    let watch = stage.watch_text(options)?;
    hog.go()?;
    watch.await_episode("of the memcg", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(0), "oomtrace ended with code {:?}: {}", finished.code, finished.stderr);
    Ok(finished)
}

fn adds_up(lines: &Lines) -> Result<()> {
    let stats = need(&lines.end, "stats")?;
    ensure!(stats["uncounted_because"].is_null(), "not counted: {}", stats["uncounted_because"]);
    let programs = need(stats, "programs")?.as_array().context("programs is no list")?;
    let runs = |words: &str| -> Option<u64> {
        let found = programs.iter().filter(|p| p["name"].as_str().is_some_and(|name| name.contains(words)));
        found.map(|program| program["runs"].as_u64()).max().flatten()
    };
    let passes: u64 = lines.episodes.iter().map(|episode| 1 + folded(&episode.json)).sum();
    let evaluated: i64 = lines
        .episodes
        .iter()
        .map(|episode| Ok(episode.number("evaluated")?.unwrap_or(0)))
        .sum::<Result<i64>>()?;
    let evaluated = u64::try_from(evaluated)?;
    ensure!(evaluated > 50, "only {evaluated} tasks were evaluated");
    // Scans that were aborted have run programs and are told by their number only; and other cgroups may have had an OOM.
    let scanned = runs("oom_evaluate_task").context("no program on oom_evaluate_task has runs")?;
    ensure!(scanned >= evaluated, "{scanned} runs for {evaluated} evaluated tasks");
    let opened = runs("out_of_memory").context("no program on out_of_memory has runs")?;
    ensure!(opened == passes, "{opened} runs for {passes} passes");
    ensure!(passes > 1 || scanned == evaluated, "{scanned} runs for {evaluated} evaluated tasks in one pass");
    for program in programs {
        let number = |key: &str| program[key].as_u64();
        let ran = number("runs").with_context(|| format!("runs not known: {program}"))?;
        let time = number("time_ns").with_context(|| format!("time not known: {program}"))?;
        ensure!((ran > 0) == (time > 0), "runs without time, or the reverse: {program}");
    }

    for buffer in ["ring", "candidate_log"] {
        let level = need(stats, buffer)?;
        let (bytes, most) = (level["bytes"].as_u64(), level["high_water_bytes"].as_u64());
        ensure!(most > Some(0) && most <= bytes, "{buffer}: at most {most:?} bytes of {bytes:?} were unread");
    }
    ensure!(
        stats["ring"]["bytes"] == lines.session["ring_bytes"],
        "a ring of {} bytes",
        stats["ring"]["bytes"]
    );
    let collector = need(stats, "collector")?;
    ensure!(collector["wake_ups"].as_u64() > Some(0), "never woken: {collector}");
    ensure!(collector["peak_rss_bytes"].as_u64() > Some(0), "without memory: {collector}");
    Ok(())
}

/// Passes that belong to this one.
fn folded(episode: &Value) -> u64 {
    ["aborted_scans", "already_exiting", "repeats"]
        .iter()
        .filter_map(|key| episode["folded"][key].as_u64())
        .sum()
}
