//! The ledger: are the kills that the kernel counted the kills that were captured?
//!
//! The kernel counts in `__oom_kill_process()`, for each call that found a thread with an address space: once in `/proc/vmstat`
//! and once in the memcg of the victim and (cgroup v2) in each of its ancestors below the root. So a process that shares a
//! victim's memory, or that was dying anyway and is only marked, is not in its counters, and the first victim of a group,
//! which is visited twice, is there twice.
//!
//! Pure, and fed by the pipeline, whatever the filters hide: live and replay come to the same. By file:
//!
//! - here: what a whole capture comes to;
//! - [`pass`]: which of one pass's records are kills that the kernel counted;
//! - [`cgroups`]: the counters of single cgroups.

mod cgroups;
mod pass;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use crate::model::episode::{Episode, VictimWhy};
use crate::model::ledger::{Ledger, Reason};
use crate::model::observation::Lost;
use crate::model::{Name, Observation, SessionEnd, SessionInfo};

use cgroups::Cgroups;
use pass::{Hooks, Kill, Pass};

/// Kills whose time and process are remembered at most.
const MOST_REMEMBERED: usize = 4096;

/// Keeps the ledger of one session.
#[derive(Clone, Debug)]
pub struct Keeper {
    hooks: Hooks,
    /// `oom_kill` of `/proc/vmstat` at the start, and when that was, ns since boot.
    start: Option<u64>,
    start_ns: u64,
    pass: Option<Pass>,
    cgroups: Cgroups,
    captured: u64,
    processes: u64,
    /// The latest kills: process and time, ns since boot.
    latest: VecDeque<(i32, u64)>,
    /// The latest victims that the kernel does not count.
    uncounted: VecDeque<i32>,
    shared_mm: u64,
    exiting: u64,
}

impl Keeper {
    /// For the observations of one session.
    #[must_use]
    pub fn new(info: &SessionInfo) -> Self {
        Self {
            hooks: Hooks::of(info),
            start: info.vmstat_oom_kills,
            start_ns: info.started_boot_ns,
            pass: None,
            cgroups: Cgroups::new(info.cgroup_version),
            captured: 0,
            processes: 0,
            latest: VecDeque::new(),
            uncounted: VecDeque::new(),
            shared_mm: 0,
            exiting: 0,
        }
    }

    /// Takes the next observation.
    pub fn observation(&mut self, observation: &Observation) {
        match observation {
            Observation::Cgroup(node) => self.cgroups.learn(node),
            Observation::MemcgLevel(level) => self.cgroups.level(level),
            Observation::Opened(_)
            | Observation::Kill(_)
            | Observation::Signal(_)
            | Observation::Marked(_)
            | Observation::Closed(_) => self.within(observation),
            _ => {}
        }
    }

    /// Takes a finished episode: it knows who died uncounted, each of them once.
    pub fn episode(&mut self, episode: &Episode) {
        for victim in &episode.victims {
            let number = match victim.why {
                VictimWhy::SharedMm => &mut self.shared_mm,
                VictimWhy::Exiting => &mut self.exiting,
                VictimWhy::Chosen | VictimWhy::Group | VictimWhy::Child => continue,
            };
            // It may be marked once more, in a pass of its own, while it dies of what has been told already.
            let pid = victim.task.pid;
            if self.uncounted.contains(&pid) || self.latest.iter().any(|(killed, _)| *killed == pid) {
                continue;
            }
            *number += 1;
            if self.uncounted.len() >= MOST_REMEMBERED {
                self.uncounted.pop_front();
            }
            self.uncounted.push_back(pid);
        }
    }

    /// Kills until `end_ns` that the kernel counts, if no more observations come: what was killed between the last look at the
    /// counter and the end of the probes is not in it.
    #[must_use]
    pub fn kills_until(&mut self, end_ns: u64) -> u64 {
        if let Some(pass) = self.pass.take() {
            self.settle(pass, true);
        }
        self.captured.saturating_sub(self.later_than(end_ns))
    }

    fn later_than(&self, end_ns: u64) -> u64 {
        self.latest.iter().filter(|(_, ns)| *ns > end_ns).count() as u64
    }

    /// The observations have ended. `end` is what the source says at the end, `lost` what the whole session lost; `path` knows
    /// the cgroups.
    pub fn close(
        mut self,
        end: Option<&SessionEnd>,
        lost: Lost,
        path: impl FnMut(u64) -> Option<Name>,
    ) -> Ledger {
        let end_ns = end.map_or(u64::MAX, |end| end.boot_ns);
        let captured = self.kills_until(end_ns);
        let counted = end
            .and_then(|end| end.vmstat_oom_kills)
            .zip(self.start)
            .and_then(|(end, start)| end.checked_sub(start));
        let left = end.and_then(|end| end.kills_left).unwrap_or(0);
        let mut ledger = Ledger {
            counted,
            captured: captured.saturating_add(left),
            processes: self.processes.saturating_sub(self.later_than(end_ns)).saturating_add(left),
            shared_mm: self.shared_mm,
            exiting: self.exiting,
            reasons: Vec::new(),
            cgroups_compared: self.cgroups.compared(),
            cgroups: self.cgroups.missed(path),
        };
        if ledger.missed().is_some_and(|missed| missed > 0) {
            ledger.reasons = reasons(lost, self.hooks);
        }
        ledger
    }

    fn within(&mut self, observation: &Observation) {
        let Some(at) = observation.stamp() else { return };
        if let Some(before) = self.pass.take_if(|pass| pass.episode != at.episode) {
            // Its return was not seen.
            self.settle(before, true);
        }
        let pass = self.pass.get_or_insert_with(|| Pass::new(at.episode));
        pass.see(observation);
        match observation {
            Observation::Closed(closed) => {
                let lossy = closed.lost.records > 0;
                if let Some(pass) = self.pass.take() {
                    self.settle(pass, lossy);
                }
            }
            _ => {
                let settled = pass.overflow(self.hooks);
                self.add(&settled);
            }
        }
    }

    fn settle(&mut self, pass: Pass, lossy: bool) {
        let kills = pass.kills(self.hooks, lossy);
        self.add(&kills);
    }

    fn add(&mut self, kills: &[Kill]) {
        let mut pids = HashSet::new();
        for kill in kills {
            // Before the first look at the counter: it is in there already.
            if kill.ns < self.start_ns {
                continue;
            }
            self.captured += 1;
            self.processes += u64::from(pids.insert(kill.pid));
            self.cgroups.kill(kill.cgroup);
            if self.latest.len() >= MOST_REMEMBERED {
                self.latest.pop_front();
            }
            self.latest.push_back((kill.pid, kill.ns));
        }
    }
}

/// Why kills were missed. What is known to have gone wrong comes instead of what may have.
fn reasons(lost: Lost, hooks: Hooks) -> Vec<Reason> {
    let mut known = Vec::new();
    let records = lost.records > 0 || lost.rejected > 0;
    if records {
        known.push(Reason::RecordsLost);
    }
    // A return that was not seen may be a record that was lost.
    if lost.missed_runs.is_some_and(|runs| runs > 0) || (lost.unclosed > 0 && !records) {
        known.push(Reason::RunsMissed);
    }
    if !hooks.kills {
        known.push(Reason::NotHooked);
    }
    if known.is_empty() {
        known.push(Reason::UnderWay);
        if lost.missed_runs.is_none() {
            known.push(Reason::RunsUnknown);
        }
    }
    known
}
