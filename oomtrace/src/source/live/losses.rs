//! Losses that no record can carry: what the programs counted, and runs that the kernel skipped.

use std::fs;

use aya::maps::{Map, MapData, MapError, PerCpuArray};
use oomtrace_common::record::loss;

use crate::model::observation::Lost;

/// The counters of a running capture.
pub struct Losses {
    counters: PerCpuArray<MapData, u64>,
    program_fds: Vec<i32>,
}

impl Losses {
    /// Over the programs' `LOSS` map and the descriptors of the programs.
    pub(super) fn new(map: Map, program_fds: Vec<i32>) -> Result<Self, MapError> {
        Ok(Self { counters: PerCpuArray::try_from(map)?, program_fds })
    }

    /// What has been lost so far outside of what episodes report themselves.
    #[must_use]
    pub fn read(&self) -> Lost {
        let sum = |index| {
            self.counters
                .get(&index, 0)
                .map_or(0, |cpus| cpus.iter().fold(0u64, |sum, n| sum.saturating_add(*n)))
        };
        let closing = sum(loss::CLOSING);
        Lost {
            candidates: sum(loss::CANDIDATES),
            records: sum(loss::RECORDS).saturating_add(closing),
            unclosed: closing,
            missed_runs: self.missed_runs(),
            ..Lost::default()
        }
    }

    /// Runs of the programs that the kernel skipped because one was running on that CPU already: `recursion_misses` in the
    /// programs' fdinfo, from 5.12 on.
    fn missed_runs(&self) -> u64 {
        self.program_fds
            .iter()
            .filter_map(|fd| {
                let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
                let line = info.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?;
                line.trim().parse::<u64>().ok()
            })
            .fold(0, u64::saturating_add)
    }
}
