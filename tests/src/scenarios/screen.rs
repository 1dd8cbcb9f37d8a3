//! `watch --tui` in a pseudo-terminal: a real kill appears in the list and can be looked at while the capture, which is a confined process of its
//! own, goes on; it ends with the screen, and the screen's end, however that comes, is its own.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::common::MIB;
use super::replay_identical::Scratch;
use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::credentials::Left;
use crate::harness::process::Launch;
use crate::harness::pty::Pty;
use crate::harness::stage::{OOMTRACE, Stage};

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("screen")?;
    cgroup.limit(6 * MIB)?;
    let file = Scratch::new("screen.session")?;
    let (mut pty, capture) = start(stage, &["-o", file.text()?])?;
    let left = Left::to(capture)?;
    ensure!(left.no_new_privileges && left.filtered, "the capture is not confined: {left:?}");
    let adj = |pid: i32| fs::read_to_string(format!("/proc/{pid}/oom_score_adj"));
    ensure!(adj(capture)?.trim() == "-1000", "the capture has oom_score_adj {}", adj(capture)?);
    ensure!(adj(pty.pid())?.trim() == "0", "the screen has oom_score_adj {}", adj(pty.pid())?);

    let victims = (0..2).map(|_| killed(&pty, &cgroup)).collect::<Result<Vec<_>>>()?;
    // The newest is at the top, and what is below it can be opened.
    pty.keys("\x1b[B\r");
    shows(&pty, "hit its own limit of 6.0M")?;
    shows(&pty, &format!("> guest[{}]", victims[0]))?;
    pty.keys("2>");
    shows(&pty, "by process, a to z")?;
    pty.keys("x");
    shows(&pty, "been gone before")?;
    // What comes meanwhile is there when one comes back.
    let third = run_hog(&cgroup)?;
    pty.keys("\x1b");
    shows(&pty, &format!("guest[{third}]"))?;
    shows(&pty, "3 episodes, 3 victims")?;
    pty.keys("q");
    let (status, written) = pty.try_end().map_err(|screen| anyhow!("it goes on:\n{screen}"))?;
    ensure!(status.code() == Some(0) && pty.is_restored(), "it ended with {status}: {written:?}");
    ensure!(written.contains("3 episodes, 3 victims; nothing lost"), "it says {written:?}");
    let told = stage.follow(Launch::of(OOMTRACE).args(&["info", "--json", file.text()?]))?.wait()?;
    let told: Value = serde_json::from_slice(&told.stdout).context("info printed no JSON")?;
    ensure!(told["episodes"] == 3, "what was recorded: {told}");

    // A capture that has seen enough ends, and what it saw can still be looked at.
    let (mut pty, _) = start(stage, &["--count", "1"])?;
    let victim = killed(&pty, &cgroup)?;
    shows(&pty, "the capture has ended")?;
    pty.keys("\r");
    shows(&pty, &format!("> guest[{victim}]"))?;
    pty.signal(Signal::TERM);
    let (status, _) = pty.try_end().map_err(|screen| anyhow!("it goes on:\n{screen}"))?;
    ensure!(status.code() == Some(0) && pty.is_restored(), "it ended with {status}");

    // Nobody is left to end a capture whose screen was killed.
    let (mut pty, capture) = start(stage, &[])?;
    pty.signal(Signal::KILL);
    let _ = pty.try_end();
    let begun = Instant::now();
    while fs::read_to_string(format!("/proc/{capture}/comm")).is_ok_and(|comm| comm.trim() == OOMTRACE) {
        ensure!(begun.elapsed() < PATIENCE, "the capture goes on");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let refused = stage.logged("type=1326")?;
    ensure!(refused.is_empty(), "system calls were refused: {refused:#?}");
    Ok(())
}

/// Starts it and waits until it is attached; also returns the process that captures.
fn start(stage: &Stage, options: &[&str]) -> Result<(Pty, i32)> {
    let flavour = stage.flavour().to_string();
    let launch = Launch::of(OOMTRACE).args(&["watch", "--tui", "--attach", &flavour]).args(options);
    let pty = Pty::start(&mut launch.command()?, 30, 120);
    shows(&pty, "it is waiting for the OOM killer")?;
    shows(&pty, "confined")?;
    let pid = pty.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let capture = children.split_whitespace().next().context("it has no child")?;
    Ok((pty, capture.parse()?))
}

/// Has somebody killed, and waits until the list shows who; returns its pid.
fn killed(pty: &Pty, cgroup: &Cgroup) -> Result<i32> {
    let pid = run_hog(cgroup)?;
    shows(pty, &format!("guest[{pid}]"))?;
    Ok(pid)
}

fn run_hog(cgroup: &Cgroup) -> Result<i32> {
    let (mut hog, _) = Launch::guest("hog")?.inside(cgroup).start_ready()?;
    hog.wait()?;
    Ok(hog.pid())
}

fn shows(pty: &Pty, text: &str) -> Result<()> {
    pty.try_until(text, |screen| screen.contains(text)).map(drop).map_err(anyhow::Error::msg)
}
