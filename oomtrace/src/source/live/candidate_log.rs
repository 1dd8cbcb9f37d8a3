//! The candidate log: entries that the programs wrote and a record on the ring told of, read where they lie.
//!
//! The kernel writes an entry only while it is free, and hears from here which ones are: a candidate is copied once, out of memory
//! that both sides see. What was told of is handed on in records of one batch each, as [`crate::decode`] takes them, with the points
//! where they belong: in the log, a candidate's are in the entry of the next one.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;

use aya::maps::MapData;
use oomtrace_common::record::{BATCH, BatchHeader, Header, Logged, NOT_SCORED, Task, flag, kind};

use super::mapping::Mapping;
use crate::model::stats::BufferStats;

/// The consumer's end of the log.
pub(super) struct CandidateLog {
    entries: Mapping,
    /// A power of two.
    size: u64,
    /// Tells the programs how many entries have been read.
    read: Mapping,
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
    /// Points of the last one.
    last_points: i64,
}

impl CandidateLog {
    /// Over the map of `size` entries and one more, and the map that holds how many have been read.
    pub(super) fn new(log: &MapData, read: &MapData, size: u64) -> io::Result<Self> {
        let page_size = rustix::param::page_size();
        let bytes = usize::try_from(size + 1)
            .ok()
            .and_then(|entries| entries.checked_mul(size_of::<Task>())?.checked_next_multiple_of(page_size))
            .ok_or_else(|| io::Error::other("the candidate log is larger than the address space"))?;
        let entries = Mapping::readable(log.fd().as_fd(), bytes)?;
        let read = Mapping::writable(read.fd().as_fd(), page_size)?;
        Ok(Self { entries, size, read, left: None, next: 0, asleep: 0, high_water: 0 })
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
        let (Some(position), Some(count), Some(last_points), Some(boot_ns), Some(episode)) = (
            u64_at(offset_of!(Logged, position)),
            u32_at(offset_of!(Logged, count)),
            u64_at(offset_of!(Logged, last_points)),
            u64_at(offset_of!(Header, boot_ns)),
            u64_at(offset_of!(Header, episode)),
        ) else {
            return false;
        };
        let header = Header { kind: kind::CANDIDATES, reserved: 0, len: 0, boot_ns, episode };
        let count = u64::from(count).min(self.size);
        self.next = position.saturating_add(count);
        self.high_water = self.high_water.max(self.next.saturating_sub(self.asleep));
        self.left = Some(Left { header, position, count, first: 0, last_points: last_points.cast_signed() });
        true
    }

    /// The next batch of what was told of, as a record; `None` when all has been read, which the programs are then told.
    pub(super) fn next_batch(&mut self) -> Option<Vec<u8>> {
        let mut left = self.left.take()?;
        let batch = left.next_batch(self.size, |start, count, to| self.copy(start, count, to));
        if batch.is_some() {
            self.left = Some(left);
        } else {
            // Behind the copies: what is free may be overwritten at once.
            self.read.word(0).store(left.position, Ordering::Release);
        }
        batch
    }

    /// Copies entries out.
    fn copy(&self, start: u64, count: u64, to: &mut Vec<u8>) {
        let (start, len) = (start as usize * size_of::<Task>(), count as usize * size_of::<Task>());
        // SAFETY: the programs do not write to entries that they told of until they hear that those have been read.
        to.extend_from_slice(unsafe { self.entries.bytes(start, len) });
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
        let tasks = record.len();
        copy(start, until_end, &mut record);
        copy(0, count - until_end, &mut record);
        self.position += count;
        self.count -= count;
        self.first += count as u32;
        let next = if self.count == 0 {
            self.last_points
        } else {
            let mut next = Vec::with_capacity(size_of::<Task>());
            copy(self.position & (size - 1), 1, &mut next);
            points(&next)
        };
        put_points(&mut record[tasks..], next);
        Some(record)
    }
}

/// The points in an entry.
fn points(task: &[u8]) -> i64 {
    let at = core::mem::offset_of!(Task, points);
    task.get(at..).and_then(<[u8]>::first_chunk).map_or(NOT_SCORED, |bytes| i64::from_ne_bytes(*bytes))
}

/// Gives each of `tasks` the points that are in the next one, and the last one `next`.
fn put_points(tasks: &mut [u8], next: i64) {
    use core::mem::offset_of;
    let mut next = next;
    for task in tasks.chunks_exact_mut(size_of::<Task>()).rev() {
        let own = next;
        next = points(task);
        let flags = &mut task[offset_of!(Task, flags)..][..size_of::<u16>()];
        let mut bits = u16::from_ne_bytes([flags[0], flags[1]]) & !flag::SCORED;
        if own != NOT_SCORED {
            bits |= flag::SCORED;
        }
        flags.copy_from_slice(&bits.to_ne_bytes());
        let own = if own == NOT_SCORED { 0 } else { own };
        task[offset_of!(Task, points)..][..size_of::<i64>()].copy_from_slice(&own.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    /// An entry of the log: of the task at `place`, with the points of the one before.
    fn entry(place: u64, before: i64) -> [u8; size_of::<Task>()] {
        let mut task = [place as u8; size_of::<Task>()];
        let put = |task: &mut [u8], at: usize, bytes: &[u8]| task[at..][..bytes.len()].copy_from_slice(bytes);
        put(&mut task, offset_of!(Task, points), &before.to_ne_bytes());
        put(&mut task, offset_of!(Task, flags), &flag::EXITING.to_ne_bytes());
        task
    }

    /// Points of the task at `place`: some have none.
    fn points_of(place: u64) -> i64 {
        if place.is_multiple_of(7) { NOT_SCORED } else { place as i64 - 500 }
    }

    #[test]
    fn a_scan_comes_in_batches_across_the_end_of_the_log_with_the_points_where_they_belong() {
        let header = Header { kind: kind::CANDIDATES, reserved: 0, len: 0, boot_ns: 7, episode: 3 };
        let (size, position) = (1024, 5 * 1024 + 900);
        let mut left = Left { header, position, count: 600, first: 0, last_points: -1 };
        let copy = |start: u64, count: u64, to: &mut Vec<u8>| {
            for place in start..start + count {
                to.extend(entry(place, points_of((place + size - 1) % size)));
            }
        };
        let mut place = position % size;
        for (first, count) in [(0, 512), (512, 88)] {
            let record = left.next_batch(size, copy).unwrap();
            assert_eq!(record.len(), size_of::<BatchHeader>() + count * size_of::<Task>());
            assert_eq!(record[4..8], (record.len() as u32).to_ne_bytes());
            assert_eq!(record[24..28], u32::to_ne_bytes(first));
            for (i, task) in record[size_of::<BatchHeader>()..].chunks(size_of::<Task>()).enumerate() {
                let last = first == 512 && i == 87;
                let points = if last { -1 } else { points_of(place) };
                let mut expected = entry(place, if points == NOT_SCORED { 0 } else { points });
                let scored = if points == NOT_SCORED { 0 } else { flag::SCORED };
                expected[offset_of!(Task, flags)..][..2]
                    .copy_from_slice(&(flag::EXITING | scored).to_ne_bytes());
                assert_eq!(task, expected, "place {place}");
                place = (place + 1) % size;
            }
        }
        assert_eq!(left.next_batch(size, copy), None);
        assert_eq!(left.position, position + 600);
    }
}
