//! A whole cgroup killed while nobody empties a small ring: the ledger says how many kills it has missed, and why.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::common::{MIB, ledger, waiting_hog};
use crate::harness::PATIENCE;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::harness::sysctl::Sysctl;
use crate::harness::watch::Lines;
use crate::oracle::counters;
use crate::skip;

/// Each takes some three hundred bytes of the ring.
const MEMBERS: u32 = 700;

pub(super) fn run(stage: &Stage) -> Result<()> {
    if Version::of_guest()? == Version::One {
        skip!("cgroup version 1 has no memory.oom.group");
    }
    let _no_table = Sysctl::set("vm/oom_dump_tasks", "0")?;
    let cgroup = Cgroup::new("ledger_lossy")?;
    cgroup.write("memory.oom.group", "1")?;
    // They must not be gone before the kernel gets to them.
    let crowd = Launch::guest("idle")?.args(&["--outlive", &MEMBERS.to_string()]);
    let (_crowd, _) = crowd.inside(&cgroup).start_ready()?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    let kills = counters::oom_kills()?;
    let watch = stage.watch(&["--ring-size", "128KiB"])?;
    watch.signal(Signal::STOP)?;
    hog.go()?;
    hog.wait()?;
    let deadline = Instant::now() + PATIENCE;
    while !cgroup.members()?.is_empty() {
        ensure!(Instant::now() < deadline, "{} are still there", cgroup.members()?.len());
        std::thread::sleep(Duration::from_millis(20));
    }
    let counted = counters::oom_kills()? - kills;
    watch.signal(Signal::CONT)?;
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(4), "exit code {:?} with losses", finished.code);
    let lines = Lines::read(&finished.stdout)?;

    let told = ledger(&lines.end)?;
    ensure!(told.counted == Some(counted), "{told:?}, /proc/vmstat counts {counted}");
    ensure!(0 < told.captured && told.captured < counted, "{told:?}");
    ensure!(told.missed == Some(counted - told.captured), "{told:?}");
    ensure!(told.because == ["records_lost"], "missed because of {:?}", told.because);
    Ok(())
}
