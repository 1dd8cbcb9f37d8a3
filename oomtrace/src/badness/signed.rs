//! Linux 5.9 and later: signed points in pages, of which none are cut off (`oom_badness()`, `mm/oom_kill.c`).
//!
//! The other eras are in the files beside this one; what an adjustment weighs and what memory counts is the same there from
//! 3.5 on.

use crate::model::episode::{Cause, Explained};
use crate::model::observation::Memory;

use super::clamp;

/// What the adjustment adds to the points, pages: `oom_score_adj * (totalpages / 1000)`. The division comes first and cuts
/// off: below 1000 pages (4 MiB) the adjustment has no effect.
#[must_use]
pub fn adj_pages(oom_score_adj: i16, totalpages: u64) -> i64 {
    clamp(i128::from(oom_score_adj) * i128::from(totalpages / 1000))
}

/// The part of the kernel's points that is memory, pages: the very number that the kernel used, whatever was captured.
#[must_use]
pub fn memory_part(points: i64, oom_score_adj: i16, totalpages: u64) -> i64 {
    clamp(i128::from(points) - i128::from(oom_score_adj) * i128::from(totalpages / 1000))
}

/// Memory that the formula counts, pages: RSS, swap entries and whole pages of page tables. `None` when a part is
/// missing.
#[must_use]
pub fn memory_pages(memory: &Memory, page_size: u32) -> Option<i64> {
    if page_size == 0 {
        return None;
    }
    let parts =
        [memory.resident_pages()?, memory.swap_entries?, memory.pgtables_bytes? / u64::from(page_size)];
    Some(clamp(parts.iter().map(|&pages| i128::from(pages)).sum()))
}

/// Points from the parts, pages. `None` when a part is missing.
#[must_use]
pub fn points(memory: &Memory, oom_score_adj: i16, totalpages: u64, page_size: u32) -> Option<i64> {
    let memory = memory_pages(memory, page_size)?;
    Some(memory.saturating_add(adj_pages(oom_score_adj, totalpages)))
}

/// Sets the kernel's points beside ours, when nothing else is known of the kernel: [`Kernel::explain`](super::Kernel::explain)
/// also knows a likely cause. `None` when a part is missing.
#[must_use]
pub fn explain(
    kernel_points: i64,
    memory: &Memory,
    oom_score_adj: i16,
    totalpages: u64,
    page_size: u32,
) -> Option<Explained> {
    let ours = points(memory, oom_score_adj, totalpages, page_size)?;
    let difference = kernel_points.saturating_sub(ours);
    Some(Explained {
        points: ours,
        difference,
        memory_pages: memory_part(kernel_points, oom_score_adj, totalpages),
        cause: (difference != 0).then_some(Cause::Unknown),
    })
}

/// What a person calls the score: points per thousand of `totalpages`, rounded towards zero. `None` when the scale is 0.
#[must_use]
pub fn share(points: i64, totalpages: u64) -> Option<i64> {
    match (points.checked_mul(1000), i64::try_from(totalpages)) {
        // All that real machines have, and much cheaper to divide.
        (Some(thousandths), Ok(totalpages)) => thousandths.checked_div(totalpages),
        _ => (i128::from(points) * 1000).checked_div(i128::from(totalpages)).map(clamp),
    }
}

/// The highest `oom_score_adj` at which a task of `memory` pages would score `limit` points or less. `None` when no
/// adjustment between -999 and 1000 does, or adjustments have no effect.
#[must_use]
pub fn highest_adj_within(memory: i64, limit: i64, totalpages: u64) -> Option<i16> {
    let scale = i128::from(totalpages / 1000);
    if scale == 0 {
        return None;
    }
    let adj = (i128::from(limit) - i128::from(memory)).div_euclid(scale).min(1000);
    if adj < -999 { None } else { i16::try_from(adj).ok() }
}

#[cfg(test)]
#[path = "signed_tests.rs"]
mod tests;
