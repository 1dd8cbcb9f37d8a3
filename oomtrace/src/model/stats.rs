//! What a capture cost by its own count, and how full its buffers were: `--stats`.

use minicbor::{Decode, Encode};

/// From ready to the end of the capture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Stats {
    /// The loaded programs, by name.
    #[n(0)]
    #[cbor(default)]
    pub programs: Vec<ProgramStats>,
    /// Why runs and times of the programs are not known; `None` when they are.
    #[n(1)]
    pub uncounted_because: Option<String>,
    /// The ring.
    #[n(2)]
    pub ring: Option<BufferStats>,
    /// The candidate log.
    #[n(3)]
    pub candidate_log: Option<BufferStats>,
    /// The collector itself.
    #[n(4)]
    pub collector: CollectorStats,
}

/// One program, as the kernel counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ProgramStats {
    /// Its name in the object: `<function or event>_<how it is attached>`.
    #[n(0)]
    pub name: String,
    /// How often it ran (`bpf_prog_stats.cnt`), also for hits that were not inside an OOM.
    #[n(1)]
    pub runs: Option<u64>,
    /// Time in all its runs (`bpf_prog_stats.nsecs`), ns; the way to it and back is not in it.
    #[n(2)]
    pub time_ns: Option<u64>,
    /// Runs that the kernel skipped (`bpf_prog_stats.misses`); from Linux 5.12 on.
    #[n(3)]
    pub skipped_runs: Option<u64>,
    /// Instructions that the verifier looked at (`bpf_prog_aux.verified_insns`); from Linux 5.16 on.
    #[n(4)]
    pub verified_instructions: Option<u64>,
}

/// A buffer between the programs and the collector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BufferStats {
    /// Its size, bytes.
    #[n(0)]
    pub bytes: u64,
    /// The most that lay there unread at a time, bytes.
    #[n(1)]
    pub high_water_bytes: u64,
}

/// What the collector used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CollectorStats {
    /// How often it was woken: by the programs, or by its own timer while an episode was unfinished.
    #[n(0)]
    pub wake_ups: u64,
    /// CPU time in user mode since it was ready, ns.
    #[n(1)]
    pub user_ns: Option<u64>,
    /// CPU time in the kernel since it was ready, ns.
    #[n(2)]
    pub system_ns: Option<u64>,
    /// The most memory that it had resident, start-up included, bytes.
    #[n(3)]
    pub peak_rss_bytes: Option<u64>,
}
