//! Getting records onto the rings, and counting those that do not fit.
//!
//! What is told of a pass through `out_of_memory()` has a ring of its own, [`maps::RING`](crate::maps::RING), which only the thread
//! that holds `oom_lock` writes to: nobody ever holds that ring's lock when it comes. It has to be so. Where a kprobe is a breakpoint, the
//! kernel takes its program for one in an NMI, which must not wait for the lock: with another processor on the same ring, the record would be
//! lost. Everything else goes over [`maps::AFTERMATH`](crate::maps::AFTERMATH), from places that may wait.
//!
//! Nothing wakes the consumer from inside an episode as long as there is room: some kernels reschedule within the scan, and
//! the consumer would then run while the OOM lock is held. The record that closes an episode wakes it, and so do the rare
//! ones outside. From half full on every record wakes it: a ring that fills up unread could not be woken about any more.

use aya_ebpf::{helpers::bpf_ktime_get_boot_ns, maps::RingBuf};
use oomtrace_common::record::Header;

use crate::{
    globals::size,
    maps::{LOSS, RING},
    read::sign,
};

/// `BPF_RB_NO_WAKEUP`
pub(crate) const NO_WAKEUP: u64 = 1;
/// `BPF_RB_FORCE_WAKEUP`
pub(crate) const FORCE_WAKEUP: u64 = 2;
/// `BPF_RB_AVAIL_DATA`
const AVAIL_DATA: u64 = 0;

/// Now, as records have it.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// A header for a record of type `T`.
#[inline(always)]
pub(crate) fn header<T>(kind: u16, episode: u64) -> Header {
    Header { kind, reserved: 0, len: size_of::<T>() as u32, boot_ns: now(), episode }
}

/// Reserves a record on a ring of [`crate::maps`], has the block write all of it through the name given, and submits it. False: the ring had no room.
///
/// The block must write every byte: the memory holds what earlier records left there. A macro, not a function with a
/// closure: closures become functions of their own, which older verifiers cope badly with: they take every number for one that matters.
macro_rules! emit {
    ($ring:ident, $record:ident: $type:ty, $flags:expr, $fill:block) => {
        match $crate::maps::$ring.reserve::<$type>(0) {
            Some(mut entry) => {
                let $record: *mut $type = entry.as_mut_ptr();
                $fill
                entry.submit($flags);
                true
            }
            None => false,
        }
    };
}
pub(crate) use emit;

/// Bytes on a ring that the consumer has not read.
#[inline(always)]
pub(crate) fn unread(ring: &RingBuf) -> u64 {
    ring.query(AVAIL_DATA)
}

/// How to submit a record inside an episode.
#[inline(always)]
pub(crate) fn wake_if_filling() -> u64 {
    // Calculated, not branched on, for the verifier's sake.
    const { assert!(FORCE_WAKEUP == NO_WAKEUP + 1) };
    let full = sign((size!(ring) / 2) as i64 - unread(&RING) as i64);
    (NO_WAKEUP as i64 - full) as u64
}

/// Whether a record of `len` bytes leaves the room that what explains the kill may need.
#[inline(always)]
pub(crate) fn leaves_headroom(len: u64) -> bool {
    unread(&RING) + len + size!(headroom) <= size!(ring)
}

/// Adds to one of the loss counters in [`oomtrace_common::record::loss`].
#[inline(always)]
pub(crate) fn count_loss(index: u32, n: u64) {
    if let Some(counter) = LOSS.get_ptr_mut(index) {
        // SAFETY: a valid pointer to this CPU's counter. Where programs can be preempted, an increment by another one on
        // the same CPU may be lost: the count is then too low, never zero.
        unsafe { *counter += n };
    }
}
