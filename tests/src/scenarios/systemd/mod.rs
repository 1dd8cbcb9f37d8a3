//! The unit in `contrib/systemd`, under a real systemd: it is active once everything is attached, holds nothing it does not need, records an
//! OOM, begins a new file when it is reloaded, is killed and started again when it does not give a sign of life, and stops in order.
//!
//! - [`machine`]: systemd, booted;
//! - [`package`]: the .deb, installed there.

mod machine;
pub(super) mod package;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::CapabilitySet;
use serde_json::Value;

use self::machine::Machine;
use super::common::{MIB, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::credentials::Left;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};

/// What differs from the repository's unit: nobody wants to wait for half a minute.
const DROP_IN: &str = "[Service]\nWatchdogSec=10s\nRestartSec=100ms\n";
/// Where `StateDirectory=` is with `DynamicUser=`.
const STATE: &str = "var/lib/private/oomtrace";

pub(super) fn run(stage: &Stage) -> Result<()> {
    let machine = Machine::with_unit(DROP_IN)?;
    machine.systemctl("start")?;
    let status = machine.property("StatusText")?;
    ensure!(status.starts_with("attached by ") && status.ends_with(", waiting"), "its status is {status:?}");
    ensure!(machine.property("ActiveState")? == "active", "it is not active: {}", machine.status()?);
    let first = machine.main_pid()?;
    confined(first)?;

    let cgroup = Cgroup::new("systemd_victim")?;
    let victim = oom(&cgroup)?;
    recorded(stage, &machine, victim)?;

    let before = files(&machine)?.len();
    machine.systemctl("reload")?;
    machine.wait_until("that a new file was begun", || Ok(files(&machine)?.len() == before + 1))?;
    let another = oom(&cgroup)?;
    recorded(stage, &machine, another)?;

    // It lives, and does nothing any more.
    kill_process(Pid::from_raw(first).context("it has an id")?, Signal::STOP).context("failed to stop it")?;
    machine
        .wait_until("that the watchdog had it started again", || Ok(machine.property("NRestarts")? == "1"))?;
    machine.wait_until("that it is active again", || Ok(machine.property("ActiveState")? == "active"))?;
    ensure!(machine.main_pid()? != first, "it is still the same process");
    let third = oom(&cgroup)?;
    recorded(stage, &machine, third)?;

    machine.systemctl("stop")?;
    let end = (machine.property("ActiveState")?, machine.property("Result")?);
    ensure!(
        end == ("inactive".to_owned(), "success".to_owned()),
        "it ended as {end:?}: {}",
        machine.status()?
    );
    let newest = files(&machine)?.pop().context("there is no file")?;
    let replay = Launch::of(OOMTRACE).args(&["replay", "--json"]).arg(newest);
    let replay = stage.follow(replay)?.wait()?;
    ensure!(replay.code == Some(0), "the newest file is not whole: {}", replay.stderr);
    Ok(())
}

/// Nobody in particular, with no privilege left, and no candidate.
fn confined(pid: i32) -> Result<()> {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}"))
            .with_context(|| format!("failed to read {file}"))
    };
    let status = read("status")?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).context("it has no uid")?;
    ensure!(uids.split_whitespace().all(|uid| uid != "0"), "it runs as root: {uids}");
    ensure!(read("oom_score_adj")?.trim() == "-1000", "it is a candidate");
    let left = Left::to(pid)?;
    // Linux 6.1 needs none for the counters of losses.
    ensure!(left.capabilities == CapabilitySet::empty(), "it has kept capabilities: {left:?}");
    ensure!(left.no_new_privileges && left.filtered, "it is not confined: {left:?}");
    Ok(())
}

/// Makes an OOM; returns its victim.
fn oom(cgroup: &Cgroup) -> Result<i32> {
    let mut hog = waiting_hog(cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    hog.go()?;
    hog.wait()?;
    Ok(hog.pid())
}

/// Waits until the recordings have the victim.
fn recorded(stage: &Stage, machine: &Machine, victim: i32) -> Result<()> {
    machine.wait_until("that the OOM was recorded", || {
        let list = Launch::of(OOMTRACE).args(&["list", "--json"]).arg(machine.path(STATE));
        let list = stage.follow(list)?.wait()?;
        let lines = list.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let lines: Vec<Value> = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
        Ok(lines.iter().any(|line| line["victim"]["pid"] == victim))
    })
}

/// The recordings, oldest first.
fn files(machine: &Machine) -> Result<Vec<PathBuf>> {
    let folder = machine.path(STATE);
    let entries = std::fs::read_dir(&folder).context("it made no folder")?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "oomtrace"));
    files.sort();
    Ok(files)
}
