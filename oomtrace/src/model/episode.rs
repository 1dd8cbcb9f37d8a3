//! Episodes: one pass through `out_of_memory()` and what followed, assembled from observations.
//!
//! This is what sinks print. Numbers are raw (pages, bytes, nanoseconds); turning them into words is a sink's business.

use std::sync::Arc;

use super::cgroup_path::{self, Owner};
use super::evidence::{AdjUpdated, MemcgStat, NodeMemory, Situation, Stack, ZoneMemory};
use super::name::Name;
use super::names::{Called, Names};
use super::observation::{Constraint, Lost, Memory, Score, TaskFlags};
use super::report::Report;
use super::sample::Sample;

/// One pass through `out_of_memory()` and what followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Number of the pass in this session, from 1 in order of entry.
    pub id: u64,
    /// Entry, nanoseconds since boot; `None` when the entry was not seen.
    pub opened_ns: Option<u64>,
    /// Return, nanoseconds since boot; `None` when it was not seen.
    pub closed_ns: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// The recording breaks off, or has a gap, before it was over: what came then (exits, the reaper, repeats) is not known.
    pub cut_off: bool,
    /// Whole machine or one memcg; `None` when the entry was not seen.
    pub scope: Option<Scope>,
    /// `oom_control.constraint`; `None` when the scan never began.
    pub constraint: Option<Constraint>,
    /// Who asked for memory; `None` when the entry was not seen.
    pub trigger: Option<Person>,
    /// `oom_control.gfp_mask`.
    pub gfp_mask: Option<u32>,
    /// Its flags in the words of the kernel's log; `None` from other sources, and from logs that do not name them.
    pub gfp_names: Option<Name>,
    /// `oom_control.order`; -1 for sysrq.
    pub order: Option<i32>,
    /// Pages that the constraint allows.
    pub totalpages: Option<u64>,
    /// From the limiting memcg (first) up to the root; empty for a global OOM.
    pub memcg: Vec<MemcgLimit>,
    /// Everything that the scan looked at, ranked: chosen first (of an aborted scan: the blocking one), then by points
    /// descending, then those whose points are unknown, then the unkillable, then the passed-over, each in scan order.
    pub candidates: Vec<RankedCandidate>,
    /// How many `oom_evaluate_task()` calls there were; may exceed `candidates` when some were lost.
    pub evaluated: Option<u32>,
    /// Process id of the earlier victim, still dying, that an aborted scan waits for; `None` for other outcomes, and when
    /// it is not known.
    pub blocker: Option<i32>,
    /// When the choice was made: entry of `oom_kill_process()`, nanoseconds since boot; `None` when nobody was chosen.
    pub chosen_ns: Option<u64>,
    /// `oom_control.chosen_points`.
    pub chosen_points: Option<i64>,
    /// The kernel's message about the kill.
    pub message: Option<Name>,
    /// Who was killed, in the order of the kills.
    pub victims: Vec<Victim>,
    /// Return of the first `oom_evaluate_task()` and end of the scan, nanoseconds since boot; `None` when nobody was
    /// chosen.
    pub scan_ns: Option<(u64, u64)>,
    /// Passes through `out_of_memory()` that belong to this one: scans aborted because its victim was still dying, and
    /// repeats of the same fruitless search.
    pub folded: Folded,
    /// The choice was made, the scan was seen, and the scorer's probe never fired: no points are known.
    pub scorer_silent: bool,
    /// The trigger's call path; `None` when not captured.
    pub stack: Option<Stack>,
    /// CPU, settings, swap and node masks at the choice; `None` when not captured, as for passes that chose nobody.
    pub situation: Option<Situation>,
    /// Counters of the NUMA nodes at the choice, in order of their numbers; empty when not captured.
    pub nodes: Vec<NodeMemory>,
    /// Zones at the choice, in order of node and position; empty when not captured.
    pub zones: Vec<ZoneMemory>,
    /// Counters of the limiting memcg at the kill.
    pub memcg_stat: Option<MemcgStat>,
    /// Path of the cgroup that was killed as a whole (`memory.oom.group`); `None` when it was not a group kill, or the path
    /// is not known.
    pub oom_group: Option<Name>,
    /// Changes of `oom_score_adj` of candidates and victims seen since the capture began, oldest first.
    pub adj_changes: Vec<AdjUpdated>,
    /// The state of memory in the ten minutes before, oldest first: all samples of the last minute, and of the nine before it those
    /// that looked at the cgroups. Empty when none were taken.
    pub memory_before: Vec<Arc<Sample>>,
    /// What was lost.
    pub lost: Lost,
    /// What the report in the kernel's log says; `None` from other sources, and of a report that was not read to its end. Then
    /// points are *computed*, from the table of tasks: a log has not the kernel's own.
    pub report: Option<Report>,
    /// What the containers and pods of its cgroups are called, as far as it is known.
    pub names: Names,
}

