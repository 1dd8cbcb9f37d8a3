//! What a candidate's points are made of, as segments of a bar.
//!
//! Takes apart what [`Contest`] takes apart, and nothing more: where the formula of the kernel is not known there is no part for
//! `oom_score_adj`, and no sum.

use crate::explain::contest::Contest;
use crate::model::SessionInfo;
use crate::model::episode::RankedCandidate;

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Anonymous memory.
    Anon,
    /// File pages.
    File,
    /// Shared memory.
    Shmem,
    /// Resident memory of a log that does not tell the kinds apart.
    Rss,
    /// Swap entries.
    Swap,
    /// Page tables.
    PageTables,
    /// Memory that the kernel counted and that is in none of the captured parts.
    Rest,
    /// `oom_score_adj`: to the left when it is negative.
    Adj,
}

impl Part {
    pub(super) const ALL: [Self; 8] =
        [Self::Anon, Self::File, Self::Shmem, Self::Rss, Self::Swap, Self::PageTables, Self::Rest, Self::Adj];

    /// The class of its colour and pattern.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::File => "file",
            Self::Shmem => "shmem",
            Self::Rss => "rss",
            Self::Swap => "swap",
            Self::PageTables => "pgtab",
            Self::Rest => "rest",
            Self::Adj => "adj",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Anon => "anonymous memory",
            Self::File => "file pages",
            Self::Shmem => "shared memory (shmem)",
            Self::Rss => "resident memory",
            Self::Swap => "in swap",
            Self::PageTables => "page tables",
            Self::Rest => "counted by the kernel, not in the captured parts",
            Self::Adj => "oom_score_adj",
        }
    }
}

/// The parts of one candidate's points, bytes of the captured machine's pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Makeup {
    /// In the order of [`Part::ALL`], without those that are zero or not known. Only `Adj` can be negative.
    pub(super) parts: Vec<(Part, i64)>,
    /// The memory that counts, bytes: exact where there are points. `None`: cannot be told.
    pub(super) memory: Option<i64>,
    /// The sum, bytes; `None`: not scored, or its points are no pages.
    pub(super) points: Option<i64>,
}

impl Makeup {
    pub(super) fn of(candidate: &RankedCandidate, contest: &Contest<'_>, info: &SessionInfo) -> Self {
        let bytes = |pages: i64| pages.saturating_mul(i64::from(info.page_size));
        let size =
            |pages: Option<u64>| pages.map(|pages| i64::try_from(info.bytes(pages)).unwrap_or(i64::MAX));
        let scored = candidate.points();
        let memory = contest.memory(candidate.task.pid).map(bytes);
        let points = scored.filter(|_| memory.is_some()).map(bytes);
        let parts = candidate.memory.unwrap_or_default();
        let kinds = match parts.rss_pages {
            Some(pages) => [(Part::Rss, Some(pages)), (Part::File, None), (Part::Shmem, None)],
            None => [
                (Part::Anon, parts.rss_anon_pages),
                (Part::File, parts.rss_file_pages),
                (Part::Shmem, parts.rss_shmem_pages),
            ],
        };
        let mut all: Vec<(Part, i64)> =
            kinds.into_iter().filter_map(|(part, pages)| Some((part, size(pages)?))).collect();
        all.extend(size(parts.swap_entries).map(|swap| (Part::Swap, swap)));
        let tables = parts.pgtables_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        all.extend(tables.map(|tables| (Part::PageTables, tables)));
        let known = all.iter().fold(0_i64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        // Without any part there is nothing that it could be the rest of.
        all.extend(memory.map(|memory| (Part::Rest, memory.saturating_sub(known).max(0))));
        all.extend(points.zip(memory).map(|(points, memory)| (Part::Adj, points.saturating_sub(memory))));
        all.retain(|(_, bytes)| *bytes != 0);
        Self { parts: all, memory, points }
    }

    /// How far the bar goes to the left and to the right of zero.
    pub(super) fn span(&self) -> (i64, i64) {
        self.parts.iter().fold((0, 0), |(left, right), (_, bytes)| {
            if *bytes < 0 {
                (left.saturating_add(*bytes), right)
            } else {
                (left, right.saturating_add(*bytes))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

    #[test]
    fn the_parts_add_up_to_the_points() {
        let info = made_up::info();
        for (name, observations) in made_up::scenarios() {
            for episode in made_up::assemble(&info, &observations) {
                let contest = Contest::new(&episode, &info);
                for candidate in &episode.candidates {
                    let makeup = Makeup::of(candidate, &contest, &info);
                    let Some(points) = makeup.points else {
                        assert!(makeup.parts.iter().all(|(part, _)| *part != Part::Adj), "{name}");
                        continue;
                    };
                    let exact = candidate.explained.is_some_and(|explained| explained.difference >= 0);
                    let sum: i64 = makeup.parts.iter().map(|(_, bytes)| bytes).sum();
                    assert!(!exact || sum == points, "{name}: {makeup:?}");
                    let (left, right) = makeup.span();
                    assert_eq!(left + right, sum);
                }
            }
        }
    }
}
