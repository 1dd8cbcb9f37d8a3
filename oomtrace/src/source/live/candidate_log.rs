//! The candidate log: entries that the programs wrote and a record on the ring told of, read where they lie.
//!
//! The kernel writes an entry only while it is free, and hears from here which ones are: a candidate is copied once, out of memory
//! that both sides see. What was told of is handed on in records of one batch each, as [`crate::decode`] takes them.

use std::io;
use std::os::fd::AsFd as _;

use aya::maps::{Array, MapData};
use oomtrace_common::record::{BATCH, BatchHeader, Header, Logged, Task, kind};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::model::stats::BufferStats;

/// The consumer's end of the log.
pub(super) struct CandidateLog {
    entries: *mut libc::c_void,
    bytes: usize,
    /// A power of two.
    size: u64,
    /// Tells the programs how many entries have been read.
    read: Array<MapData, u64>,
    /// What is left to be read of the scan that was told of last.
    left: Option<Left>,
    /// Where the next entry will be read.
    next: u64,
    /// Where that was when all that had been told of was read last: what was written while the collector slept, was written then.
    asleep: u64,
    /// The most entries that were there unread.
    high_water: u64,
}

/// A part of the log.
struct Left {
    header: Header,
    position: u64,
    count: u64,
    /// Position in the scan.
    first: u32,
}

// SAFETY: the mapping belongs to this value alone, and is only read.
unsafe impl Send for CandidateLog {}

impl CandidateLog {
    /// Over the map of `size` entries and one more.
    pub(super) fn new(log: &MapData, read: Array<MapData, u64>, size: u64) -> io::Result<Self> {
        let page_size = rustix::param::page_size();
        let bytes = usize::try_from(size + 1)
            .ok()
            .and_then(|entries| entries.checked_mul(size_of::<Task>())?.checked_next_multiple_of(page_size))
            .ok_or_else(|| io::Error::other("the candidate log is larger than the address space"))?;
        // SAFETY: a new mapping, where the kernel likes.
        let entries = unsafe {
            mmap(std::ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, log.fd().as_fd(), 0)
        }?;
        Ok(Self { entries, bytes, size, read, left: None, next: 0, asleep: 0, high_water: 0 })
    }

    /// All that was told of has been read, and there is nothing more on the ring.
    pub(super) fn all_read(&mut self) {
        self.asleep = self.next;
    }

    /// How full it was, at most.
    pub(super) fn level(&self) -> BufferStats {
        let entry = size_of::<Task>() as u64;
        BufferStats {
            bytes: self.size.saturating_mul(entry),
            high_water_bytes: self.high_water.min(self.size).saturating_mul(entry),
        }
    }

    /// Takes a record that may tell of entries; false if it does not.
    pub(super) fn told(&mut self, record: &[u8]) -> bool {
        use core::mem::offset_of;
        let u64_at = |at: usize| Some(u64::from_ne_bytes(*record.get(at..)?.first_chunk()?));
        let u32_at = |at: usize| Some(u32::from_ne_bytes(*record.get(at..)?.first_chunk()?));
        let u16_at = |at: usize| Some(u16::from_ne_bytes(*record.get(at..)?.first_chunk()?));
        if u16_at(offset_of!(Header, kind)) != Some(kind::LOGGED) || record.len() != size_of::<Logged>() {
            return false;
        }
        let (Some(position), Some(count), Some(boot_ns), Some(episode)) = (
            u64_at(offset_of!(Logged, position)),
            u32_at(offset_of!(Logged, count)),
            u64_at(offset_of!(Header, boot_ns)),
            u64_at(offset_of!(Header, episode)),
        ) else {
            return false;
        };
        let header = Header { kind: kind::CANDIDATES, reserved: 0, len: 0, boot_ns, episode };
        let count = u64::from(count).min(self.size);
        self.next = position.saturating_add(count);
        self.high_water = self.high_water.max(self.next.saturating_sub(self.asleep));
        self.left = Some(Left { header, position, count, first: 0 });
        true
    }

    /// The next batch of what was told of, as a record; `None` when all has been read, which the programs are then told.
    pub(super) fn next_batch(&mut self) -> Option<Vec<u8>> {
        let mut left = self.left.take()?;
        let batch = left.next_batch(self.size, |start, count, to| self.copy(start, count, to));
        if batch.is_some() {
            self.left = Some(left);
        } else if let Err(error) = self.read.set(0, left.position, 0) {
            log::warn!("the programs cannot be told what has been read: {error}");
        }
        batch
    }

    /// Copies entries out.
    fn copy(&self, start: u64, count: u64, to: &mut Vec<u8>) {
        let (start, len) = (start as usize * size_of::<Task>(), count as usize * size_of::<Task>());
        debug_assert!(start + len <= self.bytes);
        // SAFETY: the range lies within the mapping, and the programs do not write to entries that they told of until they
        // hear that those have been read.
        to.extend_from_slice(unsafe {
            std::slice::from_raw_parts(self.entries.cast::<u8>().cast_const().add(start), len)
        });
    }
}

impl Left {
    /// Takes up to a batch away, as a record; `copy` gets the place of the first entry in the log of `size` and how many.
    fn next_batch(&mut self, size: u64, copy: impl Fn(u64, u64, &mut Vec<u8>)) -> Option<Vec<u8>> {
        let count = self.count.min(BATCH as u64);
        if count == 0 {
            return None;
        }
        let header = Header {
            len: (size_of::<BatchHeader>() + count as usize * size_of::<Task>()) as u32,
            ..self.header
        };
        let mut record = Vec::with_capacity(header.len as usize);
        record.extend(header.kind.to_ne_bytes());
        record.extend(header.reserved.to_ne_bytes());
        record.extend(header.len.to_ne_bytes());
        record.extend(header.boot_ns.to_ne_bytes());
        record.extend(header.episode.to_ne_bytes());
        record.extend(self.first.to_ne_bytes());
        record.extend((count as u32).to_ne_bytes());
        let start = self.position & (size - 1);
        // What does not fit at the end lies at the beginning.
        let until_end = count.min(size - start);
        copy(start, until_end, &mut record);
        copy(0, count - until_end, &mut record);
        self.position += count;
        self.count -= count;
        self.first += count as u32;
        Some(record)
    }
}

impl Drop for CandidateLog {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from the mapping any more. Failing would only leave it mapped.
        let _ = unsafe { munmap(self.entries, self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_comes_in_batches_across_the_end_of_the_log() {
        let header = Header { kind: kind::CANDIDATES, reserved: 0, len: 0, boot_ns: 7, episode: 3 };
        let (size, position) = (1024, 5 * 1024 + 900);
        let mut left = Left { header, position, count: 600, first: 0 };
        // Every entry is its own place, in all bytes.
        let copy = |start: u64, count: u64, to: &mut Vec<u8>| {
            for place in start..start + count {
                to.extend([place as u8; size_of::<Task>()]);
            }
        };
        let mut place = position % size;
        for (first, count) in [(0, 512), (512, 88)] {
            let record = left.next_batch(size, copy).unwrap();
            assert_eq!(record.len(), size_of::<BatchHeader>() + count * size_of::<Task>());
            assert_eq!(record[4..8], (record.len() as u32).to_ne_bytes());
            assert_eq!(record[24..28], u32::to_ne_bytes(first));
            for task in record[size_of::<BatchHeader>()..].chunks(size_of::<Task>()) {
                assert_eq!(task, [place as u8; size_of::<Task>()]);
                place = (place + 1) % size;
            }
        }
        assert_eq!(left.next_batch(size, copy), None);
        assert_eq!(left.position, position + 600);
    }
}
