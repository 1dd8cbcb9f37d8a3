//! What the kernel counted, held against what was captured.

use super::name::Name;

/// The kills of one capture, by the kernel's counters and by its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Kills that `/proc/vmstat` counted from the start of the capture to its end (`oom_kill`); `None` when one of the two
    /// numbers is not known.
    pub counted: Option<u64>,
    /// Kills captured in that time that the kernel counts: one for each `__oom_kill_process()` that found an address space.
    /// The first of a group is visited, and counted, twice.
    pub captured: u64,
    /// Processes that were killed by them.
    pub processes: u64,
    /// Victims that the kernel does not count: killed for sharing the memory of one that it does.
    pub shared_mm: u64,
    /// Victims that the kernel does not count: they were dying anyway and were only marked.
    pub exiting: u64,
    /// Why kills were missed, the likeliest first; empty when none was, or that is not known.
    pub reasons: Vec<Reason>,
    /// Limiting cgroups whose own counter could be followed from one OOM to a later one, with a kill in between.
    pub cgroups_compared: u64,
    /// Those among them, and among their ancestors, that counted more kills than were captured in and below them.
    pub cgroups: Vec<CgroupLedger>,
}

/// One cgroup's counter: `memory.events`, `oom_kill`, from the first OOM that had it in its chain of limits to the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupLedger {
    /// Path from the root of the hierarchy; `None` when it is not known.
    pub path: Option<Name>,
    /// Kills that it counted.
    pub counted: u64,
    /// Kills captured in it or below it.
    pub captured: u64,
}

/// Why a kill may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The full ring did not take some records, or some could not be decoded.
    RecordsLost,
    /// The kernel skipped runs of the probes, or the return of a pass was not seen.
    RunsMissed,
    /// `__oom_kill_process()` was not hooked.
    NotHooked,
    /// An OOM was under way when the capture began or ended.
    UnderWay,
    /// Runs of the probes may have been skipped: this kernel does not count them.
    RunsUnknown,
}

impl Ledger {
    /// Adds that of a capture that comes after.
    pub fn add(&mut self, next: &Self) {
        let Self { counted, captured, processes, shared_mm, exiting, reasons, cgroups_compared, cgroups } =
            next;
        self.counted = self.counted.zip(*counted).map(|(before, next)| before.saturating_add(next));
        self.captured = self.captured.saturating_add(*captured);
        self.processes = self.processes.saturating_add(*processes);
        self.shared_mm = self.shared_mm.saturating_add(*shared_mm);
        self.exiting = self.exiting.saturating_add(*exiting);
        for reason in reasons {
            if !self.reasons.contains(reason) {
                self.reasons.push(*reason);
            }
        }
        self.cgroups_compared = self.cgroups_compared.saturating_add(*cgroups_compared);
        self.cgroups.extend_from_slice(cgroups);
    }

    /// Kills that the kernel counted and that were not captured; `None` when its count is not known.
    #[must_use]
    pub fn missed(&self) -> Option<u64> {
        self.counted.map(|counted| counted.saturating_sub(self.captured))
    }
}
