//! Records on the ring.
//!
//! Each begins with a [`Header`]; `len` covers the whole record and is a multiple of 8. An unknown kind is skipped by its
//! length. Sizes of memory are in pages unless the name says otherwise.

/// Bytes in `task_struct.comm`.
pub const COMM_LEN: usize = 16;
/// Bytes that one cgroup's name can have: `NAME_MAX` and its NUL.
pub const CGROUP_NAME_LEN: usize = 256;
/// Room for the names of a cgroup and its ancestors: a power of two that holds [`MAX_LEVELS`] of the longest.
pub const CGROUP_NAMES_LEN: usize = 8192;
/// Bytes kept of the kernel's message in `oom_kill_process`.
pub const MESSAGE_LEN: usize = 64;
/// Candidates in one batch.
pub const BATCH: usize = 512;
/// Candidates that are kept of those that the log has no room for: the ones with the most points.
pub const TOP: usize = 64;
/// Levels of the limiter chain that are captured.
pub const MAX_LEVELS: u32 = 24;

/// Kinds of records.
pub mod kind {
    /// [`super::Subject`]
    pub const OPENED: u16 = 1;
    /// [`super::CgroupNames`]
    pub const CGROUP: u16 = 2;
    /// [`super::MemcgLevel`]
    pub const MEMCG_LEVEL: u16 = 3;
    /// [`super::BatchHeader`], followed by candidates: put together by the consumer from what [`super::Logged`] points at
    pub const CANDIDATES: u16 = 4;
    /// [`super::Subject`]
    pub const CHOICE: u16 = 5;
    /// [`super::Subject`]
    pub const KILL: u16 = 6;
    /// [`super::Signal`]
    pub const SIGNAL: u16 = 7;
    /// [`super::TaskEvent`]: `mark_oom_victim()`
    pub const MARKED: u16 = 8;
    /// [`super::Reaper`]
    pub const REAPER: u16 = 9;
    /// [`super::TaskEvent`]: the last thread of a victim is exiting
    pub const EXITED: u16 = 10;
    /// [`super::TaskEvent`]: `exit_oom_victim()`
    pub const RELEASED: u16 = 11;
    /// [`super::Closed`]
    pub const CLOSED: u16 = 12;
    /// [`crate::evidence::Stack`]
    pub const STACK: u16 = 13;
    /// [`crate::evidence::Situation`]
    pub const SITUATION: u16 = 14;
    /// [`crate::evidence::Node`], followed by its counters and zones
    pub const NODE: u16 = 15;
    /// [`crate::evidence::MemcgStat`], followed by its counters
    pub const MEMCG_STAT: u16 = 16;
    /// [`super::Logged`]
    pub const LOGGED: u16 = 17;
    /// [`super::Top`]
    pub const TOP: u16 = 18;
    /// [`super::Reaped`]
    pub const REAPED: u16 = 20;
    /// [`super::OomGroup`]
    pub const OOM_GROUP: u16 = 21;
    /// [`super::AdjUpdated`]
    pub const ADJ_UPDATED: u16 = 22;
    /// [`crate::mark::Victim`]
    pub const VICTIM: u16 = 23;
}

/// Begins every record. 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// One of [`kind`].
    pub kind: u16,
    /// Zero.
    pub reserved: u16,
    /// Bytes of the record, this header included.
    pub len: u32,
    /// `bpf_ktime_get_boot_ns()`.
    pub boot_ns: u64,
    /// Number of the pass through `out_of_memory()` since the programs were loaded, from 1; 0 outside any.
    pub episode: u64,
}

/// Facts about a task, as bits of [`Task::flags`].
pub mod flag {
    /// `PF_KTHREAD`
    pub const KTHREAD: u16 = 1 << 0;
    /// `signal->oom_mm` was set
    pub const VICTIM: u16 = 1 << 2;
    /// `MMF_OOM_SKIP` was set on its mm
    pub const OOM_SKIP: u16 = 1 << 3;
    /// between vfork and exec
    pub const VFORK: u16 = 1 << 4;
    /// `signal->oom_flag_origin`
    pub const ORIGIN: u16 = 1 << 5;
    /// `PF_EXITING`
    pub const EXITING: u16 = 1 << 6;
    /// a read of kernel memory failed: what was read is zero where it is not known
    pub const READ_FAILED: u16 = 1 << 8;
    /// no thread of the process has an mm
    pub const NO_MM: u16 = 1 << 9;
    /// `points` holds what the scorer returned; the only bit that is not part of an observation's flags
    pub const SCORED: u16 = 1 << 15;
}

