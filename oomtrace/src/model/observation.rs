//! Observations: single decoded facts, as a source saw them, before anybody made a story of them.
//!
//! Every source (kernel probes, session file, kernel log) yields these and nothing else, and the session file stores
//! these and nothing else: a better assembler then improves old recordings too. What is unknown is `None`, never zero.
//!
//! The numbers in `#[n(..)]` are the keys under which a field is stored in a session file (`docs/session-format.md`).
//! They are a promise: a number is never reused and never changes its meaning; new fields are optional and take new
//! numbers. Everything is stored as maps, so that an older reader skips what it does not know.

use minicbor::{Decode, Encode};

use super::evidence::{AdjUpdated, MemcgStat, NodeMemory, OomGroup, Situation, Stack, ZoneMemory};
use super::gap::Gap;
use super::name::Name;
use super::names::Named;
use super::report::Report;
use super::sample::Samples;
use super::session::SessionInfo;

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// `out_of_memory()` was entered.
    Opened(Opened),
    /// The name of one cgroup, sent in the episode that first refers to it, perhaps just after the observation that does:
    /// paths are known at the end of an episode.
    Cgroup(CgroupNode),
    /// Limits and usage of the memcg whose limit fired, or of one of its ancestors.
    MemcgLevel(MemcgLevel),
    /// Tasks that the selection scan looked at, in scan order.
    Candidates(Candidates),
    /// `oom_kill_process()` was entered: the choice is made.
    Choice(Choice),
    /// `__oom_kill_process()` was entered for one task: the chosen one, or a member of its oom group.
    Kill(Kill),
    /// SIGKILL was sent from inside the episode to one process.
    Signal(Signal),
    /// `mark_oom_victim()`: the task has access to memory reserves from here on.
    Marked(Marked),
    /// The oom reaper went through one of its stages.
    Reaper(Reaper),
    /// The last thread of a victim is exiting.
    Exited(Exited),
    /// A victim's marked thread has let go of its address space (`exit_oom_victim()`).
    Released(Exited),
    /// `out_of_memory()` returned.
    Closed(Closed),
    /// The trigger's call path.
    Stack(Stack),
    /// CPU, settings, swap and node masks at the choice.
    Situation(Situation),
    /// Counters of one NUMA node at the choice.
    NodeMemory(NodeMemory),
    /// One zone at the choice.
    ZoneMemory(ZoneMemory),
    /// Counters of the limiting memcg at the kill.
    MemcgStat(MemcgStat),
    /// A whole cgroup is going to be killed.
    OomGroup(OomGroup),
    /// Somebody's `oom_score_adj` was written, at any time.
    AdjUpdated(AdjUpdated),
    /// A report of the kernel's log was read to its end.
    Report(Report),
    /// What follows was captured by another boot, or on another machine, than what came before: the head that a session of its
    /// own would have. Only in sessions made of logs.
    Origin(Box<SessionInfo>),
    /// Observations are missing here. Only in recordings; no source makes it.
    Gap(Gap),
    /// The state of memory at moments before: taken between episodes, and told when the next one begins, or later.
    Samples(Samples),
    /// What a container or a pod is called, of one that a cgroup was named of: told once, before the episode that needs it is
    /// finished, or as soon as it is known.
    Named(Named),
    /// The source's clock moved on while an episode was unfinished. Sources send these so that deadlines are part of the
    /// recording and replay closes an episode exactly where live capture did.
    Clock(Clock),
}

impl Observation {
    /// When it was made, ns since boot; `None` for what has no time of its own: [`Observation::Cgroup`] and
    /// [`Observation::Named`], and samples, which are told later than they were taken.
    #[must_use]
    pub fn boot_ns(&self) -> Option<u64> {
        match self {
            Self::Clock(clock) => Some(clock.boot_ns),
            _ => self.stamp().map(|at| at.boot_ns),
        }
    }

