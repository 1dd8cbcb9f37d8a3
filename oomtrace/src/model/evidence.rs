//! Observations of the situation around a choice: the call path, the state of memory, settings, who was adjusted before.
//!
//! Split from [`super::observation`], whose rules hold here too: unknown is `None`, keys are promises.
//!
//! Counters of nodes, zones and memcgs are kept whole, as the kernel has them, in the order of the kernel's own enums;
//! the session's head names the items (`node_stat_items`, `zone_stat_items`, `memcg_stat_items`). So nothing has to be chosen
//! at capture time, and a later reader can show what an earlier one did not.

use minicbor::{Decode, Encode};

use super::name::Name;
use super::observation::Stamp;
use super::session::Settings;

/// The trigger's kernel call path, innermost first, from the caller of `out_of_memory()` outwards.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Stack {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// The frames.
    #[n(1)]
    #[cbor(default)]
    pub frames: Vec<Frame>,
    /// There were more frames than are captured.
    #[n(2)]
    #[cbor(default)]
    pub cut: bool,
}

/// One frame of a call path. Addresses are not kept: they would tell where the kernel lies in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Frame {
    /// The function's symbol; `None` when the address is in none that is known.
    #[n(0)]
    pub function: Option<Name>,
    /// The return address, bytes from the function's start.
    #[n(1)]
    pub offset: Option<u32>,
    /// Bytes to the next symbol.
    #[n(2)]
    pub size: Option<u32>,
    /// The module, for code that is in one.
    #[n(3)]
    pub module: Option<Name>,
}

/// What else the kernel's report says of the moment of the choice.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Situation {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// CPU that the trigger ran on.
    #[n(1)]
    pub cpu: Option<u32>,
    /// `tainted_mask`.
    #[n(2)]
    pub tainted: Option<u64>,
    /// Settings at this moment; the head of the session has those at its start.
    #[n(3)]
    #[cbor(default)]
    pub settings: Settings,
    /// Whether `oom_control.nodemask` was set (the report says `nodemask=(null)` when not).
    #[n(4)]
    pub nodemask_set: Option<bool>,
    /// Nodes in `oom_control.nodemask`; empty when it was not set.
    #[n(5)]
    #[cbor(default)]
    pub nodemask: Vec<u32>,
    /// Nodes in the trigger's `mems_allowed`.
    #[n(6)]
    pub mems_allowed: Option<Vec<u32>>,
    /// Name of the trigger's cpuset cgroup, as in the report: its last component, `/` for the root.
    #[n(7)]
    pub cpuset: Option<Name>,
    /// `nr_swap_pages`: free swap, pages.
    #[n(8)]
    pub swap_free_pages: Option<u64>,
    /// `total_swap_pages`.
    #[n(9)]
    pub swap_total_pages: Option<u64>,
    /// `totalcma_pages`: reserved for CMA, pages.
    #[n(10)]
    pub cma_pages: Option<u64>,
    /// `num_poisoned_pages`.
    #[n(11)]
    pub hwpoisoned_pages: Option<u64>,
    /// Nodes and zones that were there beyond those captured.
    #[n(12)]
    #[cbor(default)]
    pub nodes_left_out: u32,
    /// See `nodes_left_out`.
    #[n(13)]
    #[cbor(default)]
    pub zones_left_out: u32,
    /// Sums over the machine, from sources that have these and not their parts.
    #[n(14)]
    #[cbor(default)]
    pub totals: Vec<Counter>,
    /// "pages RAM", from the same.
    #[n(15)]
    pub ram_pages: Option<u64>,
    /// "pages reserved", from the same.
    #[n(16)]
    pub reserved_pages: Option<u64>,
    /// "pages HighMem/MovableOnly", from the same.
    #[n(17)]
    pub highmem_pages: Option<u64>,
}

/// A counter that brings its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Counter {
    /// The kernel's enumerator, for example `NR_ACTIVE_ANON`; of a memcg the name in `memory.stat`.
    #[n(0)]
    pub name: Name,
    /// Pages, except where the name ends in `_KB`; of a memcg what `memory.stat` has, bytes or how many.
    #[n(1)]
    pub value: u64,
}

