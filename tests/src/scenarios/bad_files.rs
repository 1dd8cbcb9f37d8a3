//! Files that are no complete session: a message, the right exit code, never a panic.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::common::{MIB, waiting_hog};
use super::replay_identical::Scratch;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::watch::Finished;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let file = Scratch::new("bad_files.session")?;
    let path = file.text()?;
    for (what, bytes) in [("an empty file", &b""[..]), ("another kind of file", &b"#!/bin/sh\nexit 0\n"[..])]
    {
        std::fs::write(path, bytes).context("failed to write a bad file")?;
        let replayed = replay(stage, path)?;
        ensure!(replayed.code == Some(1), "{what}: exit code {:?}: {}", replayed.code, replayed.stderr);
        ensure!(
            replayed.stderr.contains(path),
            "{what}: the message does not name the file: {}",
            replayed.stderr
        );
    }

    let whole = record(stage, path)?;
    // Cut in the last tenth: the header and most of what follows is there.
    std::fs::write(path, &whole[..whole.len() * 9 / 10]).context("failed to write a truncated file")?;
    let replayed = replay(stage, path)?;
    ensure!(replayed.code == Some(4), "a truncated file: exit code {:?}: {}", replayed.code, replayed.stderr);
    ensure!(
        replayed.stdout.starts_with(b"{\"type\":\"session\""),
        "a truncated file: the session is not shown"
    );
    std::fs::write(path, &whole).context("failed to write the whole file")?;
    let replayed = replay(stage, path)?;
    ensure!(replayed.code == Some(0), "the whole file: exit code {:?}: {}", replayed.code, replayed.stderr);
    Ok(())
}

fn replay(stage: &Stage, path: &str) -> Result<Finished> {
    let finished = stage.follow(Launch::of(OOMTRACE).args(&["replay", path, "--json"]))?.wait()?;
    ensure!(!finished.stderr.contains("panicked"), "it panicked: {}", finished.stderr);
    Ok(finished)
}

/// The bytes of a session with one OOM.
fn record(stage: &Stage, path: &str) -> Result<Vec<u8>> {
    let cgroup = Cgroup::new("bad_files")?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    std::fs::remove_file(path).context("failed to remove the former file")?;
    let watch = stage.watch(&["-o", path])?;
    hog.go()?;
    watch.await_episode("to be recorded", |_| true)?;
    hog.wait()?;
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(0), "oomtrace ended with code {:?}: {}", finished.code, finished.stderr);
    std::fs::read(path).context("failed to read the recording")
}
