//! Losses that no record can carry: what the programs counted, and runs that the kernel skipped.

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use oomtrace_common::record::loss;

use super::fdinfo;
use crate::model::observation::Lost;

/// The counters of a running capture.
pub struct Losses {
    counters: PerCpuArray<MapData, u64>,
    programs: Vec<fdinfo::Open>,
}

impl Losses {
    /// Over the programs' `LOSS` map and the descriptors of those programs that only run inside an episode.
    pub(super) fn new(map: Map, program_fds: &[i32]) -> Result<Self, MapError> {
        let programs = program_fds.iter().filter_map(|&fd| fdinfo::Open::of(fd)).collect();
        Ok(Self { counters: PerCpuArray::try_from(map)?, programs })
    }

    /// What the programs lost outside of what episodes report themselves. To be read once the programs are gone: nothing is
    /// added then.
    #[must_use]
    pub fn counted(&self) -> Lost {
        let sum = |index| {
            self.counters
                .get(&index, 0)
                .map_or(0, |cpus| cpus.iter().fold(0u64, |sum, n| sum.saturating_add(*n)))
        };
        let closing = sum(loss::CLOSING);
        Lost {
            candidates: sum(loss::CANDIDATES),
            records: sum(loss::RECORDS).saturating_add(closing),
            reads: sum(loss::READS),
            victims: sum(loss::VICTIMS),
            unclosed: sum(loss::UNCLOSED).saturating_add(closing),
            ..Lost::default()
        }
    }

    /// Runs that the kernel skipped because a program was running on that CPU already: `recursion_misses` in the programs'
    /// fdinfo, which is there from 5.12 on; `None` before. To be read while the programs are there.
    #[must_use]
    pub fn missed_runs(&self) -> Option<u64> {
        let of_each = self.programs.iter().filter_map(|program| program.read()?.counter("recursion_misses"));
        of_each.reduce(u64::saturating_add)
    }
}
