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
    left_behind(stage, &cgroup)
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

/// One process, which grows until it is killed.
fn die_in(cgroup: &Cgroup) -> Result<()> {
    let (mut hog, _) = Launch::guest("hog")?.inside(cgroup).start_ready()?;
    hog.wait()?;
    Ok(())
}
