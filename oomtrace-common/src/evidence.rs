//! Records of the situation around a choice, and where the programs find it in this kernel.
//!
//! The rules of [`crate::record`] hold here too. Arrays of the kernel's own are carried raw, as long as they are in this
//! kernel; the collector, which has the same BTF, takes them apart.

use crate::{
    config::ABSENT,
    record::{CGROUP_NAME_LEN, Header},
};

/// Return addresses in a [`Stack`]. The path of an allocation is 20 to 40 frames deep.
pub const STACK_DEPTH: usize = 64;
/// Bits of a node mask that are captured: `MAX_NUMNODES` of the largest configuration.
pub const NODE_BITS: usize = 1024;
/// 64-bit words of a node mask.
pub const NODE_WORDS: usize = NODE_BITS / 64;
/// Nodes whose counters are captured: those with lower numbers than this.
pub const NODES: u32 = 16;
/// Zones of one node whose names are captured, and with them the zones themselves.
pub const ZONES: u32 = 8;
/// Bytes kept of a zone's name.
pub const ZONE_NAME_LEN: usize = 16;
/// Bytes that may follow a [`Node`] or a [`MemcgStat`].
pub const RAW_MOST: u32 = 24 << 10;

/// The trigger's kernel call path at the entry of `out_of_memory()`. 24 + 8 + 512 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Kind [`crate::record::kind::STACK`].
    pub header: Header,
    /// How many addresses there are; [`STACK_DEPTH`]: perhaps more.
    pub count: u32,
    /// Zero.
    pub reserved: u32,
    /// Return addresses, innermost first, the probe's own frames included.
    pub addresses: [u64; STACK_DEPTH],
}

/// Variables of the kernel's that a [`Situation`] has, in the order of their addresses in [`Places`].
pub mod variable {
    /// `tainted_mask`, 8 bytes
    pub const TAINTED: usize = 0;
    /// `nr_swap_pages`, 8 bytes, pages
    pub const SWAP_FREE: usize = 1;
    /// `total_swap_pages`, 8 bytes, pages
    pub const SWAP_TOTAL: usize = 2;
    /// `totalcma_pages`, 8 bytes, pages
    pub const CMA: usize = 3;
    /// `num_poisoned_pages`, 8 bytes, pages
    pub const HWPOISONED: usize = 4;
    /// `sysctl_panic_on_oom`, 4 bytes
    pub const PANIC_ON_OOM: usize = 5;
    /// `sysctl_oom_kill_allocating_task`, 4 bytes
    pub const OOM_KILL_ALLOCATING_TASK: usize = 6;
    /// `sysctl_oom_dump_tasks`, 4 bytes
    pub const OOM_DUMP_TASKS: usize = 7;
    /// `sysctl_overcommit_memory`, 4 bytes
    pub const OVERCOMMIT_MEMORY: usize = 8;
    /// `vm_swappiness`, 4 bytes
    pub const SWAPPINESS: usize = 9;
    /// How many there are.
    pub const COUNT: usize = 10;
}

/// What else the kernel's report says. 24 + 80 + 32 + 3 * 128 + 256 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Kind [`crate::record::kind::SITUATION`].
    pub header: Header,
    /// Eight bytes from where each of [`variable`] is, of which it may be the first four.
    pub variables: [u64; variable::COUNT],
    /// Which of them are not known, as bits.
    pub absent: u32,
    /// The CPU.
    pub cpu: u32,
    /// 1 when `oom_control.nodemask` was set, 0 when it was NULL, [`crate::UNKNOWN_U32`] when it could not be read.
    pub nodemask_set: u32,
    /// 1 when `mems_allowed` could be read.
    pub mems_allowed_known: u32,
    /// 1 when `online` could be read.
    pub online_known: u32,
    /// 1 when `cpuset` could be read.
    pub cpuset_known: u32,
    /// 1 when a read failed: zeros of this record may be unknown.
    pub read_failed: u32,
    /// Zero.
    pub reserved: u32,
    /// The nodes of `oom_control.nodemask`.
    pub nodemask: [u64; NODE_WORDS],
    /// The nodes of `current->mems_allowed`.
    pub mems_allowed: [u64; NODE_WORDS],
    /// The nodes that are online.
    pub online: [u64; NODE_WORDS],
    /// Name of the trigger's cpuset cgroup, empty for the root; zeros after the NUL.
    pub cpuset: [u8; CGROUP_NAME_LEN],
}

/// Begins the counters of one node: `stats` bytes of `pglist_data.vm_stat` and `zones * zone_len` bytes of
/// `pglist_data.node_zones` follow. 24 + 24 + 128 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Kind [`crate::record::kind::NODE`].
    pub header: Header,
    /// Its number.
    pub node: u32,
    /// Bytes of `vm_stat`.
    pub stats: u32,
    /// Zones that follow, populated or not.
    pub zones: u32,
    /// Bytes of one.
    pub zone_len: u32,
    /// 1 when a read failed: what follows is not known.
    pub read_failed: u32,
    /// Zero.
    pub reserved: u32,
    /// `zone.name` of each, zeros after the NUL.
    pub names: [[u8; ZONE_NAME_LEN]; ZONES as usize],
}

