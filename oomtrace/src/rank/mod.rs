//! Who would be killed next: the kernel's scan over processes that somebody else has read. Pure.
//!
//! - here: what goes in, the ranking, what comes out;
//! - [`verify`]: the kernel's own scores held against ours.
//!
//! What `/proc` does not tell, the scan does not know either: a child between vfork and exec, memory that was reaped already, a
//! cpuset or memory policy elsewhere, and swapoff (`oom_flag_origin`). `docs/badness.md` says what follows from that.

#[cfg(test)]
mod tests;
mod verify;

use std::cmp::Reverse;

use crate::badness::{self, Kernel, Scored, Subject};
use crate::model::Name;
use crate::model::episode::{Person, RankedCandidate, Reason, Verdict};
use crate::model::observation::{Memory, Score, TaskFlags};

pub use verify::{Differing, Verification, verify};

/// A process, as the scorer would look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Thread that has the memory: the leader, unless it has exited before others.
    pub tid: i32,
    /// Name of the leader.
    pub comm: Name,
    /// Real uid.
    pub uid: Option<u32>,
    /// `oom_score_adj`; `None` when it could not be read.
    pub oom_score_adj: Option<i16>,
    /// Path of its memory cgroup.
    pub cgroup: Option<Name>,
    /// Memory; `None` without an mm.
    pub memory: Option<Memory>,
    /// RSS by the counters that the scorer reads from 6.2 to 6.19, pages: `memory` may have their exact sums, which it does not
    /// use. `None` when not known.
    pub rss_pages: Option<u64>,
    /// The init process.
    pub init: bool,
    /// A kernel thread.
    pub kthread: bool,
    /// Exiting.
    pub exiting: bool,
    /// Has CAP_SYS_ADMIN.
    pub sys_admin: Option<bool>,
    /// `/proc/PID/oom_score`, where it was asked for.
    pub oom_score: Option<i64>,
}

/// What was there and could not be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Processes whose files may not be read.
    pub forbidden: u64,
    /// Processes that ended while they were read.
    pub gone: u64,
    /// Processes whose files do not say what they should.
    pub unexpected: u64,
    /// Processes of a memcg that are outside of this pid namespace.
    pub foreign: u64,
    /// Threads that the machine has and `/proc` does not show; `None` when not known.
    pub threads: Option<u64>,
}

/// A ranking with everything that is said beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Wall clock when the reading began, nanoseconds since the Unix epoch.
    pub unix_ns: i64,
    /// `uname -r`.
    pub kernel_release: String,
    /// Bytes in a page.
    pub page_size: u32,
    /// RAM that the kernel manages, pages.
    pub ram_pages: u64,
    /// Swap, pages.
    pub swap_pages: u64,
    /// Limit of the memcg without its swap, pages; `None` for the whole machine.
    pub limit_pages: Option<u64>,
    /// Whether that limit is not the memcg's own, but one to be tried.
    pub limit_assumed: bool,
    /// The ranking.
    pub ranking: Ranking,
    /// What was not looked at.
    pub unseen: Unseen,
    /// How `/proc` is mounted to hide processes of others; `None`: it is not.
    pub hidepid: Option<String>,
    /// Whether `/proc` is that of the first pid namespace, which shows all processes; `None` when not known.
    pub all_pids: Option<bool>,
    /// The kernel's scores held against ours, when that was asked for.
    pub verification: Option<Verification>,
}

/// The ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The memcg whose limit it is about; `None`: the whole machine.
    pub memcg: Option<String>,
    /// What the scores are scaled by, pages.
    pub totalpages: u64,
    /// The next one first, then by points descending, then those whose points are not known, then the unkillable, then the
    /// passed-over, each in scan order. The next one's verdict is [`Verdict::Chosen`].
    pub candidates: Vec<RankedCandidate>,
}

impl Ranking {
    /// The one that would be killed.
    #[must_use]
    pub fn next(&self) -> Option<&RankedCandidate> {
        self.candidates.iter().find(|candidate| candidate.verdict == Verdict::Chosen)
    }

