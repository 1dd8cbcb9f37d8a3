//! Observations in, finished episodes out: a synchronous state machine without a clock, without I/O.
//!
//! What comes out is a function of the sequence of observations alone, deadlines included: time is read off the
//! observations' own stamps. That is why replaying a recording gives what live gave. The rules, by file:
//!
//! - here: which episode an observation belongs to, when an episode is finished, in which order they come out;
//! - [`open`]: what one unfinished episode remembers, and how long it waits;
//! - [`victims`]: who is being killed, and matching of signals, marks, the reaper and exits with them;
//! - [`outcome`]: how a pass ended;
//! - [`fold`]: which passes are counted on another episode instead of being episodes themselves;
//! - [`rank`]: verdicts and the order of candidates;
//! - [`build`]: the finished [`Episode`];
//! - [`evidence`]: the situation around the choice;
//! - [`adjustments`]: who was adjusted before;
//! - [`cgroups`]: paths from cgroup nodes;
//! - [`names`]: what containers and pods are called.

mod adjustments;
mod build;
mod cgroups;
mod evidence;
mod fold;
mod names;
mod open;
mod outcome;
mod rank;
#[cfg(test)]
mod tests;
mod victims;

use crate::badness;
use crate::model::episode::{Episode, Outcome};
use crate::model::observation::{Exited, Opened, Reaper};
use crate::model::sample::History;
use crate::model::{Name, Observation, SessionInfo, gfp};

pub use adjustments::Adjustments;
use cgroups::CgroupTable;
use names::NameTable;
use open::Open;

/// Unfinished episodes that are kept at most. Beyond it the oldest comes out as it is, the way it would at the end of the
/// capture: with its outcome when its return was seen, else as `incomplete`. More than a few at a time means that exits
/// are not being seen; each leaves within [`open::EXIT_DEADLINE_NS`] anyway.
const MAX_OPEN: usize = 1024;

/// What the assembler needs to know of the captured machine.
#[derive(Clone, Copy, Debug)]
struct Machine {
    /// Bits of `__GFP_FS`; `None` when the session has no table of flags.
    gfp_fs: Option<u32>,
    /// Whose formula is recomputed; `None` when the release is not known.
    kernel: Option<badness::Kernel>,
    /// Victims are seen letting go of their address spaces.
    releases_observed: bool,
    /// Stamps are times.
    has_times: bool,
}

impl Machine {
    fn of(info: &SessionInfo) -> Self {
        Self {
            gfp_fs: gfp::bits_of("__GFP_FS", &info.gfp_flags),
            kernel: badness::Kernel::of(info),
            releases_observed: info.releases_observed(),
            has_times: info.has_times(),
        }
    }
}

/// Makes episodes of observations.
#[derive(Debug)]
pub struct Assembler {
    machine: Machine,
    cgroups: CgroupTable,
    names: NameTable,
    adjustments: Adjustments,
    history: History,
    /// In order of entry. At most one, the last, has not returned yet: the kernel holds `oom_lock`.
    open: Vec<Open>,
    /// Highest episode number seen: records of lower ones that are not open any more come too late.
    newest: u64,
    /// Those up to here are passed over, entries and all: there was a gap.
    passed_over: u64,
}

impl Assembler {
    /// For the observations of one session.
    #[must_use]
    pub fn new(info: &SessionInfo) -> Self {
        Self {
            machine: Machine::of(info),
            cgroups: CgroupTable::default(),
            names: NameTable::default(),
            adjustments: Adjustments::default(),
            history: History::default(),
            open: Vec::new(),
            newest: 0,
            passed_over: 0,
        }
    }

    /// Takes the next observation; returns the episodes that are finished by it, in order of completion.
    pub fn push(&mut self, observation: Observation) -> Vec<Episode> {
        let mut finished = Vec::new();
        // An adjustment tells nothing of the time: it may have been held back (`Pipeline::push`).
        let now = observation.boot_ns().filter(|_| !matches!(observation, Observation::AdjUpdated(_)));
        if let Some(now) = now {
            // Deadlines first: what passed before this observation must not be changed by it. A pass that speaks again
            // was not silent for good, though.
            let speaking = observation.stamp().map(|at| at.episode);
            self.expire(now, speaking, &mut finished);
        }
        match observation {
            Observation::Cgroup(node) => self.cgroups.learn(node),
            Observation::Opened(opened) => self.enter(opened, &mut finished),
            Observation::Exited(exited) => self.left(&exited, Open::exited),
            Observation::Released(released) => self.left(&released, Open::released),
            Observation::Reaper(reaper) => self.reap(&reaper),
            Observation::Clock(_) => {}
            Observation::Origin(info) => {
                // Its clock may be behind, its process ids are others.
                finished.extend(self.finish());
                self.machine = Machine::of(&info);
                self.adjustments = Adjustments::default();
                self.history.forget();
            }
            Observation::Gap(gap) => {
                // What is missing may be theirs, and what follows of them is pieces.
                finished.extend(self.cut_off());
                self.newest = self.newest.max(gap.newest_episode);
                self.passed_over = gap.newest_episode;
            }
            Observation::AdjUpdated(update) => self.adjustments.learn(&update),
            Observation::Named(named) => self.names.learn(named),
            Observation::Samples(samples) => {
                self.history.learn(&samples);
            }
            Observation::MemcgLevel(_)
            | Observation::Candidates(_)
            | Observation::Choice(_)
            | Observation::Kill(_)
            | Observation::Signal(_)
            | Observation::Marked(_)
            | Observation::Stack(_)
            | Observation::Situation(_)
            | Observation::NodeMemory(_)
            | Observation::ZoneMemory(_)
            | Observation::MemcgStat(_)
            | Observation::OomGroup(_)
            | Observation::Report(_)
            | Observation::Closed(_) => self.within(observation, &mut finished),
        }
        if let Some(now) = now {
            self.expire(now, None, &mut finished);
        }
        while self.open.len() > MAX_OPEN {
            let oldest = self.open.remove(0);
            finished.push(self.build(oldest));
        }
        finished
    }