/// Begins the counters of the limiting memcg: `stats` bytes of counters and `index` bytes of
/// `mem_cgroup_stats_index` follow. 24 + 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemcgStat {
    /// Kind [`crate::record::kind::MEMCG_STAT`].
    pub header: Header,
    /// kernfs id; [`crate::UNKNOWN_U64`] when it could not be read.
    pub cgroup: u64,
    /// Bytes of counters.
    pub stats: u32,
    /// Bytes of the index; 0 where the counters are in the order of the items.
    pub index: u32,
    /// 1 when a read failed: nothing is known then.
    pub read_failed: u32,
    /// Zero.
    pub reserved: u32,
}

/// Where the situation is in this kernel: addresses from `/proc/kallsyms`, 0 when not known, and offsets and sizes from its
/// BTF, [`ABSENT`] when not known.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// `tainted_mask`; from here on in the order of [`variable`].
    pub tainted_mask: u64,
    /// `nr_swap_pages`
    pub nr_swap_pages: u64,
    /// `total_swap_pages`
    pub total_swap_pages: u64,
    /// `totalcma_pages`
    pub totalcma_pages: u64,
    /// `num_poisoned_pages`
    pub num_poisoned_pages: u64,
    /// `sysctl_panic_on_oom`
    pub panic_on_oom: u64,
    /// `sysctl_oom_kill_allocating_task`
    pub oom_kill_allocating_task: u64,
    /// `sysctl_oom_dump_tasks`
    pub oom_dump_tasks: u64,
    /// `sysctl_overcommit_memory`
    pub overcommit_memory: u64,
    /// `vm_swappiness`
    pub swappiness: u64,
    /// `node_data`: an array of pointers to nodes.
    pub node_data: u64,
    /// `contig_page_data`: the only node, of kernels without NUMA.
    pub contig_page_data: u64,
    /// `node_states[N_ONLINE]`
    pub online: u64,
    /// `mem_cgroup_stats_index`
    pub stats_index: u64,
    /// `oom_control.nodemask`
    pub oc_nodemask: u32,
    /// `task_struct.mems_allowed`
    pub task_mems_allowed: u32,
    /// Bytes of a `nodemask_t`.
    pub nodemask_len: u32,
    /// `css_set.subsys[cpuset_cgrp_id]`
    pub css_set_cpuset: u32,
    /// `pglist_data.vm_stat`
    pub node_stat: u32,
    /// Its bytes.
    pub node_stat_len: u32,
    /// `pglist_data.node_zones`
    pub node_zones: u32,
    /// How many zones a node has.
    pub zones: u32,
    /// Bytes of a `struct zone`.
    pub zone_len: u32,
    /// `zone.name`
    pub zone_name: u32,
    /// `mem_cgroup.vmstats`; in it, or behind it, are the counters.
    pub memcg_vmstats: u32,
    /// 1 when `vmstats` is a pointer.
    pub memcg_vmstats_pointer: u32,
    /// `memcg_vmstats.state`, 0 where `vmstats` is the array itself.
    pub memcg_state: u32,
    /// Bytes of the counters.
    pub memcg_state_len: u32,
    /// Bytes of `mem_cgroup_stats_index`.
    pub stats_index_len: u32,
    /// Zero.
    pub reserved: u32,
}

impl Places {
    /// Nothing found yet.
    pub const UNSET: Self = Self {
        tainted_mask: 0,
        nr_swap_pages: 0,
        total_swap_pages: 0,
        totalcma_pages: 0,
        num_poisoned_pages: 0,
        panic_on_oom: 0,
        oom_kill_allocating_task: 0,
        oom_dump_tasks: 0,
        overcommit_memory: 0,
        swappiness: 0,
        node_data: 0,
        contig_page_data: 0,
        online: 0,
        stats_index: 0,
        oc_nodemask: ABSENT,
        task_mems_allowed: ABSENT,
        nodemask_len: ABSENT,
        css_set_cpuset: ABSENT,
        node_stat: ABSENT,
        node_stat_len: ABSENT,
        node_zones: ABSENT,
        zones: ABSENT,
        zone_len: ABSENT,
        zone_name: ABSENT,
        memcg_vmstats: ABSENT,
        memcg_vmstats_pointer: 0,
        memcg_state: ABSENT,
        memcg_state_len: ABSENT,
        stats_index_len: ABSENT,
        reserved: 0,
    };
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: `Places` is `repr(C)`, `Copy`, `'static`, and only integers: 14 `u64`s and 16 `u32`s leave no padding, any bytes
    // are valid.
    unsafe impl aya::Pod for super::Places {}
}

const _: () = {
    assert!(size_of::<Stack>() == 32 + STACK_DEPTH * 8);
    assert!(size_of::<Situation>() == 24 + 80 + 32 + 3 * NODE_WORDS * 8 + CGROUP_NAME_LEN);
    assert!(size_of::<Node>() == 24 + 24 + ZONE_NAME_LEN * ZONES as usize);
    assert!(size_of::<MemcgStat>() == 24 + 24);
    assert!(core::mem::offset_of!(Places, swappiness) == variable::SWAPPINESS * 8);
    assert!(size_of::<Places>() == 14 * 8 + 16 * 4);
};