/// Counters of one NUMA node: `pglist_data.vm_stat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NodeMemory {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// `pglist_data.node_id`.
    #[n(1)]
    pub node: u32,
    /// In the order of `enum node_stat_item`: pages, except `NR_KERNEL_STACK_KB` and the like, whose names tell.
    /// Negative for a moment is possible; the kernel shows 0 then.
    #[n(2)]
    #[cbor(default)]
    pub stats: Vec<i64>,
    /// Counters from a log, which has not all of them.
    #[n(3)]
    #[cbor(default)]
    pub counters: Vec<Counter>,
}

/// One populated zone of one node: `struct zone`. Sizes are pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ZoneMemory {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// The node.
    #[n(1)]
    pub node: u32,
    /// Position in `pglist_data.node_zones`.
    #[n(2)]
    pub index: u32,
    /// `zone.name`, for example `DMA32`.
    #[n(3)]
    pub name: Name,
    /// In the order of `enum zone_stat_item`.
    #[n(4)]
    #[cbor(default)]
    pub stats: Vec<i64>,
    /// `_watermark[WMARK_MIN]`, the boost not added.
    #[n(5)]
    pub min_pages: Option<u64>,
    /// `_watermark[WMARK_LOW]`.
    #[n(6)]
    pub low_pages: Option<u64>,
    /// `_watermark[WMARK_HIGH]`.
    #[n(7)]
    pub high_pages: Option<u64>,
    /// `watermark_boost`.
    #[n(8)]
    pub boost_pages: Option<u64>,
    /// `managed_pages`.
    #[n(9)]
    pub managed_pages: Option<u64>,
    /// `present_pages`.
    #[n(10)]
    pub present_pages: Option<u64>,
    /// `spanned_pages`.
    #[n(11)]
    pub spanned_pages: Option<u64>,
    /// `nr_reserved_highatomic`.
    #[n(12)]
    pub reserved_highatomic_pages: Option<u64>,
    /// `lowmem_reserve`, a value for each kind of zone.
    #[n(13)]
    #[cbor(default)]
    pub lowmem_reserve_pages: Vec<i64>,
    /// `free_area[order].nr_free`: free blocks of each order.
    #[n(14)]
    #[cbor(default)]
    pub free_blocks: Vec<u64>,
    /// Counters from a log, `NR_FREE_PAGES` among them.
    #[n(15)]
    #[cbor(default)]
    pub counters: Vec<Counter>,
}

/// Counters of the limiting memcg, what its `memory.stat` is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MemcgStat {
    /// When: at the first kill, after the kernel has brought them up to date for its own report. When it printed none (it prints
    /// ten in five seconds), they may be two seconds old.
    #[n(0)]
    pub at: Stamp,
    /// kernfs id of the cgroup.
    #[n(1)]
    pub cgroup: u64,
    /// In the order of the session's `memcg_stat_items`; raw units, see there. `None`: not kept by this kernel.
    #[n(2)]
    #[cbor(default)]
    pub stats: Vec<Option<i64>>,
    /// Counters from a log, as `memory.stat` has them.
    #[n(3)]
    #[cbor(default)]
    pub counters: Vec<Counter>,
}

/// `mem_cgroup_print_oom_group()` was told the cgroup that is killed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OomGroup {
    /// When.
    #[n(0)]
    pub at: Stamp,
    /// kernfs id; 0 when it could not be read.
    #[n(1)]
    pub cgroup: u64,
}

/// Somebody wrote an `oom_score_adj`: `oom:oom_score_adj_update`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AdjUpdated {
    /// When; in no episode.
    #[n(0)]
    pub at: Stamp,
    /// Thread id of the task that was adjusted. The adjustment is its whole process's.
    #[n(1)]
    pub tid: i32,
    /// Its name.
    #[n(2)]
    pub comm: Name,
    /// The new value.
    #[n(3)]
    pub oom_score_adj: i16,
    /// Process id of the writer.
    #[n(4)]
    pub by_pid: Option<i32>,
    /// The writer's name.
    #[n(5)]
    pub by_comm: Option<Name>,
}
