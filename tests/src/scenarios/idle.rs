//! While there is no OOM nothing of oomtrace runs: neither `watch` nor `record` wakes up, in either flavour, whether the machine is
//! idle or starts processes and adjusts their scores.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::replay_identical::Scratch;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::switches::Switches;
use crate::harness::watch::Watch;

/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(20);
/// Processes that come, adjust themselves, and go.
const PROCESSES: u32 = 100;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let file = Scratch::new("idle.session")?;
    let watch = stage.watch(&[])?;
    let record = Launch::of(OOMTRACE).args(&["record", "--attach", "kprobe", "--stats", "-o", file.text()?]);
    let record = stage.follow(record)?;
    record.await_ready()?;
    // The last thing before the first sleep is the line that was waited for.
    std::thread::sleep(Duration::from_secs(1));

    let before = switches(&watch, &record)?;
    std::thread::sleep(QUIET);
    let idle = switches(&watch, &record)?;
    ensure!(idle == before, "switches of watch and record while nothing happened: {before:?}, then {idle:?}");

    for _ in 0..PROCESSES {
        come_and_go()?;
    }
    let busy = switches(&watch, &record)?;
    ensure!(busy == idle, "switches while processes came and went: {idle:?}, then {busy:?}");

    watch.end_json(0)?.lossless()?;
    let recorded = record.end(Signal::INT)?;
    ensure!(recorded.code == Some(0), "record ended with code {:?}: {}", recorded.code, recorded.stderr);
    // The programs did run, for the processes that came and went.
    ensure!(recorded.stderr.contains("sched_process_exit"), "no exit was seen: {}", recorded.stderr);
    ensure!(recorded.stderr.contains(" 0 wake-ups"), "by its own count it woke up: {}", recorded.stderr);
    Ok(())
}

fn switches(watch: &Watch, record: &Watch) -> Result<[Switches; 2]> {
    Ok([Switches::of(watch.pid())?, Switches::of(record.pid())?])
}

/// A process that adjusts its score, reads it, and ends.
fn come_and_go() -> Result<()> {
    let script = "echo 500 > /proc/self/oom_score_adj; cat /proc/self/oom_score";
    let status = Command::new("sh").args(["-c", script]).stdout(Stdio::null()).status();
    ensure!(status.context("failed to start a shell")?.success(), "a shell failed");
    Ok(())
}