/// A task and its memory: a candidate, the chosen one, a victim. 96 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Return value of `oom_badness()`; `i64::MIN` is the kernel's "not killable". 0 without [`flag::SCORED`].
    pub points: i64,
    /// `MM_FILEPAGES`, pages; [`crate::UNKNOWN_U64`] without an mm, as all the sizes below. The counters are as the kernel
    /// has them: they can be a little below zero, which the kernel takes for 0.
    pub rss_file: u64,
    /// `MM_ANONPAGES`, pages.
    pub rss_anon: u64,
    /// `MM_SWAPENTS`.
    pub swapents: u64,
    /// `MM_SHMEMPAGES`, pages.
    pub rss_shmem: u64,
    /// `mm_struct.pgtables_bytes`, bytes.
    pub pgtables_bytes: u64,
    /// `mm_struct.total_vm`, pages.
    pub total_vm: u64,
    /// kernfs id of its memory cgroup; [`crate::UNKNOWN_U64`] when not known.
    pub memcg: u64,
    /// `task_struct.tgid`.
    pub tgid: i32,
    /// `task_struct.pid` of the thread whose mm was read, or of the task itself without one.
    pub tid: i32,
    /// `real_cred->uid`; [`crate::UNKNOWN_U32`] when not known.
    pub uid: u32,
    /// `signal->oom_score_adj`; [`crate::UNKNOWN_I16`] when not known.
    pub oom_score_adj: i16,
    /// Bits of [`flag`].
    pub flags: u16,
    /// NUL-terminated, zeros after the NUL.
    pub comm: [u8; COMM_LEN],
}

/// `out_of_memory()`, `oom_kill_process()` or `__oom_kill_process()` was entered; the task is `current`, the chosen one, the process
/// about to be killed. 24 + 96 + 40 + 64 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Kind [`kind::OPENED`], [`kind::CHOICE`] or [`kind::KILL`].
    pub header: Header,
    /// The task.
    pub task: Task,
    /// kernfs id of the limiting cgroup; 0 for a global OOM; [`crate::UNKNOWN_U64`] when it has a memcg that could
    /// not be read.
    pub memcg: u64,
    /// `oom_control.chosen_points`; `i64::MIN` when this kernel has none. Nothing before the choice.
    pub chosen_points: i64,
    /// `oom_control.totalpages`, or [`crate::UNKNOWN_U64`]. Nothing at the entry of `out_of_memory()`, as the next.
    pub totalpages: u64,
    /// `oom_control.constraint`, or [`crate::UNKNOWN_U32`].
    pub constraint: u32,
    /// `oom_control.gfp_mask`.
    pub gfp_mask: u32,
    /// `oom_control.order`; [`crate::UNKNOWN_I32`] when this kernel has none.
    pub order: i32,
    /// 1 when `gfp_mask` could be read.
    pub gfp_mask_known: u32,
    /// The kernel's message, zeros after the NUL; empty at the entry of `out_of_memory()`.
    pub message: [u8; MESSAGE_LEN],
}

/// The names of a cgroup and all its ancestors, sent once for each cgroup that is asked for. `len` bytes of NUL-terminated
/// names follow, in the order of the ids. 24 + 192 + 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupNames {
    /// Kind [`kind::CGROUP`].
    pub header: Header,
    /// `kernfs_node.id` of the cgroup, its parent, and so on up to the root; 0 after that.
    pub ids: [u64; MAX_LEVELS as usize],
    /// How many ids there are.
    pub count: u32,
    /// Bytes of names.
    pub len: u32,
}

/// One level of the limiter chain. 24 + 112 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemcgLevel {
    /// Kind [`kind::MEMCG_LEVEL`].
    pub header: Header,
    /// kernfs id; [`crate::UNKNOWN_U64`] when it could not be read.
    pub cgroup: u64,
    /// `memory.usage`, pages; all sizes are [`crate::UNKNOWN_U64`] when not known.
    pub usage: u64,
    /// `memory.max`, pages; `page_counter_max` for no limit.
    pub max: u64,
    /// `memory.high`, pages; likewise.
    pub high: u64,
    /// `swap.usage`, pages.
    pub swap_usage: u64,
    /// `swap.max`, pages.
    pub swap_max: u64,
    /// What the kernel's report calls failcnt: how often usage met the limit.
    pub failcnt: u64,
    /// The same for swap.
    pub swap_failcnt: u64,
    /// `memory.min`, pages; a protection, so that `page_counter_max` is "all".
    pub min: u64,
    /// `memory.low`, pages; likewise.
    pub low: u64,
    /// `memory_events[MEMCG_OOM_KILL]`.
    pub oom_kills: u64,
    /// `kmem.usage`, pages; cgroup v1 only.
    pub kmem_usage: u64,
    /// `oom_group`, 0 or 1; [`crate::UNKNOWN_U32`] when this kernel has none.
    pub oom_group: u32,
    /// Zero.
    pub reserved: u32,
    /// 0 for the limiting cgroup, 1 for its parent, and so on.
    pub level: u32,
    /// 1 when a size could not be read: none of them is known then.
    pub read_failed: u32,
}

