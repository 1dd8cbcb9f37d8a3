//! What the capture cost, in the last line and in `oomtrace info`.

use serde::Serialize;

use crate::model::Stats;
use crate::model::stats::{BufferStats, CollectorStats, ProgramStats};

#[derive(Serialize)]
pub(crate) struct StatsJson<'a> {
    programs: Vec<ProgramJson<'a>>,
    uncounted_because: Option<&'a str>,
    ring: Option<BufferJson>,
    candidate_log: Option<BufferJson>,
    collector: CollectorJson,
}

#[derive(Serialize)]
struct ProgramJson<'a> {
    name: &'a str,
    runs: Option<u64>,
    time_ns: Option<u64>,
    skipped_runs: Option<u64>,
    verified_instructions: Option<u64>,
}

#[derive(Serialize)]
struct BufferJson {
    bytes: u64,
    high_water_bytes: u64,
}

#[derive(Serialize)]
struct CollectorJson {
    wake_ups: u64,
    user_ns: Option<u64>,
    system_ns: Option<u64>,
    peak_rss_bytes: Option<u64>,
}

impl<'a> From<&'a Stats> for StatsJson<'a> {
    fn from(stats: &'a Stats) -> Self {
        let Stats { programs, uncounted_because, ring, candidate_log, collector } = stats;
        let &CollectorStats { wake_ups, user_ns, system_ns, peak_rss_bytes } = collector;
        Self {
            programs: programs.iter().map(ProgramJson::from).collect(),
            uncounted_because: uncounted_because.as_deref(),
            ring: ring.map(BufferJson::from),
            candidate_log: candidate_log.map(BufferJson::from),
            collector: CollectorJson { wake_ups, user_ns, system_ns, peak_rss_bytes },
        }
    }
}

impl<'a> From<&'a ProgramStats> for ProgramJson<'a> {
    fn from(program: &'a ProgramStats) -> Self {
        let ProgramStats { name, runs, time_ns, skipped_runs, verified_instructions } = program;
        Self {
            name,
            runs: *runs,
            time_ns: *time_ns,
            skipped_runs: *skipped_runs,
            verified_instructions: *verified_instructions,
        }
    }
}

impl From<BufferStats> for BufferJson {
    fn from(BufferStats { bytes, high_water_bytes }: BufferStats) -> Self {
        Self { bytes, high_water_bytes }
    }
}
