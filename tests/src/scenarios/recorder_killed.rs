//! `kill -9` at random moments while episodes stream: whatever had been shown is in the file, as it was shown, and at most the one in flight is
//! marked as cut off.
//!
//! The oracle is who was killed: the episodes in the file are those of the first that were, without a hole.
//! `OOMTRACE_MOMENTS=200 guest test --filter recorder_killed` takes more moments than the few of every run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::common::MIB;
use super::replay_identical::Scratch;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};

/// Moments of every run.
const MOMENTS: u64 = 5;
/// Longest time until the recorder is killed.
const LONGEST_MS: u64 = 1500;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let moments = match std::env::var("OOMTRACE_MOMENTS") {
        Ok(moments) => moments.parse().context("OOMTRACE_MOMENTS is no number")?,
        Err(_) => MOMENTS,
    };
    let cgroup = Cgroup::new("recorder_killed")?;
    cgroup.limit(4 * MIB)?;
    let file = Scratch::new("recorder_killed.oomtrace")?;
    let mut sums = [0; 3];
    for seed in 0..moments {
        let counts = moment(stage, &cgroup, &file, seed).with_context(|| format!("moment {seed}"))?;
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let [shown, recorded, cut_off] = sums;
    println!("{moments} moments: {shown} episodes shown, {recorded} in the files, {cut_off} cut off");
    ensure!(recorded > 0, "no episode was recorded");
    Ok(())
}

/// Kills a recorder once; tells how many episodes it had shown, had recorded, and how many of these were cut off.
fn moment(stage: &Stage, cgroup: &Cgroup, file: &Scratch, seed: u64) -> Result<[usize; 3]> {
    let mut random = fastrand::Rng::with_seed(seed);
    let watch = stage.watch(&["-o", file.text()?])?;
    let end = Instant::now() + Duration::from_millis(random.u64(1..LONGEST_MS));
    let mut dead = Vec::new();
    let killer = std::thread::spawn({
        let pid = rustix::process::Pid::from_raw(watch.pid()).context("a process has an id")?;
        move || {
            std::thread::sleep(end.saturating_duration_since(Instant::now()));
            rustix::process::kill_process(pid, Signal::KILL)
        }
    });
    while Instant::now() < end {
        let mut hog = Launch::guest("hog")?.inside(cgroup).start()?;
        hog.wait()?;
        dead.push(hog.pid());
    }
    killer.join().ok().context("the killing thread panicked")?.context("failed to kill the recorder")?;
    let live = watch.wait()?;
    ensure!(live.code.is_none(), "it ended by itself with {:?}: {}", live.code, live.stderr);

    let replay = Launch::of(OOMTRACE).args(&["replay", "--json", file.text()?]);
    let replay = stage.follow(replay)?.wait()?;
    ensure!(replay.code == Some(4), "replay ended with code {:?}: {}", replay.code, replay.stderr);
    let recorded = episodes(&replay.stdout);
    // The last line may be cut off itself.
    let whole = live.stdout.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let shown = episodes(&live.stdout[..whole]);
    let over: Vec<_> = recorded.iter().take_while(|line| !is_cut_off(line)).copied().collect();
    for (number, line) in shown.iter().enumerate() {
        let found = over.get(number).copied().unwrap_or("nothing");
        ensure!(found == *line, "episode {number} was shown as\n{line}\nand is recorded as\n{found}");
    }
    let cut_off = recorded.len() - over.len();
    ensure!(cut_off <= 1, "{cut_off} episodes are cut off");
    // They died one after the other: what is recorded is the first of them, without a hole.
    let victims: Vec<Option<i32>> = over.iter().map(|line| victim(line)).collect();
    ensure!(
        victims.len() <= dead.len() && victims.iter().zip(&dead).all(|(victim, pid)| *victim == Some(*pid)),
        "victims {victims:?} are recorded, and killed were {dead:?}"
    );
    Ok([shown.len(), over.len(), cut_off])
}

fn episodes(json: &[u8]) -> Vec<&str> {
    let lines = json.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter(|line| line.starts_with("{\"type\":\"episode\"")).collect()
}

/// The first victim of an episode.
fn victim(line: &str) -> Option<i32> {
    let (_, behind) = line.split_once("\"victims\":[{")?;
    let (_, pid) = behind.split_once("\"pid\":")?;
    pid.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn is_cut_off(line: &str) -> bool {
    line.contains("\"cut_off\":true")
}
