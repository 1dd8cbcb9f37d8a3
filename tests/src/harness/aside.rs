//! A processor to hold somebody back on: a victim that cannot run cannot exit, whatever signal it has been sent.
//!
//! The harness, and with it everything that it starts, moves to the first processor, the kernel's reaper too. On the second one
//! a process of a low real-time priority waits for one of a high one. Real-time priorities on both sides, because the kernel
//! gives ordinary processes a share of every processor in any case.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::process::{Launch, Running};
use super::sysctl::Sysctl;
use crate::skip;

/// The processor for those who are held back.
const CPU: &str = "1";
/// Priority of those who are held back, and of the one who does it.
const LOW: &str = "1";
const HIGH: &str = "50";

/// Puts things back when dropped.
pub struct Aside {
    former: CpuSet,
    _no_limit: Sysctl,
}

impl Aside {
    /// Needs two processors.
    pub fn new() -> Result<Self> {
        let former = sched_getaffinity(None).context("failed to ask for the processors")?;
        if !former.is_set(0) || !former.is_set(1) {
            skip!("there is no second processor to hold a process back on");
        }
        let no_limit = Sysctl::set("kernel/sched_rt_runtime_us", "-1")?;
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first).context("failed to move to the first processor")?;
        let reaper = reaper()?;
        sched_setaffinity(Some(reaper), &first)
            .context("failed to move the reaper to the first processor")?;
        Ok(Self { former, _no_limit: no_limit })
    }

    /// Arguments that make a program one that can be held back.
    pub const WEAK: [&'static str; 4] = ["--cpu", CPU, "--fifo", LOW];

    /// Holds everybody back who is there, until the returned process is dropped.
    pub fn hold(&self) -> Result<Running> {
        let (spinner, _) = Launch::guest("spin")?.args(&["--cpu", CPU, "--fifo", HIGH]).start_ready()?;
        // It is ready before it moves, because it could not say so afterwards as surely.
        let there = || -> Result<bool> {
            let stat = fs::read_to_string(format!("/proc/{}/stat", spinner.pid()))?;
            // The fields behind the name: the 39th of all is the processor, the 40th the real-time priority.
            let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
            Ok(fields.get(36) == Some(&CPU) && fields.get(37) == Some(&HIGH))
        };
        while !there().context("failed to look at the spinner")? {
            std::thread::yield_now();
        }
        Ok(spinner)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let reaper = reaper().ok();
        for process in [None, reaper] {
            if let Err(error) = sched_setaffinity(process, &self.former) {
                eprintln!("failed to give the processors back: {error}");
            }
        }
    }
}

/// The kernel thread.
fn reaper() -> Result<Pid> {
    for entry in fs::read_dir("/proc").context("failed to list /proc")? {
        let entry = entry.context("failed to list /proc")?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // Processes come and go.
        if fs::read_to_string(entry.path().join("comm")).is_ok_and(|comm| comm.trim() == "oom_reaper") {
            return Pid::from_raw(pid).context("a process has an id");
        }
    }
    anyhow::bail!("there is no oom_reaper")
}