/// Begins a batch of candidates; `count` [`Task`]s follow. 24 + 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Kind [`kind::CANDIDATES`].
    pub header: Header,
    /// Position of the first one in the scan, from 0.
    pub first: u32,
    /// How many follow.
    pub count: u32,
}

/// [`Task::points`] in the candidate log, of a task without a score: more than any task gets.
pub const NOT_SCORED: i64 = i64::MAX;

/// The scan is over: these entries of the candidate log are its first ones, in its order. The points of a candidate are in the
/// entry of the next one, or [`NOT_SCORED`] is; no entry has [`flag::SCORED`]. 24 + 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Kind [`kind::LOGGED`].
    pub header: Header,
    /// Number of the first entry since the programs were loaded; its place is that modulo the log's size.
    pub position: u64,
    /// How many there are.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
    /// Points of the last one.
    pub last_points: i64,
}

/// The candidates with the most points of those that the log had no room for. 24 + 8 + 256 + 6144 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top {
    /// Kind [`kind::TOP`].
    pub header: Header,
    /// How many there are.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
    /// Their positions in the scan, from 0, in no order.
    pub positions: [u32; TOP],
    /// The candidates.
    pub tasks: [Task; TOP],
}

/// SIGKILL sent from inside an episode. 24 + 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Kind [`kind::SIGNAL`].
    pub header: Header,
    /// Thread id that it is addressed to.
    pub tid: i32,
    /// `TRACE_SIGNAL_*`, or [`crate::UNKNOWN_I32`].
    pub result: i32,
    /// Name, zeros after the NUL.
    pub comm: [u8; COMM_LEN],
}

/// Something happened to a task. 24 + 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// Kind [`kind::MARKED`], [`kind::EXITED`] or [`kind::RELEASED`].
    pub header: Header,
    /// `task_struct.tgid`.
    pub tgid: i32,
    /// `task_struct.pid`.
    pub tid: i32,
    /// `task_struct.comm`, zeros after the NUL.
    pub comm: [u8; COMM_LEN],
}

/// Stages of the reaper. Its end has a record of its own, [`Reaped`], where memory is read.
pub mod reaper {
    /// `oom:wake_reaper`
    pub const WAKE: u32 = 0;
    /// `oom:start_task_reaping`
    pub const START: u32 = 1;
    /// `oom:finish_task_reaping`, of which only the time is told
    pub const FINISH: u32 = 2;
    /// `oom:skip_task_reaping`
    pub const SKIP: u32 = 3;
}

/// A tracepoint of the reaper. 24 + 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaper {
    /// Kind [`kind::REAPER`].
    pub header: Header,
    /// Thread id of the marked thread.
    pub tid: i32,
    /// One of [`reaper`].
    pub stage: u32,
}

/// What an mm holds. 48 bytes. Counters as in [`Task`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// `MM_FILEPAGES`, pages; [`crate::UNKNOWN_U64`] when this kernel has no such counter, as all the others.
    pub rss_file: u64,
    /// `MM_ANONPAGES`, pages.
    pub rss_anon: u64,
    /// `MM_SWAPENTS`.
    pub swapents: u64,
    /// `MM_SHMEMPAGES`, pages.
    pub rss_shmem: u64,
    /// `mm_struct.pgtables_bytes`, bytes.
    pub pgtables_bytes: u64,
    /// `mm_struct.total_vm`, pages.
    pub total_vm: u64,
}

/// `oom:finish_task_reaping`: the reaper has done what it could. 24 + 8 + 96 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Kind [`kind::REAPED`].
    pub header: Header,
    /// Thread id of the marked thread.
    pub tid: i32,
    /// Bits of [`reaped`].
    pub known: u32,
    /// The memory when the reaper began.
    pub before: Memory,
    /// What is left of it.
    pub after: Memory,
}

/// Which of a [`Reaped`]'s memories could be read.
pub mod reaped {
    /// `before`
    pub const BEFORE: u32 = 1 << 0;
    /// `after`
    pub const AFTER: u32 = 1 << 1;
}

/// `mem_cgroup_print_oom_group()`: a cgroup is killed as a whole. 24 + 8 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomGroup {
    /// Kind [`kind::OOM_GROUP`].
    pub header: Header,
    /// kernfs id; [`crate::UNKNOWN_U64`] when it could not be read.
    pub cgroup: u64,
}

