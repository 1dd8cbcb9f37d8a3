//! One unfinished episode: what has been seen of it, and until when it waits for more.

use crate::model::episode::{Folded, Outcome};
use crate::model::observation::{Candidate, Choice, Closed, Lost, MemcgLevel, Opened, Reaper, Stamp};
use crate::model::report::Report;
use crate::model::{Name, Observation};

use super::Machine;
use super::evidence::Evidence;
use super::victims::Victims;

/// How long after the return of `out_of_memory()` the ends of its victims, and the releases of their memory, are waited
/// for, ns. The reaper steps in after 2 s and tries for 1 s.
pub(super) const EXIT_DEADLINE_NS: u64 = 5_000_000_000;
/// How long a pass without a return is waited for after its last observation, ns. Long, because between choice and kill
/// the kernel prints its table of tasks, which takes minutes on a slow serial console. The next pass ends it anyway.
const SILENCE_DEADLINE_NS: u64 = 600_000_000_000;
/// How long an episode that is finished otherwise waits for a pass that was entered before, ns: it may turn out to belong to
/// it. A pass takes as long as the kernel's report takes to print, which is not worth waiting for here.
pub(super) const PASS_DEADLINE_NS: u64 = 5_000_000_000;
/// How long a fruitless search waits for the next repeat of itself, ns.
const REPEAT_GRACE_NS: u64 = 1_000_000_000;
/// How long a fruitless search collects repeats in all, ns.
const REPEAT_DEADLINE_NS: u64 = 10_000_000_000;
/// Candidates kept at most, `PID_MAX_LIMIT`: no kernel has more, but a damaged recording may.
const MAX_CANDIDATES: usize = 4 << 20;

/// An unfinished episode.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: u64,
    pub(super) opened: Option<Opened>,
    pub(super) levels: Vec<MemcgLevel>,
    pub(super) evidence: Evidence,
    /// With the position in the scan.
    pub(super) candidates: Vec<(u32, Candidate)>,
    pub(super) choice: Option<Choice>,
    /// The kernel's message at the first kill.
    pub(super) kill_message: Option<Name>,
    pub(super) victims: Victims,
    pub(super) closed: Option<Closed>,
    pub(super) report: Option<Report>,
    /// Set when the return has been seen, or a log's report has been read to its end.
    pub(super) outcome: Option<Outcome>,
    pub(super) folded: Folded,
    /// Losses of passes folded into this one, and records dropped here.
    pub(super) more_lost: Lost,
    /// When it was entered, or what was first seen of it.
    pub(super) entered_ns: u64,
    last_seen_ns: u64,
}

impl Open {
    pub(super) fn new(at: Stamp) -> Self {
        Self {
            id: at.episode,
            opened: None,
            levels: Vec::new(),
            evidence: Evidence::default(),
            candidates: Vec::new(),
            choice: None,
            kill_message: None,
            victims: Victims::default(),
            closed: None,
            report: None,
            outcome: None,
            folded: Folded::default(),
            more_lost: Lost::default(),
            entered_ns: at.boot_ns,
            last_seen_ns: at.boot_ns,
        }
    }

    /// Takes an observation made inside this pass.
    pub(super) fn see(&mut self, observation: Observation) {
        if let Some(ns) = observation.boot_ns() {
            self.last_seen_ns = self.last_seen_ns.max(ns);
        }
        match observation {
            Observation::MemcgLevel(level) => self.levels.push(level),
            Observation::Candidates(run) => {
                let room = MAX_CANDIDATES.saturating_sub(self.candidates.len());
                self.more_lost.candidates += run.tasks.len().saturating_sub(room) as u64;
                let positions = run.first..=u32::MAX;
                self.candidates.extend(positions.zip(run.tasks.into_iter().take(room)));
            }
            Observation::Choice(choice) => self.choice = Some(choice),
            Observation::Kill(kill) => {
                if self.kill_message.is_none() {
                    self.kill_message.clone_from(&kill.message);
                }
                self.victims.kill(&kill);
            }
            Observation::Signal(signal) => self.victims.signal(&signal),
            Observation::Marked(marked) => {
                let chosen = self.choice.as_ref().map(|choice| &choice.chosen.task);
                let trigger = self.opened.as_ref().map(|opened| &opened.trigger);
                self.victims.mark(&marked, chosen.into_iter().chain(trigger));
            }
            Observation::Closed(closed) => self.closed = Some(closed),
            Observation::Report(report) => {
                self.more_lost.lines += u64::from(report.unread);
                self.more_lost.reports += u64::from(report.cut || report.kill_only);
                self.report = Some(report);
            }
            Observation::Stack(_)
            | Observation::Situation(_)
            | Observation::NodeMemory(_)
            | Observation::ZoneMemory(_)
            | Observation::MemcgStat(_)
            | Observation::OomGroup(_) => self.evidence.see(&observation),
            Observation::AdjUpdated(_)
            | Observation::Opened(_)
            | Observation::Cgroup(_)
            | Observation::Reaper(_)
            | Observation::Exited(_)
            | Observation::Released(_)
            | Observation::Origin(_)
            | Observation::Gap(_)
            | Observation::Samples(_)
            | Observation::Named(_)
            | Observation::Clock(_) => {}
        }
    }

    /// Notes an exit; false when the process is not a victim here.
    pub(super) fn exited(&mut self, pid: i32, ns: u64) -> bool {
        self.last_seen_ns = self.last_seen_ns.max(ns);
        self.victims.exited(pid, ns)
    }

    /// Notes a release; false when the process is not a victim here.
    pub(super) fn released(&mut self, pid: i32, ns: u64) -> bool {
        self.last_seen_ns = self.last_seen_ns.max(ns);
        self.victims.released(pid, ns)
    }

    /// Notes a stage of the reaper; false when the thread is not a victim's.
    pub(super) fn reaper(&mut self, reaper: &Reaper) -> bool {
        self.victims.reaper(reaper)
    }

    /// When it is finished or has waited long enough, ns since boot.
    pub(super) fn due_ns(&self, machine: Machine) -> u64 {
        let over = self.closed.as_ref().map(|closed| closed.at);
        let over = over.or(self.report.as_ref().map(|report| report.at));
        let (Some(over), Some(outcome)) = (over, self.outcome) else {
            return self.last_seen_ns.saturating_add(SILENCE_DEADLINE_NS);
        };
        let closed_ns = over.boot_ns;
        if outcome == Outcome::NoneKillable {
            let last_ns = self.folded.span_ns.map_or(closed_ns, |(_, last)| last);
            return last_ns.saturating_add(REPEAT_GRACE_NS).min(closed_ns.saturating_add(REPEAT_DEADLINE_NS));
        }
        if self.victims.is_empty() {
            return closed_ns;
        }
        let deadline = closed_ns.saturating_add(EXIT_DEADLINE_NS);
        // From Linux 6.16 on a process is seen exiting before it lets go of its memory, which takes seconds for a large
        // one: until then it blocks other scans, which are to be folded into this episode.
        let unreleased = machine.releases_observed && self.victims.some_unreleased();
        if !self.victims.all_exited() || self.victims.some_reaping() || unreleased {
            return deadline;
        }
        self.victims.last_change_ns().max(closed_ns).min(deadline)
    }

    /// Losses of this pass and of those folded into it.
    pub(super) fn lost(&self) -> Lost {
        let mut lost = self.closed.as_ref().map(|closed| closed.lost).unwrap_or_default();
        lost.add(self.more_lost);
        lost
    }
}
