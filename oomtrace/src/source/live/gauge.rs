//! How full rings have been, read off their positions in memory: nothing in the kernel counts it.
//!
//! What lies unread only becomes less when the collector takes a record. Looking before each take therefore finds the most that
//! ever lay there, but for what comes between the look and the take, which the next look finds less one record.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use super::mapping::Mapping;
use crate::model::stats::BufferStats;

/// The first page of a ring's mapping is the consumer's, the second the producer's; each begins with a position.
const PAGES: usize = 2;

/// Looks at rings that somebody else reads.
#[derive(Default)]
pub(super) struct Gauge {
    positions: Vec<Mapping>,
    high_water: u64,
    bytes: u64,
}

impl Gauge {
    /// Looks at the ring of `bytes` bytes behind this descriptor, too.
    pub(super) fn add(&mut self, ring: BorrowedFd<'_>, bytes: u64) -> std::io::Result<()> {
        self.positions.push(Mapping::readable(ring, PAGES * rustix::param::page_size())?);
        self.bytes += bytes;
        Ok(())
    }

    /// To be called before a record is taken.
    pub(super) fn look(&mut self) {
        let unread = self.positions.iter().map(|positions| {
            // `consumer_pos` and `producer_pos` of the kernel's `struct bpf_ringbuf`.
            let consumed = positions.word(0).load(Ordering::Acquire);
            positions.word(1).load(Ordering::Acquire).wrapping_sub(consumed)
        });
        self.high_water = self.high_water.max(unread.sum());
    }

    /// What was seen, of all together.
    pub(super) fn stats(&self) -> BufferStats {
        BufferStats { bytes: self.bytes, high_water_bytes: self.high_water }
    }
}