impl Episode {
    /// Whom a cgroup of this episode belongs to, and what these are called.
    #[must_use]
    pub fn owner<'a>(&'a self, cgroup: &'a Name) -> (Owner<'a>, Called<'a>) {
        let owner = cgroup_path::owner(cgroup);
        (owner, self.names.of(&owner))
    }
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// One process was chosen and killed (with those that share its mm, if any).
    Killed,
    /// The chosen one's `memory.oom.group` cgroup was killed with it.
    GroupKilled,
    /// Trigger or chosen was dying anyway: marked, not signalled.
    AlreadyExiting,
    /// Something else made room (a notifier), no scan took place.
    Freed,
    /// The scan found nobody it may kill.
    NoneKillable,
    /// Nothing was done: an earlier victim is still dying, or the allocation did not allow FS reclaim.
    Skipped,
    /// Records were lost or the capture ended; what is known is shown.
    Incomplete,
}

/// Whole machine or one memcg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `oom_control.memcg` is NULL.
    Global,
    /// A memcg hit its limit.
    Memcg,
}

/// A task with its cgroup's path resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Process id (thread group id), init pid namespace.
    pub pid: i32,
    /// Thread id.
    pub tid: i32,
    /// Name.
    pub comm: Name,
    /// Real uid.
    pub uid: Option<u32>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i16>,
    /// Path of its memory cgroup from the root of the hierarchy, `/` for the root itself.
    pub cgroup: Option<Name>,
}

/// One level of the limiter chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemcgLimit {
    /// Path from the root of the hierarchy.
    pub path: Option<Name>,
    /// Whether this is the level whose limit fired.
    pub limiting: bool,
    /// Usage, pages; `None` when not captured.
    pub usage_pages: Option<u64>,
    /// Limit, pages; `None`: none, when `usage_pages` is known.
    pub max_pages: Option<u64>,
    /// `memory.high`, pages.
    pub high_pages: Option<u64>,
    /// Swap usage (v1: memory+swap), pages.
    pub swap_usage_pages: Option<u64>,
    /// Swap limit (v1: memory+swap), pages.
    pub swap_max_pages: Option<u64>,
    /// How often usage met the limit.
    pub failcnt: Option<u64>,
    /// How often swap usage (v1: memory+swap) met its limit.
    pub swap_failcnt: Option<u64>,
    /// `memory.min`, pages.
    pub min_pages: Option<u64>,
    /// `memory.low`, pages.
    pub low_pages: Option<u64>,
    /// Kills that `memory.events` had counted here and below on entry.
    pub oom_kills: Option<u64>,
    /// `memory.oom.group`.
    pub oom_group: Option<bool>,
    /// cgroup v1: kernel memory, pages.
    pub kmem_usage_pages: Option<u64>,
}

/// A candidate with its verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedCandidate {
    /// Who.
    pub task: Person,
    /// Position in the scan, from 0; `None` for a chosen one whose record of the scan was lost.
    pub scan_index: Option<u32>,
    /// What the scorer said.
    pub score: Score,
    /// Memory; `None` without an mm.
    pub memory: Option<Memory>,
    /// Facts.
    pub flags: TaskFlags,
    /// What came of it.
    pub verdict: Verdict,
    /// The points recomputed from the parts; `None` when parts are missing or it was not scored.
    pub explained: Option<Explained>,
}

