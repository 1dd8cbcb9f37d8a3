//! Hundreds of OOMs of the whole machine, one after the other, on a small machine, recorded by somebody who has nothing but the
//! recommended capabilities: the recorder lives, every kill is in the file, and its memory does not grow.
//!
//! The references are the kernel's counter, its log, and the processes that were seen to die.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::replay_identical::Scratch;
use crate::harness::credentials::RECOMMENDED;
use crate::harness::process::{Launch, Running};
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::sysctl::Sysctl;
use crate::harness::view::{Episode, losses};
use crate::oracle::counters;

/// OOMs in every run of the tests: about a minute of an emulated machine.
const FEW: usize = 100;
/// OOMs when they are asked for: `cargo xtask vm --cpus 1 --memory 256M -- guest test --group measure --filter many_globals`.
const MANY: usize = 500;
/// OOMs between two looks at the recorder.
const STEP: usize = 20;
/// How far resident memory may be from the first look, KiB: a look is not atomic, and counters are kept by CPU.
const FLAT_KIB: u64 = 256;
/// Memory that is left free, huge pages of 2 MiB being taken away until then, KiB: touching all of it takes an emulated machine long.
const FREE_KIB: u64 = 40 << 10;
/// Small processes that may be killed. One is, when somebody needs a page while a hog that is no process any more still gives its
/// memory back; without any the kernel panics then.
const SPARES: usize = 8;

pub(super) fn few(stage: &Stage) -> Result<()> {
    run(stage, FEW)
}

pub(super) fn many(stage: &Stage) -> Result<()> {
    run(stage, MANY)
}

fn run(stage: &Stage, ooms: usize) -> Result<()> {
    let file = Scratch::new("many_globals.session")?;
    let _perf = Sysctl::set("kernel/perf_event_paranoid", "2")?;
    let mut spares = Vec::new();
    fill_up(&mut spares)?;
    let record = Launch::of(OOMTRACE).args(&["record", "-o", file.text()?]).as_nobody_with(RECOMMENDED);
    let record = stage.follow(record)?;
    record.await_ready()?;
    let banner = record.stderr.text();
    ensure!(banner.contains("protected, confined"), "it does not say that it is guarded: {banner}");
    let free = counters::read("/proc/meminfo".as_ref(), "MemAvailable:")?;
    let taken = free.saturating_sub(FREE_KIB) / 2048;
    let ballast = Sysctl::set("vm/nr_hugepages", &taken.to_string())?;

    let before = counters::oom_kills()?;
    let mut hogs = Vec::new();
    let mut looks = Vec::new();
    for number in 1..=ooms {
        let mut hog = Launch::guest("hog")?.args(&["--adj", "1000"]).start()?;
        hog.wait().with_context(|| format!("number {number}"))?;
        hogs.push(hog.pid());
        fill_up(&mut spares)?;
        if number % 5 == 0 {
            // Read as it comes: it is longer than the kernel's buffer.
            stage.logged("Killed process ")?;
        }
        if number % STEP == 0 {
            looks.push(Look::at(record.pid()).with_context(|| format!("after {number}"))?);
        }
    }
    let counted = counters::oom_kills()? - before;
    // What follows needs memory.
    drop(ballast);
    let ended = record.end(Signal::INT)?;
    ensure!(ended.code == Some(0), "record ended with code {:?}: {}", ended.code, ended.stderr);

    let resident: Vec<u64> = looks.iter().map(|look| look.resident_kib).collect();
    let faults: Vec<u64> = looks.iter().map(|look| look.faults).collect();
    println!("  after every {STEP} OOMs: resident KiB {resident:?}, page faults {faults:?}");
    let (least, most) = (resident.iter().min(), resident.iter().max());
    let grown = most.zip(least).map(|(most, least)| most - least).context("it was never looked at")?;
    ensure!(grown <= FLAT_KIB, "resident memory went from {least:?} to {most:?} KiB: {resident:?}");
    ensure!(faults.first() == faults.last(), "it asked the kernel for pages: {faults:?}");

    let logged = stage.logged("Killed process ")?;
    let logged: Vec<i32> = logged.iter().filter_map(|line| line.split(' ').nth(2)?.parse().ok()).collect();
    ensure!(
        counted == logged.len() as u64,
        "/proc/vmstat counts {counted} kills, the log has {}",
        logged.len()
    );
    let survived: Vec<&i32> = hogs.iter().filter(|hog| !logged.contains(hog)).collect();
    ensure!(survived.is_empty(), "hogs that ended, and not by the OOM killer: {survived:?}");
    println!("  {} OOMs, {} of them killed a spare", logged.len(), logged.len() - ooms);

    file.readable_by_all()?;
    let replay =
        stage.follow(Launch::of(OOMTRACE).args(&["replay", "--json", file.text()?]).as_nobody())?.wait()?;
    ensure!(replay.code == Some(0), "replay ended with code {:?}: {}", replay.code, replay.stderr);
    // Episodes come when their victims have gone.
    let (mut victims, mut logged) = (victims(&replay.stdout)?, logged);
    victims.sort_unstable();
    logged.sort_unstable();
    ensure!(victims == logged, "{} victims were recorded of {counted}, or others", victims.len());
    Ok(())
}

/// The victims of all episodes, none of which lost anything. Line by line: all of it at once is more than the machine has.
fn victims(stdout: &[u8]) -> Result<Vec<i32>> {
    let mut victims = Vec::new();
    for line in stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).context("a line is no JSON")?;
        if line["type"] == "session" {
            continue;
        }
        let lost = losses(&line)?;
        ensure!(lost.is_empty(), "something was lost ({lost}) in {}", line["type"]);
        if line["type"] == "episode" {
            victims.extend(Episode::read(&line)?.victim_pids());
        }
    }
    Ok(victims)
}

/// Starts spares for those that were killed.
fn fill_up(spares: &mut Vec<Running>) -> Result<()> {
    // One that has not ended by now is there.
    spares.retain_mut(|spare| spare.wait_within(Duration::ZERO).is_err());
    while spares.len() < SPARES {
        spares.push(Launch::guest("hog")?.args(&["--hold", "64"]).start_ready()?.0);
    }
    Ok(())
}

/// The recorder's memory at a moment.
struct Look {
    resident_kib: u64,
    /// Times that it had to wait for a page, with and without a disk.
    faults: u64,
}

impl Look {
    fn at(pid: i32) -> Result<Self> {
        let resident_kib = counters::read(format!("/proc/{pid}/status").as_ref(), "VmRSS:")?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("failed to read its stat")?;
        // The name, which may have blanks, ends with the last bracket; `minflt` is the tenth field, `majflt` the twelfth.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |at: usize| fields.get(at - 3).and_then(|text| text.parse::<u64>().ok());
        let faults = field(10).zip(field(12)).map(|(minor, major)| minor + major);
        Ok(Self { resident_kib, faults: faults.context("its stat has no faults")? })
    }
}
