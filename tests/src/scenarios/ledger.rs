//! The ledger against the kernel's counters: kills that filters hide are in it, those before the capture are not, those behind
//! the last wanted episode are; and the recording says the same.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::common::{Ledger, MIB, ledger};
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::watch::Lines;
use crate::oracle::counters;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("ledger")?;
    cgroup.limit(6 * MIB)?;
    die_in(&cgroup)?;
    hidden(stage, &cgroup)?;
    left_behind(stage, &cgroup)?;
    without_hooks(stage, &cgroup)
}

/// Two kills, and a filter that shows neither.
fn hidden(stage: &Stage, cgroup: &Cgroup) -> Result<()> {
    let kills = counters::oom_kills()?;
    ensure!(cgroup.oom_kills()? == 1, "the cgroup counts {} before the capture", cgroup.oom_kills()?);
    let watch = stage.watch(&["--scope", "global"])?;
    die_in(cgroup)?;
    die_in(cgroup)?;
    let lines = watch.end_json(0)?;
    ensure!(lines.episodes.is_empty(), "{} episodes were shown", lines.episodes.len());
    let told = ledger(&lines.end)?;
    ensure!(counters::oom_kills()? - kills == 2, "/proc/vmstat counts {}", counters::oom_kills()? - kills);
    let expected =
        Ledger { counted: Some(2), captured: 2, missed: Some(0), processes: 2, ..Ledger::default() };
    ensure!(told == expected, "{told:?}");
    // From the first kill to the second the cgroup's own counter could be followed.
    ensure!(lines.end["ledger"]["cgroups_compared"] == 1, "{}", lines.end["ledger"]);
    Ok(())
}

/// Two kills while oomtrace is stopped, of which one is wanted.
fn left_behind(stage: &Stage, cgroup: &Cgroup) -> Result<()> {
    let recording = std::env::temp_dir().join(format!("ledger-{}.oomtrace", stage.flavour()));
    let path = recording.to_str().context("a path of our own is text")?;
    let watch = stage.watch(&["--count", "1", "-o", path])?;
    watch.signal(Signal::STOP)?;
    die_in(cgroup)?;
    die_in(cgroup)?;
    watch.signal(Signal::CONT)?;
    let finished = watch.wait()?;
    ensure!(finished.code == Some(0), "exit code {:?}: {}", finished.code, finished.stderr.trim());
    let lines = Lines::read(&finished.stdout)?;
    let told = ledger(&lines.end)?;
    let expected =
        Ledger { counted: Some(2), captured: 2, missed: Some(0), processes: 2, ..Ledger::default() };
    ensure!(lines.episodes.len() == 1 && told == expected, "{} episodes, {told:?}", lines.episodes.len());

    let replayed = Command::new(OOMTRACE).args(["replay", "--json", path]).output();
    let replayed = replayed.context("failed to replay")?;
    ensure!(replayed.stdout == finished.stdout, "the replay tells something else than the capture");
    let info =
        Command::new(OOMTRACE).args(["info", "--json", path]).output().context("failed to ask for info")?;
    let info: Value = serde_json::from_slice(&info.stdout).context("info is not JSON")?;
    ensure!(info["ledger"] == lines.end["ledger"], "info has {}", info["ledger"]);
    let text = Command::new(OOMTRACE).args(["replay", path]).env("COLUMNS", "200").output();
    let text = String::from_utf8(text.context("failed to replay as text")?.stdout).context("not text")?;
    let sentence = "2 of 2 kills that the kernel counted are accounted for";
    ensure!(text.contains(sentence), "the text ends: {}", text.lines().last().unwrap_or_default());
    std::fs::remove_file(&recording).context("failed to remove the recording")
}

/// Without the hook that shows a kill, its signal and mark do; without those too, the kill is missed, and the reason is known.
fn without_hooks(stage: &Stage, cgroup: &Cgroup) -> Result<()> {
    let kill = ["--without-hook", "__oom_kill_process"];
    let also = ["--without-hook", "mem_cgroup_print_oom_group", "--without-hook", "__oom_reap_task_mm"];
    let followers = ["--without-hook", "signal:signal_generate", "--without-hook", "mark_oom_victim"];
    let balanced =
        Ledger { counted: Some(1), captured: 1, missed: Some(0), processes: 1, ..Ledger::default() };
    let because = vec!["not_hooked".to_owned()];
    let missed = Ledger { counted: Some(1), missed: Some(1), because, ..Ledger::default() };
    for (left_out, expected) in
        [([&kill[..], &also].concat(), balanced), ([&kill[..], &followers].concat(), missed)]
    {
        let watch = stage.watch(&left_out)?;
        die_in(cgroup)?;
        let lines = watch.end_json(0)?;
        let told = ledger(&lines.end)?;
        ensure!(told == expected, "{told:?} with {left_out:?}");
        let hooks = lines.session["hooks"].as_array().context("there are no hooks")?;
        for target in left_out.iter().filter(|word| **word != "--without-hook") {
            let said = hooks.iter().any(|hook| hook["target"] == *target && hook["missing"].is_string());
            ensure!(said, "it is not said that {target} is missing: {hooks:?}");
        }
    }
    Ok(())
}

/// One process, which grows until it is killed.
fn die_in(cgroup: &Cgroup) -> Result<()> {
    let (mut hog, _) = Launch::guest("hog")?.inside(cgroup).start_ready()?;
    hog.wait()?;
    Ok(())
}
