//! What the loader hands to the programs as read-only globals: where things are in this kernel, and sizes.
//!
//! The verifier sees these as constants, so a branch on [`ABSENT`] costs nothing at run time.

/// A member that this kernel does not have, or that could not be found. A number that fits into a comparison's own 32 bits, which
/// are signed.
pub const ABSENT: u32 = i32::MAX as u32;

/// Byte offsets in the running kernel's structures, resolved from its BTF, and in its tracepoints' records, from their
/// `format` files. Each is [`ABSENT`] until the loader has set it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `oom_control.memcg`
    pub oc_memcg: u32,
    /// `oom_control.gfp_mask`
    pub oc_gfp_mask: u32,
    /// `oom_control.order`
    pub oc_order: u32,
    /// `oom_control.totalpages`
    pub oc_totalpages: u32,
    /// `oom_control.chosen`
    pub oc_chosen: u32,
    /// `oom_control.chosen_points`
    pub oc_chosen_points: u32,
    /// `oom_control.constraint`
    pub oc_constraint: u32,
    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.comm`
    pub task_comm: u32,
    /// its second half
    pub task_comm_rest: u32,
    /// where `real_cred`, `comm` and `signal` of `task_struct` begin, and how many bytes they span; `ABSENT` without one of them
    pub task_run: u32,
    /// as above
    pub task_run_len: u32,
    /// `task_struct.group_leader`
    pub task_group_leader: u32,
    /// `task_struct.mm`
    pub task_mm: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `task_struct.real_cred`
    pub task_real_cred: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `task_struct.cgroups`
    pub task_cgroups: u32,
    /// `task_struct.thread_node`
    pub task_thread_node: u32,
    /// `task_struct.vfork_done`
    pub task_vfork_done: u32,
    /// `task_struct.real_parent`
    pub task_real_parent: u32,
    /// `cred.uid`
    pub cred_uid: u32,
    /// `signal_struct.live`
    pub signal_live: u32,
    /// `signal_struct.thread_head`
    pub signal_thread_head: u32,
    /// `signal_struct.oom_score_adj`
    pub signal_oom_score_adj: u32,
    /// `signal_struct.oom_mm`
    pub signal_oom_mm: u32,
    /// `signal_struct.oom_flag_origin`; a bit field in some kernels, then `ABSENT`
    pub signal_oom_flag_origin: u32,
    /// From here to `mm_total_vm` in the order of [`crate::record::Memory`].
    /// `mm_struct`: the 8 bytes that hold `rss_stat[MM_FILEPAGES]`, in an atomic or a per-CPU counter's shared part
    pub mm_rss_file: u32,
    /// the same for `MM_ANONPAGES`
    pub mm_rss_anon: u32,
    /// the same for `MM_SWAPENTS`
    pub mm_swapents: u32,
    /// the same for `MM_SHMEMPAGES`
    pub mm_rss_shmem: u32,
    /// `mm_struct.pgtables_bytes`
    pub mm_pgtables_bytes: u32,
    /// `mm_struct.total_vm`
    pub mm_total_vm: u32,
    /// the four counters of `rss_stat`, where they lie side by side in the order above; otherwise `ABSENT`
    pub mm_rss_run: u32,
    /// `mm_struct.flags`
    pub mm_flags: u32,
    /// `css_set.subsys[memory_cgrp_id]`
    pub css_set_memory: u32,
    /// `cgroup_subsys_state.cgroup`
    pub css_cgroup: u32,
    /// `cgroup_subsys_state.parent`
    pub css_parent: u32,
    /// `cgroup.kn`
    pub cgroup_kn: u32,
    /// `kernfs_node.id`
    pub kn_id: u32,
    /// `kernfs_node.name`
    pub kn_name: u32,
    /// `kernfs_node.parent`, later `__parent`
    pub kn_parent: u32,
    /// `mem_cgroup.css`
    pub memcg_css: u32,
    /// `mem_cgroup.memory.usage`; from here to `memcg_kmem_usage` in the order of a level's record
    pub memcg_usage: u32,
    /// `mem_cgroup.memory.max`
    pub memcg_max: u32,
    /// `mem_cgroup.memory.high`
    pub memcg_high: u32,
    /// `mem_cgroup.swap.usage` (cgroup v1: `memsw`, the same place)
    pub memcg_swap_usage: u32,
    /// `mem_cgroup.swap.max`
    pub memcg_swap_max: u32,
    /// what the kernel's report calls the failcnt of `mem_cgroup.memory`
    pub memcg_failcnt: u32,
    /// the same for `mem_cgroup.swap`
    pub memcg_swap_failcnt: u32,
    /// `mem_cgroup.memory.min`
    pub memcg_min: u32,
    /// `mem_cgroup.memory.low`
    pub memcg_low: u32,
    /// `mem_cgroup.memory_events[MEMCG_OOM_KILL]`
    pub memcg_oom_kills: u32,
    /// `mem_cgroup.kmem.usage`, where cgroup v1 has it; `ABSENT` on cgroup v2
    pub memcg_kmem_usage: u32,
    /// `mem_cgroup.oom_group`
    pub memcg_oom_group: u32,
    /// `signal:signal_generate` field `sig`
    pub tp_signal_sig: u32,
    /// field `pid`: a thread id
    pub tp_signal_pid: u32,
    /// field `comm`
    pub tp_signal_comm: u32,
    /// field `result`
    pub tp_signal_result: u32,
    /// `oom:wake_reaper` field `pid`: a thread id
    pub tp_wake_reaper_pid: u32,
    /// `oom:start_task_reaping` field `pid`
    pub tp_start_reaping_pid: u32,
    /// `oom:finish_task_reaping` field `pid`
    pub tp_finish_reaping_pid: u32,
    /// `oom:skip_task_reaping` field `pid`
    pub tp_skip_reaping_pid: u32,
    /// `oom:oom_score_adj_update` field `pid`: a thread id
    pub tp_adj_pid: u32,
    /// field `comm`
    pub tp_adj_comm: u32,
    /// field `oom_score_adj`
    pub tp_adj_value: u32,
}

impl Layout {
    /// Nothing found yet.
    pub const UNSET: Self = Self {
        oc_memcg: ABSENT,
        oc_gfp_mask: ABSENT,
        oc_order: ABSENT,
        oc_totalpages: ABSENT,
        oc_chosen: ABSENT,
        oc_chosen_points: ABSENT,
        oc_constraint: ABSENT,
        task_pid: ABSENT,
        task_tgid: ABSENT,
        task_comm: ABSENT,
        task_comm_rest: ABSENT,
        task_run: ABSENT,
        task_run_len: ABSENT,
        task_group_leader: ABSENT,
        task_mm: ABSENT,
        task_signal: ABSENT,
        task_real_cred: ABSENT,
        task_flags: ABSENT,
        task_cgroups: ABSENT,
        task_thread_node: ABSENT,
        task_vfork_done: ABSENT,
        task_real_parent: ABSENT,
        cred_uid: ABSENT,
        signal_live: ABSENT,
        signal_thread_head: ABSENT,
        signal_oom_score_adj: ABSENT,
        signal_oom_mm: ABSENT,
        signal_oom_flag_origin: ABSENT,
        mm_rss_file: ABSENT,
        mm_rss_anon: ABSENT,
        mm_swapents: ABSENT,
        mm_rss_shmem: ABSENT,
        mm_pgtables_bytes: ABSENT,
        mm_total_vm: ABSENT,
        mm_rss_run: ABSENT,
        mm_flags: ABSENT,
        css_set_memory: ABSENT,
        css_cgroup: ABSENT,
        css_parent: ABSENT,
        cgroup_kn: ABSENT,
        kn_id: ABSENT,
        kn_name: ABSENT,
        kn_parent: ABSENT,
        memcg_css: ABSENT,
        memcg_usage: ABSENT,
        memcg_max: ABSENT,
        memcg_high: ABSENT,
        memcg_swap_usage: ABSENT,
        memcg_swap_max: ABSENT,
        memcg_failcnt: ABSENT,
        memcg_swap_failcnt: ABSENT,
        memcg_min: ABSENT,
        memcg_low: ABSENT,
        memcg_oom_kills: ABSENT,
        memcg_kmem_usage: ABSENT,
        memcg_oom_group: ABSENT,
        tp_signal_sig: ABSENT,
        tp_signal_pid: ABSENT,
        tp_signal_comm: ABSENT,
        tp_signal_result: ABSENT,
        tp_wake_reaper_pid: ABSENT,
        tp_start_reaping_pid: ABSENT,
        tp_finish_reaping_pid: ABSENT,
        tp_skip_reaping_pid: ABSENT,
        tp_adj_pid: ABSENT,
        tp_adj_comm: ABSENT,
        tp_adj_value: ABSENT,
    };
}

/// Members that the fentry programs of the scan read by instructions whose offset is a marker: the loader replaces it by the
/// member's offset. A load of that shape is one that the verifier checks against the kernel's types, and the JIT makes a plain
/// load of it.
pub mod marker {
    use super::Layout;

    /// Immediates of moves and additions that stand for a member of [`Layout`]: this, and the bytes from the start of [`Layout`] to
    /// the member. The programs have no such numbers of their own.
    pub const IMMEDIATE: i32 = 0x6d6d_0000;

    /// The marker of the member that is `at` bytes into [`Layout`].
    #[must_use]
    pub const fn immediate(at: usize) -> i32 {
        IMMEDIATE + at as i32
    }

    /// Markers are from here on. No structure that the programs address otherwise is that large.
    pub const FIRST: i16 = 0x7000;

    /// The offset that takes a marker's place in a load; `None` if it is no marker, or this kernel has no such member within an
    /// instruction's reach.
    #[must_use]
    pub fn offset(marker: i16, layout: &Layout) -> Option<i16> {
        i16::try_from(find(marker, layout)?).ok().filter(|&offset| offset < FIRST)
    }

    macro_rules! markers {
        ($($name:ident = $number:literal $member:ident;)*) => {
            $(#[doc = concat!("[`Layout::", stringify!($member), "`]")]
            pub const $name: i16 = FIRST + $number;)*

            /// The member that a marker stands for.
            const fn find(marker: i16, layout: &Layout) -> Option<u32> {
                match marker {
                    $($name => Some(layout.$member),)*
                    _ => None,
                }
            }
        };
    }
    markers! {
        TASK_FLAGS = 0 task_flags;
        TASK_SIGNAL = 1 task_signal;
        TASK_MM = 2 task_mm;
        TASK_TGID = 3 task_tgid;
        TASK_REAL_CRED = 4 task_real_cred;
        TASK_CGROUPS = 5 task_cgroups;
        TASK_COMM = 6 task_comm;
        TASK_COMM_REST = 7 task_comm_rest;
        CRED_UID = 8 cred_uid;
        SIGNAL_OOM_SCORE_ADJ = 9 signal_oom_score_adj;
        MM_RSS_FILE = 13 mm_rss_file;
        MM_RSS_ANON = 14 mm_rss_anon;
        MM_SWAPENTS = 15 mm_swapents;
        MM_RSS_SHMEM = 16 mm_rss_shmem;
        MM_PGTABLES_BYTES = 17 mm_pgtables_bytes;
        MM_TOTAL_VM = 18 mm_total_vm;
    }
}

/// Sizes that the programs need to know.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the ring that candidates must leave free, so that the trigger, the choice and the victims always fit.
    pub headroom: u64,
    /// Size of the ring of the episodes, bytes.
    pub ring: u64,
    /// Size of the ring of what comes at other times, bytes.
    pub aftermath: u64,
    /// Entries of the candidate log: a power of two. The map has one more, for a candidate that it has no room for.
    pub log: u64,
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: `Layout` is `repr(C)`, `Copy`, `'static`, and only `u32`s: no padding, any bytes are valid.
    unsafe impl aya::Pod for super::Layout {}
    // SAFETY: as above, with `u64`s.
    unsafe impl aya::Pod for super::Sizes {}
}