    /// By how many points it is ahead; `None` when it is alone, or nobody would be killed.
    #[must_use]
    pub fn margin(&self) -> Option<(i64, &RankedCandidate)> {
        let points = self.next()?.points()?;
        let second = self.candidates.iter().find(|candidate| candidate.verdict == Verdict::Outscored)?;
        Some((points.saturating_sub(second.points()?), second))
    }
}

/// Scans `processes`, which are in scan order.
#[must_use]
pub fn rank(kernel: &Kernel, memcg: Option<String>, totalpages: u64, processes: &[Process]) -> Ranking {
    let mut candidates: Vec<RankedCandidate> = processes
        .iter()
        .zip(0u32..)
        .map(|(process, index)| {
            let (verdict, score) = evaluate(kernel, process, totalpages);
            RankedCandidate {
                task: Person {
                    pid: process.pid,
                    tid: process.tid,
                    comm: process.comm.clone(),
                    uid: process.uid,
                    oom_score_adj: process.oom_score_adj,
                    cgroup: process.cgroup.clone(),
                },
                scan_index: Some(index),
                score,
                memory: process.memory,
                flags: flags(process),
                verdict,
                explained: None,
            }
        })
        .collect();
    let scored = candidates.iter().enumerate().filter_map(|(at, candidate)| {
        let leads = candidate.task.tid == candidate.task.pid;
        Some((at, candidate.points()?, leads))
    });
    let next = badness::select(kernel.release.ties(), scored).map(|(at, _)| at);
    if let Some(candidate) = next.and_then(|at| candidates.get_mut(at)) {
        candidate.verdict = Verdict::Chosen;
    }
    candidates.sort_by_key(|candidate| {
        let (class, points) = match (candidate.verdict, candidate.points()) {
            (Verdict::Chosen, _) => (0, i64::MAX),
            (Verdict::Outscored, Some(points)) => (1, points),
            (Verdict::Outscored | Verdict::Blocking, _) => (2, 0),
            (Verdict::Unkillable(_), _) => (3, 0),
            (Verdict::PassedOver(_), _) => (4, 0),
        };
        (class, Reverse(points), candidate.scan_index)
    });
    Ranking { memcg, totalpages, candidates }
}

/// The checks of `oom_evaluate_task()` and `oom_badness()`, as far as they can be made.
fn evaluate(kernel: &Kernel, process: &Process, totalpages: u64) -> (Verdict, Score) {
    if process.init {
        return (Verdict::PassedOver(Reason::Init), Score::NotScored);
    }
    if process.kthread {
        return (Verdict::PassedOver(Reason::Kthread), Score::NotScored);
    }
    if process.memory.is_none() {
        return (Verdict::Unkillable(Reason::NoMm), Score::Unkillable);
    }
    match score(kernel, process, totalpages) {
        Some(Scored::Points(points)) => (Verdict::Outscored, Score::Points(points)),
        Some(Scored::Unkillable) => (Verdict::Unkillable(Reason::AdjMin), Score::Unkillable),
        Some(Scored::NotComparable) | None => (Verdict::Outscored, Score::Unknown),
    }
}

fn score(kernel: &Kernel, process: &Process, totalpages: u64) -> Option<Scored> {
    let (mut memory, oom_score_adj) = (process.memory?, process.oom_score_adj?);
    if let Some(rss) = process.rss_pages
        && kernel.release.has_percpu_counters()
        && !kernel.release.sums_exactly()
    {
        memory.rss_anon_pages = Some(rss);
        memory.rss_file_pages = Some(0);
        memory.rss_shmem_pages = Some(0);
    }
    kernel.score(&Subject { memory, oom_score_adj, sys_admin: process.sys_admin }, totalpages)
}

fn flags(process: &Process) -> TaskFlags {
    let bits = [
        (process.kthread, TaskFlags::KTHREAD),
        (process.memory.is_none(), TaskFlags::NO_MM),
        (process.exiting, TaskFlags::EXITING),
    ];
    TaskFlags(bits.iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag))
}