/// `oom:oom_score_adj_update`, at any time, outside of episodes. 24 + 48 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdjUpdated {
    /// Kind [`kind::ADJ_UPDATED`].
    pub header: Header,
    /// Thread id of the task that was adjusted.
    pub tid: i32,
    /// `current->tgid`: the writer's process.
    pub by_pid: i32,
    /// The new value.
    pub oom_score_adj: i16,
    /// Zero.
    pub reserved: [u16; 3],
    /// Name of the task that was adjusted, zeros after the NUL.
    pub comm: [u8; COMM_LEN],
    /// The writer's name, zeros after the NUL.
    pub by_comm: [u8; COMM_LEN],
}

/// How the scan ended.
pub mod chosen {
    /// `oom_control.chosen` is NULL
    pub const NOBODY: u32 = 0;
    /// a task
    pub const TASK: u32 = 1;
    /// all ones: aborted
    pub const ABORTED: u32 = 2;
}

/// `out_of_memory()` return. 24 + 24 + 48 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Kind [`kind::CLOSED`].
    pub header: Header,
    /// `oom_control.totalpages`; 0 when the scan never began (the kernel sets at least 1), or [`crate::UNKNOWN_U64`].
    pub totalpages: u64,
    /// Boot time of the first entry of `oom_evaluate_task()`, 0 if there was none.
    pub first_evaluated_ns: u64,
    /// Boot time of the end of the scan, which is when `oom_kill_process()` is entered; 0 if that did not happen.
    pub last_evaluated_ns: u64,
    /// `oom_control.constraint`, or [`crate::UNKNOWN_U32`].
    pub constraint: u32,
    /// One of [`chosen`].
    pub chosen: u32,
    /// 0 or 1: the return value.
    pub returned: u32,
    /// Calls of `oom_evaluate_task()`.
    pub evaluated: u32,
    /// Calls among them with a score.
    pub scored: u32,
    /// For an aborted scan: tgid of the victim that it waits for; otherwise 0.
    pub blocker: i32,
    /// Candidates that there was no room for.
    pub lost_candidates: u32,
    /// Other records of this episode that the ring had no room for.
    pub lost_records: u32,
    /// Reads of kernel memory that failed.
    pub failed_reads: u32,
    /// Victims that the table had no room for.
    pub lost_victims: u32,
    /// Earlier episodes whose end was not seen.
    pub unclosed: u32,
    /// Zero.
    pub reserved: u32,
}

/// Losses that no episode's closing record carries: indexes of the `LOSS` map, one `u64` each for every CPU, summed over the
/// session.
pub mod loss {
    /// Records that the ring had no room for.
    pub const RECORDS: u32 = 0;
    /// Closing records among them, which are counted here only.
    pub const CLOSING: u32 = 1;
    /// Candidates of episodes whose closing record is missing.
    pub const CANDIDATES: u32 = 2;
    /// Reads that failed in such episodes.
    pub const READS: u32 = 3;
    /// Victims that the table had no room for in such episodes.
    pub const VICTIMS: u32 = 4;
    /// Earlier missed ends that such episodes would have told.
    pub const UNCLOSED: u32 = 5;
    /// How many there are.
    pub const COUNT: u32 = 6;
}

const _: () = {
    assert!(size_of::<Header>() == 24);
    assert!(size_of::<Task>() == 96);
    assert!(size_of::<Subject>() == 24 + 96 + 40 + MESSAGE_LEN);
    assert!(size_of::<CgroupNames>() == 24 + 24 * 8 + 8);
    assert!(CGROUP_NAMES_LEN.is_power_of_two() && CGROUP_NAMES_LEN > MAX_LEVELS as usize * CGROUP_NAME_LEN);
    assert!(size_of::<MemcgLevel>() == 24 + 112);
    assert!(size_of::<BatchHeader>() == 32);
    assert!(size_of::<Logged>() == 24 + 24);
    assert!(size_of::<Top>() == 24 + 8 + TOP * 4 + TOP * 96);
    assert!(size_of::<Signal>() == 24 + 24);
    assert!(size_of::<TaskEvent>() == 24 + 24);
    assert!(size_of::<Reaper>() == 24 + 8);
    assert!(size_of::<Memory>() == 48);
    assert!(size_of::<Reaped>() == 24 + 8 + 2 * 48);
    assert!(size_of::<OomGroup>() == 24 + 8);
    assert!(size_of::<AdjUpdated>() == 24 + 48);
    assert!(size_of::<Closed>() == 24 + 24 + 48);
    assert!(core::mem::offset_of!(Task, comm) == 80);
    // In the order of the kernel's counters.
    assert!(core::mem::offset_of!(Task, rss_file) == 8 && core::mem::offset_of!(Task, rss_shmem) == 32);
    assert!(core::mem::offset_of!(Closed, constraint) == 48);
};
