//! Getting records onto the ring, and counting those that do not fit.
//!
//! Nothing wakes the consumer from inside an episode: some kernels reschedule within the scan, and the consumer would then
//! run while the OOM lock is held. The record that closes an episode wakes it, and so do the rare ones outside.

use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use oomtrace_common::record::Header;

use crate::maps::{LOSS, RING};

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

/// Reserves a `T`, has `fill` write all of it, and submits it. `false`: the ring had no room.
///
/// `fill` must write every byte: the memory holds what earlier records left there.
#[inline(always)]
pub(crate) fn emit<T: 'static>(flags: u64, fill: impl FnOnce(*mut T)) -> bool {
    match RING.reserve::<T>(0) {
        Some(mut entry) => {
            fill(entry.as_mut_ptr());
            entry.submit(flags);
            true
        }
        None => false,
    }
}

/// Bytes on the ring that the consumer has not read.
#[inline(always)]
pub(crate) fn unread() -> u64 {
    RING.query(AVAIL_DATA)
}

/// Adds to one of the loss counters in [`oomtrace_common::record::loss`].
#[inline(always)]
pub(crate) fn count_loss(index: u32, n: u64) {
    if let Some(counter) = LOSS.get_ptr_mut(index) {
        // SAFETY: a valid pointer to this CPU's counter; a preempting increment could be lost on kernels that preempt
        // inside programs, which none up to 7.3 does.
        unsafe { *counter += n };
    }
}
