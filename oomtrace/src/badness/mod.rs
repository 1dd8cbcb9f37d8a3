//! The kernel's scoring formula, for checking and explaining its points. It never replaces what the kernel said.
//!
//! Covers `oom_badness()` of Linux 5.9 and later. Pure arithmetic: no clock, no I/O, no panics on any input.

mod select;

use crate::model::episode::Explained;
use crate::model::observation::Memory;

pub use select::choose;

/// Whether this formula is the one of the kernel with that release (`uname -r`): 5.9 and later.
#[must_use]
pub fn applies_to(kernel_release: &str) -> bool {
    let mut numbers = kernel_release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(5)), Some(Ok(minor))) => minor >= 9,
        (Some(Ok(major)), _) => major > 5,
        _ => false,
    }
}

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
    let parts = [
        memory.rss_anon_pages?,
        memory.rss_file_pages?,
        memory.rss_shmem_pages?,
        memory.swap_entries?,
        memory.pgtables_bytes? / u64::from(page_size),
    ];
    Some(clamp(parts.iter().map(|&pages| i128::from(pages)).sum()))
}

/// Points from the parts, pages. `None` when a part is missing.
#[must_use]
pub fn points(memory: &Memory, oom_score_adj: i16, totalpages: u64, page_size: u32) -> Option<i64> {
    let memory = memory_pages(memory, page_size)?;
    Some(memory.saturating_add(adj_pages(oom_score_adj, totalpages)))
}

/// Sets the kernel's points beside ours. `None` when a part is missing.
#[must_use]
pub fn explain(
    kernel_points: i64,
    memory: &Memory,
    oom_score_adj: i16,
    totalpages: u64,
    page_size: u32,
) -> Option<Explained> {
    let ours = points(memory, oom_score_adj, totalpages, page_size)?;
    Some(Explained {
        points: ours,
        difference: kernel_points.saturating_sub(ours),
        memory_pages: memory_part(kernel_points, oom_score_adj, totalpages),
    })
}

/// What a person calls the score: points per thousand of `totalpages`, rounded towards zero. `None` when the scale is 0.
#[must_use]
pub fn share(points: i64, totalpages: u64) -> Option<i64> {
    (i128::from(points) * 1000).checked_div(i128::from(totalpages)).map(clamp)
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

/// Sums beyond what the kernel's `long` holds do not occur on real machines; a damaged number must not wrap either.
fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