    /// When and in which episode; `None` for those that belong to the session as a whole.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::Opened(o) => Some(o.at),
            Self::MemcgLevel(o) => Some(o.at),
            Self::Candidates(o) => Some(o.at),
            Self::Choice(o) => Some(o.at),
            Self::Kill(o) => Some(o.at),
            Self::Signal(o) => Some(o.at),
            Self::Marked(o) => Some(o.at),
            Self::Reaper(o) => Some(o.at),
            Self::Exited(o) | Self::Released(o) => Some(o.at),
            Self::Closed(o) => Some(o.at),
            Self::Stack(o) => Some(o.at),
            Self::Situation(o) => Some(o.at),
            Self::NodeMemory(o) => Some(o.at),
            Self::ZoneMemory(o) => Some(o.at),
            Self::MemcgStat(o) => Some(o.at),
            Self::OomGroup(o) => Some(o.at),
            Self::AdjUpdated(o) => Some(o.at),
            Self::Report(o) => Some(o.at),
            Self::Cgroup(_)
            | Self::Clock(_)
            | Self::Origin(_)
            | Self::Gap(_)
            | Self::Samples(_)
            | Self::Named(_) => None,
        }
    }
}

impl Observation {
    /// The same to be changed.
    pub fn stamp_mut(&mut self) -> Option<&mut Stamp> {
        match self {
            Self::Opened(o) => Some(&mut o.at),
            Self::MemcgLevel(o) => Some(&mut o.at),
            Self::Candidates(o) => Some(&mut o.at),
            Self::Choice(o) => Some(&mut o.at),
            Self::Kill(o) => Some(&mut o.at),
            Self::Signal(o) => Some(&mut o.at),
            Self::Marked(o) => Some(&mut o.at),
            Self::Reaper(o) => Some(&mut o.at),
            Self::Exited(o) | Self::Released(o) => Some(&mut o.at),
            Self::Closed(o) => Some(&mut o.at),
            Self::Stack(o) => Some(&mut o.at),
            Self::Situation(o) => Some(&mut o.at),
            Self::NodeMemory(o) => Some(&mut o.at),
            Self::ZoneMemory(o) => Some(&mut o.at),
            Self::MemcgStat(o) => Some(&mut o.at),
            Self::OomGroup(o) => Some(&mut o.at),
            Self::AdjUpdated(o) => Some(&mut o.at),
            Self::Report(o) => Some(&mut o.at),
            Self::Cgroup(_)
            | Self::Clock(_)
            | Self::Origin(_)
            | Self::Gap(_)
            | Self::Samples(_)
            | Self::Named(_) => None,
        }
    }
}

/// When, and in which episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Stamp {
    /// Nanoseconds since boot, suspend included (`bpf_ktime_get_boot_ns`).
    #[n(0)]
    pub boot_ns: u64,
    /// Number of the pass through `out_of_memory()`, from 1 in order of entry; 0 outside any.
    #[n(1)]
    pub episode: u64,
}

/// `out_of_memory()` entry. The current task is the trigger.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Opened {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// The task whose allocation (or sysrq, or write to `memory.max`) led here: `current`.
    #[n(1)]
    pub trigger: Task,
    /// `oom_control.gfp_mask`, raw; its bits differ from kernel to kernel ([`super::SessionInfo::gfp_flags`]).
    #[n(2)]
    pub gfp_mask: Option<u32>,
    /// `oom_control.order`: log2 of the pages wanted; -1 means sysrq.
    #[n(3)]
    pub order: Option<i32>,
    /// kernfs id of the cgroup whose limit was hit (`oom_control.memcg`); `None` for a global OOM, 0 for a cgroup whose id
    /// could not be read.
    #[n(4)]
    pub memcg: Option<u64>,
    // Key 5 was reserved for addresses and has never been written: see [`Stack`].
    /// The flags of `gfp_mask` in the words of the kernel's log (Linux 4.6 and later); `None` from other sources.
    #[n(6)]
    pub gfp_names: Option<Name>,
}

