//! The maps. Sizes that depend on the machine (the ring's) are set by the loader.

use aya_ebpf::{
    macros::map,
    maps::{Array, LruHashMap, PerCpuArray, RingBuf},
};
use oomtrace_common::record::{CGROUP_NAME_LEN, CGROUP_NAMES_LEN, CgroupNames, Memory, Task, loss};

use crate::episode::State;

/// What is told of a pass through `out_of_memory()`. Only the owner of the episode writes; see [`crate::emit`].
#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What is told at other times, by anybody: what becomes of victims, and adjustments.
#[map]
pub(crate) static AFTERMATH: RingBuf = RingBuf::with_byte_size(1 << 16, 0);

/// The running episode. One element: `oom_lock` admits one at a time.
#[map]
pub(crate) static STATE: Array<State> = Array::with_max_entries(1, 0);

/// `BPF_F_MMAPABLE`
const MMAPABLE: u32 = 1 << 10;

/// The candidate log, mapped by user space: a ring of entries, and one more for a candidate that has no place in it. The loader
/// sets its size. Only the owner of the episode writes.
#[map]
pub(crate) static LOG: Array<Task> = Array::with_max_entries(1, MMAPABLE);

/// How many entries of the log user space has read since the programs were loaded. User space has it mapped and writes it: a
/// call of bpf(2) would have kprobe programs passed over on its CPU as long as it runs.
#[map]
pub(crate) static LOG_READ: Array<u64> = Array::with_max_entries(1, MMAPABLE);

/// A record of names in the making.
#[repr(C)]
pub(crate) struct Names {
    /// The record's fixed part.
    pub(crate) fixed: CgroupNames,
    /// The names; what may be written at the last possible start fits too.
    pub(crate) bytes: [u8; CGROUP_NAMES_LEN + CGROUP_NAME_LEN],
}

/// The names. Only the owner of the episode touches them.
#[map]
pub(crate) static NAMES: Array<Names> = Array::with_max_entries(1, 0);

/// Processes being killed: tgid to the episode that kills them. Removed when the last thread exits; those whose exit was
/// not seen make room for newer ones.
#[map]
pub(crate) static VICTIMS: LruHashMap<u32, u64> = LruHashMap::with_max_entries(16384, 0);

/// kernfs ids whose names, with all their ancestors', user space has been told. What makes room is told again.
#[map]
pub(crate) static NAMED: LruHashMap<u64, u8> = LruHashMap::with_max_entries(4096, 0);

/// What the reaper found when it began.
#[repr(C)]
pub(crate) struct Reaping {
    /// The reaper's `task_struct`; 0 while it is not at work.
    pub(crate) reaper: u64,
    /// The mm that it is reaping.
    pub(crate) mm: u64,
    /// `reaped::BEFORE` when `before` could be read.
    pub(crate) known: u64,
    /// The mm's counters.
    pub(crate) before: Memory,
}

/// The reaper's work. One element: the kernel has one reaper, which takes one mm at a time.
#[map]
pub(crate) static REAPING: Array<Reaping> = Array::with_max_entries(1, 0);

/// Losses that no episode's closing record can carry.
#[map]
pub(crate) static LOSS: PerCpuArray<u64> = PerCpuArray::with_max_entries(loss::COUNT, 0);
