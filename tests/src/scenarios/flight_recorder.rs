//! `record --dir` with tiny files, a SIGHUP, a kill and a restart in between: each file tells its part by itself, all together tell
//! exactly the kernel's kills, and each episode has the minutes before.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::common::{MIB, ledger};
use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::watch::{Lines, Watch};
use crate::oracle::counters;

const DIR: &str = "/tmp/flight_recorder";
const FILES: usize = 6;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let dir = Path::new(DIR);
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all("/tmp").context("failed to make /tmp")?;
    let cgroup = Cgroup::new("flight_recorder")?;
    cgroup.limit(6 * MIB)?;
    // Somebody is in it when it is looked at, and stays.
    let stays = Launch::guest("hog")?.args(&["--wait", "--adj", "-1000"]).inside(&cgroup);
    let _stays = stays.start_ready()?;
    let kills = counters::oom_kills()?;

    let mut killed = Vec::new();
    let first = record(stage)?;
    second_is_refused(stage)?;
    // More than a file holds.
    for _ in 0..40 {
        killed.push(die_in(&cgroup)?);
    }
    until("the kills are in the files", || Ok(victims(dir)?.len() == killed.len()))?;
    let before = files(dir)?.len();
    let bytes: u64 =
        files(dir)?.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|it| it.len()).sum();
    ensure!(before > 1, "all {bytes} bytes of it are in one file");
    first.signal(Signal::HUP)?;
    until("there is a new file", || Ok(files(dir)?.len() > before))?;
    killed.push(die_in(&cgroup)?);
    until("the kill is in the files", || Ok(victims(dir)?.len() == killed.len()))?;
    let finished = first.end(Signal::KILL)?;
    ensure!(finished.code.is_none(), "it ended with code {:?}", finished.code);

    let second = record(stage)?;
    killed.push(die_in(&cgroup)?);
    killed.push(die_in(&cgroup)?);
    let finished = second.end(Signal::TERM)?;
    ensure!(finished.code == Some(0), "exit code {:?}: {}", finished.code, finished.stderr.trim());

    let counted = counters::oom_kills()? - kills;
    ensure!(counted == killed.len() as u64, "/proc/vmstat counts {counted} kills of {}", killed.len());
    check(dir, &killed)?;
    std::fs::remove_dir_all(dir).context("failed to remove the directory")
}

fn record(stage: &Stage) -> Result<Watch> {
    let flavour = stage.flavour().to_string();
    let limits = ["--max-size", "64KiB", "--max-files", "6", "--compress", "none", "--sample-every", "1s"];
    let launch = Launch::of(OOMTRACE).args(&["record", "--attach", &flavour, "--dir", DIR]).args(&limits);
    let record = stage.follow(launch)?;
    record.await_ready()?;
    Ok(record)
}

fn second_is_refused(stage: &Stage) -> Result<()> {
    let second = stage.follow(Launch::of(OOMTRACE).args(&["record", "--dir", DIR]))?.wait()?;
    let told = second.stderr.contains("another recorder is recording to this directory");
    ensure!(second.code == Some(1) && told, "code {:?}: {}", second.code, second.stderr.trim());
    Ok(())
}

/// One process, which grows until it is killed.
fn die_in(cgroup: &Cgroup) -> Result<i32> {
    let (mut hog, _) = Launch::guest("hog")?.inside(cgroup).start_ready()?;
    hog.wait()?;
    Ok(hog.pid())
}

/// Each file alone, and all of them.
fn check(dir: &Path, killed: &[i32]) -> Result<()> {
    let files = files(dir)?;
    ensure!((4..=FILES).contains(&files.len()), "{} files", files.len());
    let (mut told, mut unfinished) = (Vec::new(), 0);
    let mut ids = BTreeSet::new();
    let total = total_bytes()?;
    for file in &files {
        let bytes = std::fs::metadata(file).context("failed to look at a file")?.len();
        ensure!(bytes <= 64 << 10, "{} has {bytes} bytes", file.display());
        let (lines, code) = replay(&[file])?;
        match code {
            // The one whose recorder was killed.
            Some(4) => unfinished += 1,
            _ => {
                lines.lossless()?;
                let ledger = ledger(&lines.end)?;
                let there = lines.episodes.iter().map(|episode| episode.victims.len() as u64).sum();
                ensure!(
                    (ledger.counted, ledger.missed) == (Some(there), Some(0)),
                    "{}: {there} victims, {ledger:?}",
                    file.display()
                );
            }
        }
        for episode in &lines.episodes {
            told.extend(episode.victim_pids());
            ids.insert(episode.json["short_id"].as_str().context("it has an id")?.to_owned());
            ensure!(
                episode.is_of("/flight_recorder"),
                "an episode of another cgroup: {}",
                episode.json["memcg"]
            );
            minutes_before(episode.json["memory_before"].as_array().context("it has samples")?, total)
                .with_context(|| format!("episode {} of {}", episode.json["id"], file.display()))?;
        }
    }
    ensure!(unfinished == 1, "{unfinished} files are unfinished");
    ensure!(told == killed, "the files tell {told:?}, killed were {killed:?}");
    ensure!(ids.len() == killed.len(), "{} different ids for {} episodes", ids.len(), killed.len());
    Ok(())
}

/// Samples are those of this machine: its size is what `/proc/meminfo` says, the time goes on, and they are before the episode.
fn minutes_before(samples: &[Value], total: u64) -> Result<()> {
    ensure!(!samples.is_empty(), "there are no samples");
    let mut last = 0;
    for sample in samples {
        ensure!(
            sample["mem_total_bytes"].as_u64() == Some(total),
            "MemTotal is {}",
            sample["mem_total_bytes"]
        );
        let available = sample["mem_available_bytes"].as_u64().context("MemAvailable is there")?;
        ensure!(available > 0 && available < total, "{available} bytes available");
        let ns = sample["boot_ns"].as_u64().context("it has a time")?;
        ensure!(ns > last, "{ns} after {last}");
        last = ns;
    }
    let looks: Vec<&Value> = samples.iter().filter(|sample| !sample["cgroups"].is_null()).collect();
    let look = looks.first().context("no sample looked at the cgroups")?;
    let ours = look["cgroups"]["top"].as_array().context("there are some")?;
    let ours = ours.iter().find(|usage| usage["path"] == "/flight_recorder");
    let ours = ours.with_context(|| format!("our cgroup is not among {}", look["cgroups"]))?;
    ensure!(ours["usage_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{ours}");
    ensure!(ours["limit_bytes"].as_u64() >= ours["usage_bytes"].as_u64(), "{ours}");
    Ok(())
}

fn total_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").context("failed to read /proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).context("no MemTotal")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>().context("no number")? * 1024)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).context("failed to list the directory")?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn replay(files: &[&PathBuf]) -> Result<(Lines, Option<i32>)> {
    let output = Command::new(OOMTRACE).args(["replay", "--json"]).args(files).output();
    let output = output.context("failed to replay")?;
    let code = output.status.code();
    ensure!(matches!(code, Some(0 | 4)), "replay ended with {code:?}: {}", output.stderr.escape_ascii());
    Ok((Lines::read(&output.stdout)?, code))
}

/// Process ids of all victims in the files so far.
fn victims(dir: &Path) -> Result<Vec<i32>> {
    let mut victims = Vec::new();
    for file in files(dir)? {
        let (lines, _) = replay(&[&file])?;
        victims.extend(lines.episodes.iter().flat_map(|episode| episode.victim_pids()));
    }
    Ok(victims)
}

fn until(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > deadline {
            bail!("not within {PATIENCE:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
