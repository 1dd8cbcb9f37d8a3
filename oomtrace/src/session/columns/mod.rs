//! Runs of candidates, field by field instead of task by task.
//!
//! Nearly all of a recording is candidates. Side by side, the values of one field are small numbers that resemble each other:
//! a run takes a quarter of what its tasks take one by one, is read several times as fast, and compresses better.
//! `docs/session-format.md` spells the columns out. Written by [`write`], read by [`read`](mod@read); here is what both agree on.
//!
//! Nothing is lost; a run that does not fit (a counter of 2^64 - 1, which no kernel has) is written task by task.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub(super) use read::{Column, read};
pub(super) use write::Writer;

use crate::model::observation::Memory;

/// Runs shorter than this gain nothing.
pub(super) const LEAST: usize = 8;

/// Keys of the map beside those of the columns.
mod key {
    pub(super) const AT: u32 = 0;
    pub(super) const FIRST: u32 = 1;
    pub(super) const COUNT: u32 = 2;
    /// Of the first column; the others follow in the order of [`column`](super::column).
    pub(super) const COLUMNS: u32 = 3;
}

/// Positions of the columns.
mod column {
    pub(super) const STATE: usize = 0;
    pub(super) const PID: usize = 1;
    pub(super) const TID: usize = 2;
    pub(super) const COMM: usize = 3;
    pub(super) const NAMES: usize = 4;
    pub(super) const UID: usize = 5;
    pub(super) const ADJ: usize = 6;
    pub(super) const CGROUP: usize = 7;
    pub(super) const ANON: usize = 8;
    pub(super) const FILE: usize = 9;
    pub(super) const SHMEM: usize = 10;
    pub(super) const SWAP: usize = 11;
    pub(super) const PGTABLES: usize = 12;
    pub(super) const TOTAL_VM: usize = 13;
    pub(super) const POINTS: usize = 14;
    /// Of those of whose RSS no kind is known.
    pub(super) const RSS: usize = 15;
    /// How many there are.
    pub(super) const ALL: usize = 16;
}

/// Bits of a state: two for the kind of score, then these, then the flags.
mod state {
    pub(super) const SCORE: u64 = 0b11;
    pub(super) const NOT_SCORED: u64 = 0;
    pub(super) const UNKILLABLE: u64 = 1;
    pub(super) const POINTS: u64 = 2;
    pub(super) const UNKNOWN: u64 = 3;
    pub(super) const MEMORY: u64 = 1 << 2;
    pub(super) const TID: u64 = 1 << 3;
    pub(super) const FLAGS: u32 = 4;
}

/// Bytes of which page tables are made, as far as the file is concerned: other sizes are stored as well, in more bytes.
const PAGE: u64 = 4096;

/// Small numbers of either sign as small numbers.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Points, told from what they are made of: of the tasks of one run that have the same `oom_score_adj`, memory makes the
/// difference. Where that is not so, it costs bytes and nothing else.
#[derive(Debug)]
struct Points {
    /// What was on top of memory, for each adjustment.
    on_top: Box<[i64; 2002]>,
}

impl Default for Points {
    fn default() -> Self {
        Self { on_top: Box::new([0; 2002]) }
    }
}

impl Points {
    fn forget(&mut self) {
        self.on_top.fill(0);
    }

    /// How far `points` are from what was to be expected.
    fn surprise(&mut self, points: i64, memory: &Memory, adj: Option<i16>) -> i64 {
        let on_top = self.of(adj);
        let rest = points.wrapping_sub(sum(memory));
        rest.wrapping_sub(std::mem::replace(on_top, rest))
    }

    /// The points, from what [`Points::surprise`] gave.
    fn points(&mut self, surprise: i64, memory: &Memory, adj: Option<i16>) -> i64 {
        let on_top = self.of(adj);
        *on_top = on_top.wrapping_add(surprise);
        on_top.wrapping_add(sum(memory))
    }

    fn of(&mut self, adj: Option<i16>) -> &mut i64 {
        let position = adj.and_then(|adj| usize::try_from(i32::from(adj) + 1000).ok()).unwrap_or(2001);
        &mut self.on_top[position.min(2001)]
    }
}

/// Pages that count; what is not known is not counted.
fn sum(memory: &Memory) -> i64 {
    let pgtables = memory.pgtables_bytes.map(|bytes| bytes / PAGE);
    let parts =
        [memory.rss_anon_pages, memory.rss_file_pages, memory.rss_shmem_pages, memory.swap_entries, pgtables];
    parts.into_iter().flatten().fold(0, u64::wrapping_add).cast_signed()
}