/// Who a task is. Sizes and scores are in [`Candidate`].
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Task {
    /// Process id, `task_struct.tgid`, in the init pid namespace.
    #[n(0)]
    pub pid: i32,
    /// Thread id, `task_struct.pid`.
    #[n(1)]
    pub tid: i32,
    /// `task_struct.comm`.
    #[n(2)]
    pub comm: Name,
    /// Real user id in the init user namespace.
    #[n(3)]
    pub uid: Option<u32>,
    /// `signal_struct.oom_score_adj`, -1000 to 1000.
    #[n(4)]
    pub oom_score_adj: Option<i16>,
    /// kernfs id of its memory cgroup.
    #[n(5)]
    pub cgroup: Option<u64>,
}

/// A cgroup's name and its parent.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct CgroupNode {
    /// kernfs id: the inode number of the cgroup's directory.
    #[n(0)]
    pub id: u64,
    /// kernfs id of the parent; `None` for the root of the hierarchy.
    #[n(1)]
    pub parent: Option<u64>,
    /// Directory name; empty for the root.
    #[n(2)]
    pub name: Name,
    /// Whole path, from sources that know only that.
    #[n(3)]
    pub path: Option<Name>,
}

/// One level of the chain from the limiting memcg up to the root.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct MemcgLevel {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// 0 for the cgroup whose limit was hit, 1 for its parent, and so on.
    #[n(1)]
    pub level: u32,
    /// kernfs id; 0 when it could not be read.
    #[n(2)]
    pub cgroup: u64,
    /// `memory.usage`, pages.
    #[n(3)]
    pub usage_pages: Option<u64>,
    /// `memory.max`, pages; `None` when there is no limit or it is not known (then `usage_pages` is `None` too).
    #[n(4)]
    pub max_pages: Option<u64>,
    /// `memory.high`, pages; `None` when not set.
    #[n(5)]
    pub high_pages: Option<u64>,
    /// `swap.usage` (cgroup v1: memory+swap), pages.
    #[n(6)]
    pub swap_usage_pages: Option<u64>,
    /// `swap.max` (cgroup v1: memory+swap limit), pages; `None` when there is none.
    #[n(7)]
    pub swap_max_pages: Option<u64>,
    /// `memory.failcnt`: how often usage met the limit.
    #[n(8)]
    pub failcnt: Option<u64>,
    /// `swap.failcnt` (cgroup v1: memory+swap).
    #[n(9)]
    pub swap_failcnt: Option<u64>,
    /// `memory.min`, pages.
    #[n(10)]
    pub min_pages: Option<u64>,
    /// `memory.low`, pages.
    #[n(11)]
    pub low_pages: Option<u64>,
    /// `memory_events[MEMCG_OOM_KILL]` on entry: kills that `memory.events` counts here and below; cgroup v1: here only.
    #[n(12)]
    pub oom_kills: Option<u64>,
    /// `memory.oom.group`.
    #[n(13)]
    pub oom_group: Option<bool>,
    /// cgroup v1: `kmem.usage`, pages.
    #[n(14)]
    pub kmem_usage_pages: Option<u64>,
}

/// A run of candidates of one episode.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Candidates {
    /// When the run left the kernel.
    #[n(0)]
    pub at: Stamp,
    /// Position of the first one in the scan, from 0.
    #[n(1)]
    pub first: u32,
    /// In scan order.
    #[n(2)]
    pub tasks: Vec<Candidate>,
}

/// One task that the scan looked at: `oom_evaluate_task()`.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Candidate {
    /// Who. The pid is the thread group's (the scan visits leaders); `tid` is the thread whose mm was looked at, which is
    /// another one when the leader has exited before its threads.
    #[n(0)]
    pub task: Task,
    /// What the scorer returned.
    #[n(1)]
    pub score: Score,
    /// Its memory; `None` without an mm.
    #[n(2)]
    pub memory: Option<Memory>,
    /// What was true of the task; see [`TaskFlags`].
    #[n(3)]
    pub flags: TaskFlags,
}

