//! The kernel's scoring formula (5.9 and later), applied to a row of the kernel's own task table.

use super::report::Row;

/// Bytes in a page on x86-64, and on Debian's arm64, where all of this runs.
pub const PAGE_BYTES: u64 = 4096;

/// The memory part of a row's points: rss, swap and page tables, in pages.
pub fn memory_pages(row: &Row) -> i64 {
    row.rss + row.swapents + row.pgtables_bytes / PAGE_BYTES.cast_signed()
}

/// The points of a row, or `None` for one that must not be killed.
///
/// `totalpages / 1000` is an integer division, in the kernel as here.
pub fn points(row: &Row, totalpages: u64) -> Option<i64> {
    const OOM_SCORE_ADJ_MIN: i32 = -1000;
    if row.oom_score_adj == OOM_SCORE_ADJ_MIN {
        return None;
    }
    let adj = i64::from(row.oom_score_adj) * (totalpages / 1000).cast_signed();
    Some(memory_pages(row) + adj)
}