    /// The capture ended: what is still unfinished comes out as far as it is known, in order of entry.
    pub fn finish(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.open).into_iter().map(|open| self.build(open)).collect()
    }

    /// The same where a recording breaks off: more came, and is not there.
    pub fn cut_off(&mut self) -> Vec<Episode> {
        let mut open = self.finish();
        open.iter_mut().for_each(|episode| episode.cut_off = true);
        open
    }

    /// The path of a cgroup that was named, by its kernfs id.
    pub fn cgroup_path(&mut self, cgroup: u64) -> Option<Name> {
        self.cgroups.path(cgroup)
    }

    /// When the next unfinished episode gives up waiting, ns since boot; `None` when there is none. A live source sends a
    /// [`Clock`](crate::model::observation::Clock) at that time.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        let under_way = self.under_way_since();
        self.open.iter().map(|open| due_ns(open, self.machine, under_way)).min()
    }

    /// `out_of_memory()` was entered.
    fn enter(&mut self, opened: Opened, finished: &mut Vec<Episode>) {
        if opened.at.episode <= self.passed_over {
            return;
        }
        self.abandon_unclosed(finished);
        self.newest = self.newest.max(opened.at.episode);
        let mut open = Open::new(opened.at);
        open.opened = Some(opened);
        self.open.push(open);
    }

    /// An observation made inside a pass.
    fn within(&mut self, observation: Observation, finished: &mut Vec<Episode>) {
        let Some(at) = observation.stamp() else { return };
        let position = match self.open.iter().rposition(|open| open.id == at.episode) {
            Some(position) => position,
            // The entry was lost, the rest is here.
            None if at.episode > self.newest => {
                self.abandon_unclosed(finished);
                self.newest = at.episode;
                self.open.push(Open::new(at));
                self.open.len() - 1
            }
            None => return,
        };
        let returned = matches!(observation, Observation::Closed(_) | Observation::Report(_));
        self.open[position].see(observation);
        if returned {
            self.open[position].outcome = Some(outcome::of(&mut self.open[position], self.machine));
            fold::fold(&mut self.open, position);
        }
    }

    /// A victim, or its address space, is gone: of the episode that killed it when the source knows, else of the newest
    /// one that has it.
    fn left(&mut self, exited: &Exited, note: fn(&mut Open, i32, u64) -> bool) {
        let at = exited.at;
        let named = self.open.iter_mut().rfind(|open| at.episode != 0 && open.id == at.episode);
        if named.is_some_and(|open| note(open, exited.pid, at.boot_ns)) {
            return;
        }
        let _ = self.open.iter_mut().rev().any(|open| note(open, exited.pid, at.boot_ns));
    }

    /// The reaper only knows the marked thread.
    fn reap(&mut self, reaper: &Reaper) {
        let episode = reaper.at.episode;
        let named = self.open.iter_mut().rfind(|open| episode != 0 && open.id == episode);
        if named.is_some_and(|open| open.reaper(reaper)) {
            return;
        }
        let _ = self.open.iter_mut().rev().any(|open| open.reaper(reaper));
    }

    /// Passes do not overlap: one that has not returned when another is entered has lost its end.
    fn abandon_unclosed(&mut self, finished: &mut Vec<Episode>) {
        while let Some(position) = self.open.iter().position(|open| open.outcome.is_none()) {
            let open = self.open.remove(position);
            finished.push(self.build(open));
        }
    }

    /// Takes out what is finished, or has waited long enough, at `now`; not the pass `speaking` if it has not returned.
    fn expire(&mut self, now: u64, speaking: Option<u64>, finished: &mut Vec<Episode>) {
        let under_way = self.under_way_since();
        let machine = self.machine;
        let is_due = |open: &Open| {
            let goes_on = open.outcome.is_none() && speaking == Some(open.id);
            due_ns(open, machine, under_way) <= now && !goes_on
        };
        if !self.open.iter().any(is_due) {
            return;
        }
        let (mut due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(is_due);
        self.open = waiting;
        due.sort_by_key(|open| (open.due_ns(machine), open.id));
        finished.extend(due.into_iter().map(|open| self.build(open)));
    }

    /// When the pass that has not returned yet was entered, ns since boot; `None` when there is none.
    fn under_way_since(&self) -> Option<u64> {
        self.open.iter().filter(|open| open.outcome.is_none()).map(|open| open.entered_ns).min()
    }

    fn build(&mut self, open: Open) -> Episode {
        let outcome = open.outcome.unwrap_or(Outcome::Incomplete);
        let before = self.history.before(open.entered_ns);
        let tables = build::Tables {
            cgroups: &mut self.cgroups,
            names: &mut self.names,
            adjustments: &self.adjustments,
        };
        build::episode(open, outcome, before, tables, self.machine)
    }
}

/// When an unfinished episode gives up waiting. A pass that is under way and was entered before then may be a scan that waits
/// for one of its victims: it has to return first.
fn due_ns(open: &Open, machine: Machine, under_way: Option<u64>) -> u64 {
    let due_ns = open.due_ns(machine);
    match under_way {
        Some(entered_ns) if open.outcome.is_some() && entered_ns <= due_ns => {
            due_ns.saturating_add(open::PASS_DEADLINE_NS)
        }
        _ => due_ns,
    }
}