/// What `oom_badness()` said of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Score {
    /// The scan passed the task over before scoring it.
    #[default]
    #[n(0)]
    NotScored,
    /// `LONG_MIN`: not killable.
    #[n(1)]
    Unkillable,
    /// Points, in pages; may be negative.
    #[n(2)]
    Points(#[n(0)] i64),
    /// The scan looked at it, but the probe on the scorer did not report.
    #[n(3)]
    Unknown,
}

/// Memory of one mm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Memory {
    /// `MM_ANONPAGES`, pages.
    #[n(0)]
    pub rss_anon_pages: Option<u64>,
    /// `MM_FILEPAGES`, pages.
    #[n(1)]
    pub rss_file_pages: Option<u64>,
    /// `MM_SHMEMPAGES`, pages.
    #[n(2)]
    pub rss_shmem_pages: Option<u64>,
    /// `MM_SWAPENTS`, entries of one page each.
    #[n(3)]
    pub swap_entries: Option<u64>,
    /// `mm_struct.pgtables_bytes`, bytes.
    #[n(4)]
    pub pgtables_bytes: Option<u64>,
    /// `mm_struct.total_vm`, pages.
    #[n(5)]
    pub total_vm_pages: Option<u64>,
    /// The three kinds of RSS in one, pages, from sources that know no more (a log before Linux 6.8); `None` elsewhere.
    #[n(6)]
    pub rss_pages: Option<u64>,
}

impl Memory {
    /// Resident, pages: the sum of the three kinds, or what is known in their place.
    #[must_use]
    pub fn resident_pages(&self) -> Option<u64> {
        let parts = [self.rss_anon_pages, self.rss_file_pages, self.rss_shmem_pages];
        let sum = parts.into_iter().try_fold(0_u64, |sum, part| Some(sum.saturating_add(part?)));
        sum.or(self.rss_pages)
    }
}

/// Facts about a task, as bits; values are stored in session files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct TaskFlags(#[n(0)] pub u32);

impl TaskFlags {
    /// `PF_KTHREAD`.
    pub const KTHREAD: u32 = 1 << 0;
    /// Became the best so far (`oom_control.chosen`) without being scored: [`Self::ORIGIN`]. Set only then.
    pub const CHOSEN: u32 = 1 << 1;
    /// Was already a victim: `signal->oom_mm` set.
    pub const VICTIM: u32 = 1 << 2;
    /// `MMF_OOM_SKIP` on its mm: reaped, or given up.
    pub const OOM_SKIP: u32 = 1 << 3;
    /// Between vfork and exec, sharing the parent's mm.
    pub const VFORK: u32 = 1 << 4;
    /// `signal->oom_flag_origin`: swapoff or KSM; chosen before all others.
    pub const ORIGIN: u32 = 1 << 5;
    /// `PF_EXITING`.
    pub const EXITING: u32 = 1 << 6;
    /// Its evaluation ended the scan (`oom_evaluate_task` returned 1): a victim that is still dying.
    pub const ABORTED_SCAN: u32 = 1 << 7;
    /// Some of its fields could not be read; they are unknown.
    pub const READ_FAILED: u32 = 1 << 8;
    /// No thread of the process has an mm.
    pub const NO_MM: u32 = 1 << 9;

    /// Whether all of `bits` are set.
    #[must_use]
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }
}

/// `oom_kill_process()` entry.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Choice {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// `oom_control.chosen`, read again here: the choice survives even if every candidate record was lost.
    #[n(1)]
    pub chosen: Candidate,
    /// `oom_control.chosen_points`; 0 and meaningless with `oom_kill_allocating_task`.
    #[n(2)]
    pub chosen_points: Option<i64>,
    /// `oom_control.totalpages`.
    #[n(3)]
    pub totalpages: Option<u64>,
    /// `oom_control.constraint`.
    #[n(4)]
    pub constraint: Option<Constraint>,
    /// The kernel's message, for example `Memory cgroup out of memory`.
    #[n(5)]
    pub message: Option<Name>,
}

