//! OOMs to measure: a crowd of idle processes with an mm each, and a hog that is killed each time.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::graph::{Call, Graph};
use super::pause;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::{Launch, Running};
use crate::harness::sysctl::Sysctl;
use crate::oracle::counters;

/// Between two OOMs: the kernel prints at most 10 reports in 5 seconds, and an OOM without a report is cheaper.
const BETWEEN_MS: u64 = 700;

/// What the hog may take before its memcg is full.
const ROOM: u64 = 4 << 20;

/// What a global OOM leaves the hog. Touching memory takes long under emulation.
const LEFT: u64 = 96 << 20;

/// How long an OOM may take: the hog is dead after that.
const PATIENCE: Duration = Duration::from_secs(1800);

/// A crowd, and whose memory runs out.
pub(super) struct Ooms {
    cgroup: Cgroup,
    global: bool,
    _crowd: Running,
    /// Huge pages that nobody uses; they take memory away and cost nothing.
    ballast: Option<Sysctl>,
    pub(super) graph: Graph,
}

impl Ooms {
    /// Starts `processes` idle ones.
    pub(super) fn new(processes: u32, global: bool) -> Result<Self> {
        Self::of(&[&processes.to_string(), "--rss", "4"], global)
    }

    /// The same in a memcg, with points all over the range.
    pub(super) fn varied(processes: u32) -> Result<Self> {
        Self::of(&[&processes.to_string(), "--rss", "4", "--adj-random", "7"], false)
    }

    fn of(idle: &[&str], global: bool) -> Result<Self> {
        let cgroup = Cgroup::new("bench")?;
        let launch = Launch::guest("idle")?.args(idle);
        let mut crowd = launch.inside(&cgroup).start()?;
        crowd.ready_within(PATIENCE)?;
        let ballast = if global { Some(Sysctl::set("vm/nr_hugepages", "0")?) } else { None };
        Ok(Self { cgroup, global, _crowd: crowd, ballast, graph: Graph::on()? })
    }

    /// Makes one and returns its call of `out_of_memory()`: the first, which kills; others find the victim dying.
    pub(super) fn make(&mut self) -> Result<Call> {
        pause(BETWEEN_MS);
        let hog = Launch::guest("hog")?.args(&["--wait", "--adj", "1000"]).inside(&self.cgroup);
        let (mut hog, _) = hog.start_ready()?;
        if self.global {
            self.fill()?;
        } else {
            self.cgroup.limit_above_usage(ROOM)?;
        }
        self.graph.clear()?;
        let kills = counters::oom_kills()?;
        hog.go()?;
        hog.wait_within(PATIENCE)?;
        // So that nobody else's memory meets the limit.
        if self.global {
            self.release()?;
        } else {
            self.cgroup.write("memory.max", "max")?;
        }
        anyhow::ensure!(counters::oom_kills()? == kills + 1, "it was not one kill");
        self.graph.calls()?.into_iter().next().context("no call of out_of_memory() was traced")
    }

    /// Takes memory away until little is left.
    fn fill(&mut self) -> Result<()> {
        let available = counters::read(std::path::Path::new("/proc/meminfo"), "MemAvailable:")? * 1024;
        let pages = available.saturating_sub(LEFT) / (2 << 20);
        std::fs::write("/proc/sys/vm/nr_hugepages", pages.to_string()).context("failed to set nr_hugepages")
    }

    fn release(&self) -> Result<()> {
        debug_assert!(self.ballast.is_some(), "only a global OOM has ballast");
        std::fs::write("/proc/sys/vm/nr_hugepages", "0").context("failed to release huge pages")
    }
}