impl RankedCandidate {
    /// The kernel's points, pages.
    #[must_use]
    pub fn points(&self) -> Option<i64> {
        match self.score {
            Score::Points(points) => Some(points),
            Score::NotScored | Score::Unkillable | Score::Unknown => None,
        }
    }
}

/// What came of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The one.
    Chosen,
    /// Scored, and lower than (or before an equal of) the chosen one.
    Outscored,
    /// Scored as not killable.
    Unkillable(Reason),
    /// Looked at, not scored.
    PassedOver(Reason),
    /// Its evaluation aborted the scan: a victim still dying.
    Blocking,
}

/// Why a task was protected or passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `oom_score_adj` is -1000.
    AdjMin,
    /// The init process.
    Init,
    /// A kernel thread.
    Kthread,
    /// Between vfork and exec.
    Vfork,
    /// A victim whose memory has been reaped or given up (`MMF_OOM_SKIP`).
    Reaped,
    /// No thread has an mm any more.
    NoMm,
    /// Cpuset or memory policy does not overlap.
    NotEligible,
    /// None of the reasons that can be seen.
    Unknown,
}

/// Points recomputed. The unit of points is the kernel's: pages from Linux 3.5 on, thousandths before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// From the captured parts by this kernel's formula.
    pub points: i64,
    /// Kernel's points minus ours.
    pub difference: i64,
    /// The part of the kernel's points that is memory, pages: points - adj · (totalpages / 1000). Exact from 5.9 on; before,
    /// where points are cut off, from the parts.
    pub memory_pages: i64,
    /// Why there is a difference, most likely; `None` when there is none.
    pub cause: Option<Cause>,
}

/// Why the kernel's points are not those of the captured parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The kernel (7.0 and later) summed its per-CPU counters, of which only the shared part can be captured.
    PerCpuCounters,
    /// A running thread (before 6.2) added what it had counted for itself between the two readings.
    TaskLocalCounters,
    /// The memory changed between the two readings.
    Changed,
    /// The bonus for CAP_SYS_ADMIN (up to 4.16), which is guessed from the uid.
    RootBonus,
    /// None that can be told.
    Unknown,
}

impl Cause {
    /// The word for it in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PerCpuCounters => "per_cpu_counters",
            Self::TaskLocalCounters => "task_local_counters",
            Self::Changed => "changed",
            Self::RootBonus => "root_bonus",
            Self::Unknown => "unknown",
        }
    }
}

/// One killed (or marked) process.
#[derive(Clone, Debug, PartialEq)]
pub struct Victim {
    /// Who; pid is the process id.
    pub task: Person,
    /// Memory when it was killed.
    pub memory: Option<Memory>,
    /// Why it.
    pub why: VictimWhy,
    /// SIGKILL sent, ns since boot.
    pub killed_ns: Option<u64>,
    /// Marked (`mark_oom_victim`), ns since boot.
    pub marked_ns: Option<u64>,
    /// The reaper's part.
    pub reaped: Option<Reaped>,
    /// Last thread exiting, ns since boot.
    pub exited_ns: Option<u64>,
    /// Address space let go by the marked thread, ns since boot.
    pub released_ns: Option<u64>,
}

/// Why a process was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VictimWhy {
    /// Chosen.
    Chosen,
    /// Member of the chosen one's oom group.
    Group,
    /// Shares the mm of a victim.
    SharedMm,
    /// Was dying anyway; marked to speed it up.
    Exiting,
    /// Killed in place of the chosen one, its parent (up to Linux 5.0).
    Child,
}

/// What the reaper did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Start, ns since boot.
    pub started_ns: Option<u64>,
    /// End, ns since boot.
    pub finished_ns: Option<u64>,
    /// Skipped: somebody else had freed the memory.
    pub skipped: bool,
    /// Its memory before; `None` when not captured.
    pub before: Option<Memory>,
    /// What was left.
    pub after: Option<Memory>,
}

/// Passes through `out_of_memory()` folded into another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Scans aborted because this episode's victim was still dying.
    pub aborted_scans: u32,
    /// Passes by a task that was dying already.
    pub already_exiting: u32,
    /// Repeats of the same fruitless search.
    pub repeats: u32,
    /// First and last of them, ns since boot.
    pub span_ns: Option<(u64, u64)>,
}
