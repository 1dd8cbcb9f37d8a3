//! How full the ring has been, read off its two positions in memory: nothing in the kernel counts it.
//!
//! What lies unread only becomes less when the collector takes a record. Looking before each take therefore finds the most that
//! ever lay there, but for what comes between the look and the take, which the next look finds less one record.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use super::mapping::Mapping;
use crate::model::stats::BufferStats;

/// The first page of a ring's mapping is the consumer's, the second the producer's; each begins with a position.
const PAGES: usize = 2;

/// Looks at a ring that somebody else reads.
pub(super) struct Gauge {
    positions: Mapping,
    high_water: u64,
    bytes: u64,
}

impl Gauge {
    /// Over the ring of `bytes` bytes behind this descriptor.
    pub(super) fn new(ring: BorrowedFd<'_>, bytes: u64) -> std::io::Result<Self> {
        let positions = Mapping::readable(ring, PAGES * rustix::param::page_size())?;
        Ok(Self { positions, high_water: 0, bytes })
    }

    /// To be called before a record is taken.
    pub(super) fn look(&mut self) {
        // `consumer_pos` and `producer_pos` of the kernel's `struct bpf_ringbuf`.
        let consumed = self.positions.word(0).load(Ordering::Acquire);
        let produced = self.positions.word(1).load(Ordering::Acquire);
        self.high_water = self.high_water.max(produced.wrapping_sub(consumed));
    }

    /// What was seen.
    pub(super) fn stats(&self) -> BufferStats {
        BufferStats { bytes: self.bytes, high_water_bytes: self.high_water }
    }
}