/// `enum oom_constraint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Constraint {
    /// `CONSTRAINT_NONE`.
    #[n(0)]
    None,
    /// `CONSTRAINT_CPUSET`.
    #[n(1)]
    Cpuset,
    /// `CONSTRAINT_MEMORY_POLICY`.
    #[n(2)]
    MemoryPolicy,
    /// `CONSTRAINT_MEMCG`.
    #[n(3)]
    Memcg,
}

/// `__oom_kill_process()` entry.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Kill {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// The process about to be killed, with its memory at that moment.
    #[n(1)]
    pub victim: Candidate,
    /// The kernel's message; tells a group kill (`Memory cgroup out of memory`) from the first.
    #[n(2)]
    pub message: Option<Name>,
}

/// SIGKILL sent by the OOM killer (`signal:signal_generate` inside an episode of this thread).
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Signal {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// Thread id that the signal was addressed to; a process's leader, or the thread that still had the mm.
    #[n(1)]
    pub tid: i32,
    /// Its name.
    #[n(2)]
    pub comm: Name,
    /// `TRACE_SIGNAL_*`: 0 delivered, 1 ignored (the process was dying already), others: see the kernel.
    #[n(3)]
    pub result: Option<i32>,
}

/// `mark_oom_victim()`.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Marked {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// Process id; `None` from sources that only tell the thread (the `oom:mark_victim` tracepoint).
    #[n(1)]
    pub pid: Option<i32>,
    /// Thread id.
    #[n(2)]
    pub tid: i32,
    /// The thread's name.
    #[n(3)]
    pub comm: Option<Name>,
    /// Real user id, from sources that have nothing else that tells it, as the next two (the tracepoint, Linux 6.10 and later).
    #[n(4)]
    pub uid: Option<u32>,
    /// `oom_score_adj`.
    #[n(5)]
    pub oom_score_adj: Option<i16>,
    /// Its memory.
    #[n(6)]
    pub memory: Option<Memory>,
}

/// The reaper's tracepoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Reaper {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// Which.
    #[n(1)]
    pub stage: ReaperStage,
    /// Thread id of the marked thread.
    #[n(2)]
    pub tid: i32,
    /// At the end: its memory before the reaper began.
    #[n(3)]
    pub before: Option<Memory>,
    /// At the end: what is left.
    #[n(4)]
    pub after: Option<Memory>,
}

/// Stages of `oom_reaper`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReaperStage {
    /// `oom:wake_reaper`: the victim was queued.
    #[n(0)]
    Wake,
    /// `oom:start_task_reaping`.
    #[n(1)]
    Start,
    /// `oom:finish_task_reaping`.
    #[n(2)]
    Finish,
    /// `oom:skip_task_reaping`.
    #[n(3)]
    Skip,
}

/// End of a victim, or of its address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Exited {
    /// When; `episode` is the one that killed it, when the probe knew.
    #[n(0)]
    pub at: Stamp,
    /// Process id.
    #[n(1)]
    pub pid: i32,
}

/// How the scan ended: `oom_control.chosen` when `out_of_memory()` returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Chosen {
    /// NULL.
    #[n(0)]
    Nobody,
    /// A task.
    #[n(1)]
    Task,
    /// All ones: the scan was aborted because an earlier victim is still dying.
    #[n(2)]
    Aborted,
}

/// `out_of_memory()` return.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Closed {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// How the scan ended.
    #[n(1)]
    pub chosen: Option<Chosen>,
    /// What `out_of_memory()` returned.
    #[n(2)]
    pub returned: Option<bool>,
    /// `oom_control.totalpages`; `None` when the scan never began.
    #[n(3)]
    pub totalpages: Option<u64>,
    /// `oom_control.constraint`; `None` when the scan never began.
    #[n(4)]
    pub constraint: Option<Constraint>,
    /// Calls of `oom_evaluate_task()`.
    #[n(5)]
    pub evaluated: u32,
    /// Calls among them for which the scorer's probe reported.
    #[n(6)]
    pub scored: u32,
    /// For an aborted scan: the victim that it waits for.
    #[n(7)]
    pub blocker: Option<i32>,
    /// Boot time of the return of the first `oom_evaluate_task()`, ns.
    #[n(8)]
    pub first_evaluated_ns: Option<u64>,
    /// Boot time of the end of the scan, which is the entry of `oom_kill_process()`, ns; `None` when nobody was chosen.
    #[n(9)]
    pub last_evaluated_ns: Option<u64>,
    /// What was lost in this episode.
    #[n(10)]
    pub lost: Lost,
}

