//! What the capture costs: the kernel's statistics of the programs, and the collector's own use of the machine.
//!
//! The kernel counts runs and time of BPF programs only while somebody asks for it, because it costs something on every run:
//! [`Meter::start`] asks, and dropping the meter ends it.

use std::fs;
use std::os::fd::{OwnedFd, RawFd};

use super::fdinfo;
use super::load::explain;
use crate::model::stats::{CollectorStats, ProgramStats, Stats};

/// A loaded program: its name in the object, and a descriptor that is open for as long as the capture.
pub type Loaded = (String, RawFd);

/// A program whose counters are looked at.
struct Metered {
    name: String,
    /// `None` when they cannot be read.
    info: Option<fdinfo::Open>,
}

/// Counts from its start on.
pub struct Meter {
    programs: Vec<Metered>,
    before: Vec<ProgramStats>,
    /// Why the kernel does not count; `None` when it does.
    uncounted_because: Option<String>,
    cpu_before: Option<Cpu>,
    wake_ups: u64,
    /// Makes the kernel count for as long as it is open.
    _counting: Option<OwnedFd>,
}

impl Meter {
    /// Makes the kernel count, and notes where its counters and this process's stand.
    pub(super) fn start(mut programs: Vec<Loaded>) -> Self {
        programs.sort();
        let (counting, uncounted_because) = match aya::sys::enable_stats(aya::sys::Stats::RunTime) {
            Ok(fd) => (Some(fd), None),
            // Somebody else may have switched it on for everybody.
            Err(_) if switched_on() => (None, None),
            Err(error) => (None, Some(format!("BPF_ENABLE_STATS: {}", explain(&error)))),
        };
        let programs: Vec<Metered> =
            programs.into_iter().map(|(name, fd)| Metered { name, info: fdinfo::Open::of(fd) }).collect();
        let before = programs.iter().map(read).collect();
        Self {
            programs,
            before,
            uncounted_because,
            cpu_before: Cpu::used(),
            wake_ups: 0,
            _counting: counting,
        }
    }

    /// The collector was woken.
    pub fn woken(&mut self) {
        self.wake_ups += 1;
    }

    /// What came together, without the buffers. To be called while the programs are there.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counted = self.uncounted_because.is_none();
        let since = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
        let programs = self.programs.iter().zip(&self.before).map(|(program, before)| {
            let now = read(program);
            ProgramStats {
                runs: since(now.runs, before.runs).filter(|_| counted),
                time_ns: since(now.time_ns, before.time_ns).filter(|_| counted),
                skipped_runs: since(now.skipped_runs, before.skipped_runs),
                ..now
            }
        });
        let cpu = Cpu::used();
        let used = |what: fn(&Cpu) -> u64| since(cpu.as_ref().map(what), self.cpu_before.as_ref().map(what));
        Stats {
            programs: programs.collect(),
            uncounted_because: self.uncounted_because.clone(),
            ring: None,
            candidate_log: None,
            collector: CollectorStats {
                wake_ups: self.wake_ups,
                user_ns: used(|cpu| cpu.user_ns),
                system_ns: used(|cpu| cpu.system_ns),
                peak_rss_bytes: cpu.as_ref().map(|cpu| cpu.peak_rss_bytes),
            },
        }
    }
}

/// The kernel's counters of a program, from when they began.
fn read(program: &Metered) -> ProgramStats {
    let info = program.info.as_ref().and_then(fdinfo::Open::read);
    let counter = |key: &str| info.as_ref().and_then(|info| info.counter(key));
    ProgramStats {
        name: program.name.clone(),
        runs: counter("run_cnt"),
        time_ns: counter("run_time_ns"),
        skipped_runs: counter("recursion_misses"),
        verified_instructions: counter("verified_insns"),
    }
}

/// `kernel.bpf_stats_enabled`.
fn switched_on() -> bool {
    fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled").is_ok_and(|value| value.trim() == "1")
}

/// What this process has used.
struct Cpu {
    user_ns: u64,
    system_ns: u64,
    peak_rss_bytes: u64,
}

impl Cpu {
    fn used() -> Option<Self> {
        // SAFETY: all zeroes is a value of this structure of numbers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is there to be written.
        if unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } != 0 {
            return None;
        }
        let ns = |time: libc::timeval| {
            let part = |number: i64, ns: u64| u64::try_from(number).unwrap_or(0).saturating_mul(ns);
            part(time.tv_sec, 1_000_000_000).saturating_add(part(time.tv_usec, 1_000))
        };
        Some(Self {
            user_ns: ns(usage.ru_utime),
            system_ns: ns(usage.ru_stime),
            // In KiB.
            peak_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024),
        })
    }
}
