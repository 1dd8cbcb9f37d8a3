//! The kills of one pass through `out_of_memory()` that the kernel counted.
//!
//! `__oom_kill_process()` finds a thread with an address space, or gives up; it counts, signals, marks, and then signals the
//! processes that share the address space. So a visit was counted when a signal or a mark followed it, and with the visit's own
//! record lost, a signal that a mark follows is as good.

use crate::model::observation::{Signal, TaskFlags};
use crate::model::{Observation, SessionInfo};

/// Visits of one pass that are kept before they are settled. A group has as many as it has members.
const MOST_VISITS: usize = 4096;

/// Which of the probes that show a kill were attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hooks {
    /// `__oom_kill_process()`.
    pub(super) kills: bool,
    /// What follows a visit that the kernel counted: signals or marks.
    followers: bool,
}

impl Hooks {
    pub(super) fn of(info: &SessionInfo) -> Self {
        let has =
            |target: &str| info.hooks.iter().any(|hook| hook.missing.is_none() && hook.target == target);
        Self {
            kills: has("__oom_kill_process"),
            followers: has("signal:signal_generate") || has("mark_oom_victim"),
        }
    }
}

/// A kill that the kernel counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kill {
    /// Process id.
    pub(super) pid: i32,
    /// kernfs id of its memory cgroup.
    pub(super) cgroup: Option<u64>,
    /// When, ns since boot.
    pub(super) ns: u64,
}

/// One pass, until it returns.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    pub(super) episode: u64,
    visits: Vec<Visit>,
    /// The last observation, when it was a signal that no visit explains.
    loose: Option<Signal>,
}

#[derive(Clone, Copy, Debug)]
struct Visit {
    kill: Kill,
    /// No thread had an address space when it was entered.
    no_mm: bool,
    signalled: bool,
    marked: bool,
}

impl Pass {
    pub(super) fn new(episode: u64) -> Self {
        Self { episode, visits: Vec::new(), loose: None }
    }

    /// Takes an observation of this pass.
    pub(super) fn see(&mut self, observation: &Observation) {
        let loose = self.loose.take();
        match observation {
            Observation::Kill(kill) => {
                let task = &kill.victim.task;
                self.visits.push(Visit {
                    kill: Kill { pid: task.pid, cgroup: task.cgroup, ns: kill.at.boot_ns },
                    no_mm: kill.victim.flags.has(TaskFlags::NO_MM),
                    signalled: false,
                    marked: false,
                });
            }
            Observation::Signal(signal) => match self.visits.last_mut() {
                Some(visit) if !visit.signalled && !visit.marked => visit.signalled = true,
                _ => self.loose = Some(signal.clone()),
            },
            Observation::Marked(marked) => match (self.visits.last_mut(), loose) {
                (Some(visit), None) if !visit.marked => visit.marked = true,
                (_, Some(signal)) => self.visits.push(Visit {
                    kill: Kill { pid: marked.pid.unwrap_or(marked.tid), cgroup: None, ns: signal.at.boot_ns },
                    no_mm: false,
                    signalled: true,
                    marked: true,
                }),
                // Dying anyway.
                _ => {}
            },
            _ => {}
        }
    }

    /// All but the last visit, once there are very many; they are settled as if nothing had been lost.
    pub(super) fn overflow(&mut self, hooks: Hooks) -> Vec<Kill> {
        if self.visits.len() <= MOST_VISITS {
            return Vec::new();
        }
        let last = self.visits.pop();
        let visits = std::mem::replace(&mut self.visits, last.into_iter().collect());
        counted(&visits, hooks, false)
    }

    /// The kills, once the pass is over. `lossy`: some of its records are missing.
    pub(super) fn kills(self, hooks: Hooks, lossy: bool) -> Vec<Kill> {
        counted(&self.visits, hooks, lossy)
    }
}

fn counted(visits: &[Visit], hooks: Hooks, lossy: bool) -> Vec<Kill> {
    // That nothing followed means something only where it would have been seen.
    let told = hooks.followers && !lossy;
    let counts = |visit: &&Visit| visit.signalled || visit.marked || (!visit.no_mm && !told);
    visits.iter().filter(counts).map(|visit| visit.kill).collect()
}