/// Losses, counted where they happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lost {
    /// Candidates that the full ring did not take.
    #[n(0)]
    #[cbor(default)]
    pub candidates: u64,
    /// Other records that the full ring did not take.
    #[n(1)]
    #[cbor(default)]
    pub records: u64,
    /// Reads of kernel memory that failed; the fields are unknown.
    #[n(2)]
    #[cbor(default)]
    pub reads: u64,
    /// Victims that the kernel-side table had no room for: their exit is not seen.
    #[n(3)]
    #[cbor(default)]
    pub victims: u64,
    /// Records that the collector could not decode.
    #[n(4)]
    #[cbor(default)]
    pub rejected: u64,
    /// Episodes whose end the probes missed.
    #[n(5)]
    #[cbor(default)]
    pub unclosed: u64,
    /// Runs of the OOM killer's probes that the kernel skipped because a program was running on that CPU already; `None` for
    /// a kernel that does not count them (before 5.12), and for a single episode, whose part is not known.
    #[n(6)]
    pub missed_runs: Option<u64>,
    /// Lines of a report in a log that could not be read.
    #[n(7)]
    #[cbor(default)]
    pub lines: u64,
    /// Reports of which a log has only a part, or nothing because the kernel printed too many.
    #[n(8)]
    #[cbor(default)]
    pub reports: u64,
    /// Records of the running kernel's log that were overwritten before they could be read.
    #[n(9)]
    #[cbor(default)]
    pub log_records: u64,
}

impl Lost {
    /// Whether anything was lost.
    #[must_use]
    pub fn any(self) -> bool {
        let missed_runs = self.missed_runs.filter(|&runs| runs > 0);
        Self { missed_runs, ..self } != Self::default()
    }

    /// What was lost since less of it was.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            candidates: self.candidates.saturating_sub(before.candidates),
            records: self.records.saturating_sub(before.records),
            reads: self.reads.saturating_sub(before.reads),
            victims: self.victims.saturating_sub(before.victims),
            rejected: self.rejected.saturating_sub(before.rejected),
            unclosed: self.unclosed.saturating_sub(before.unclosed),
            missed_runs: self.missed_runs.map(|all| all.saturating_sub(before.missed_runs.unwrap_or(0))),
            lines: self.lines.saturating_sub(before.lines),
            reports: self.reports.saturating_sub(before.reports),
            log_records: self.log_records.saturating_sub(before.log_records),
        }
    }

    /// Adds the losses of a part to those of the whole.
    pub fn add(&mut self, part: Self) {
        let Self {
            candidates,
            records,
            reads,
            victims,
            rejected,
            unclosed,
            missed_runs,
            lines,
            reports,
            log_records,
        } = part;
        self.lines = self.lines.saturating_add(lines);
        self.reports = self.reports.saturating_add(reports);
        self.log_records = self.log_records.saturating_add(log_records);
        self.candidates = self.candidates.saturating_add(candidates);
        self.records = self.records.saturating_add(records);
        self.reads = self.reads.saturating_add(reads);
        self.victims = self.victims.saturating_add(victims);
        self.rejected = self.rejected.saturating_add(rejected);
        self.unclosed = self.unclosed.saturating_add(unclosed);
        self.missed_runs = match (self.missed_runs, missed_runs) {
            (Some(before), Some(more)) => Some(before.saturating_add(more)),
            (known, None) | (None, known) => known,
        };
    }
}

/// The source's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Clock {
    /// Now.
    #[n(0)]
    pub boot_ns: u64,
}
