//! How full the ring has been, read off its two positions in memory: nothing in the kernel counts it.
//!
//! What lies unread only becomes less when the collector takes a record. Looking before each take therefore finds the most that
//! ever lay there, but for what comes between the look and the take, which the next look finds less one record.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::model::stats::BufferStats;

/// The first page of a ring's mapping is the consumer's, the second the producer's; each begins with a position.
const PAGES: usize = 2;

/// Looks at a ring that somebody else reads.
pub(super) struct Gauge {
    positions: *mut libc::c_void,
    page_size: usize,
    high_water: usize,
    bytes: u64,
}

// SAFETY: the mapping belongs to this value alone, and is only read, through atomics.
unsafe impl Send for Gauge {}

impl Gauge {
    /// Over the ring of `bytes` bytes behind this descriptor.
    pub(super) fn new(ring: BorrowedFd<'_>, bytes: u64) -> std::io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let page_size = rustix::param::page_size();
        // SAFETY: a new mapping, where the kernel likes.
        let positions = unsafe {
            mmap(std::ptr::null_mut(), PAGES * page_size, ProtFlags::READ, MapFlags::SHARED, ring, 0)
        }?;
        Ok(Self { positions, page_size, high_water: 0, bytes })
    }

    /// To be called before a record is taken.
    pub(super) fn look(&mut self) {
        let consumed = self.position(0).load(Ordering::Acquire);
        let produced = self.position(1).load(Ordering::Acquire);
        self.high_water = self.high_water.max(produced.wrapping_sub(consumed));
    }

    /// What was seen.
    pub(super) fn stats(&self) -> BufferStats {
        BufferStats { bytes: self.bytes, high_water_bytes: self.high_water as u64 }
    }

    /// `consumer_pos` (0) or `producer_pos` (1) of the kernel's `struct bpf_ringbuf`.
    fn position(&self, page: usize) -> &AtomicUsize {
        // SAFETY: the mapping has so many pages, lives as long as this value, and a page begins with an aligned `unsigned
        // long`, which the kernel and the consumer write atomically.
        unsafe { &*self.positions.byte_add(page * self.page_size).cast::<AtomicUsize>() }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from the mapping any more. Failing would only leave it mapped.
        let _ = unsafe { rustix::mm::munmap(self.positions, PAGES * self.page_size) };
    }
}
