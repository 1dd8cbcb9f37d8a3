//! The log's clock against the boot clock.
//!
//! `printk` stamps with the scheduler's clock, which stands still in suspend and runs free: nobody adjusts it, so that after weeks of
//! uptime it may be seconds away from any clock that programs can ask for. The scheduler shows it in debugfs; where that cannot be
//! read, it is taken for `CLOCK_MONOTONIC`.

use std::{fs::File, os::unix::fs::FileExt as _};

use rustix::time::{ClockId, clock_gettime};

use super::super::host;

/// Where the scheduler shows its clock: from 5.13 on, and before.
const FILES: [&str; 2] = ["/sys/kernel/debug/sched/debug", "/proc/sched_debug"];
/// The part of the file that is read: the clocks come first, and what the kernel need not format costs nothing.
const HEAD: usize = 320;
/// How long a measurement holds, ns.
const HOLDS_NS: u64 = 1_000_000_000;

/// A comparison that took less is not repeated, ns.
const EXACT_NS: u64 = 100_000;
/// How often it is made at the most.
const TRIES: u32 = 4;

/// Turns stamps of the log into boot time.
pub(super) struct Clock {
    file: Option<File>,
    /// Boot clock minus the log's, ns.
    ahead_ns: i64,
    measured_ns: u64,
}

impl Clock {
    /// Compares the clocks.
    pub(super) fn new() -> Self {
        let file = FILES.iter().find_map(|path| File::open(path).ok());
        let mut clock = Self { file, ahead_ns: 0, measured_ns: 0 };
        clock.measure();
        clock
    }

    /// Compares the clocks again, if that was a while ago.
    pub(super) fn follow(&mut self) {
        if host::boot_ns().saturating_sub(self.measured_ns) > HOLDS_NS {
            self.measure();
        }
    }

    /// A stamp of the log, µs, as boot time, µs. Nothing has been stamped in the future.
    pub(super) fn boot_us(&self, stamp_us: u64) -> u64 {
        stamp_us.saturating_add_signed(self.ahead_ns / 1000).min(host::boot_ns() / 1000)
    }

    /// As exact as the time between two looks at the boot clock; the best of a few tries, of which one may be interrupted.
    fn measure(&mut self) {
        let mut best = u64::MAX;
        for _ in 0..TRIES {
            let before = host::boot_ns();
            let log_ns = self.scheduler_ns().unwrap_or_else(monotonic_ns);
            let after = host::boot_ns();
            let took = after.saturating_sub(before);
            if took < best {
                best = took;
                let at = before + took / 2;
                self.ahead_ns = i64::try_from(i128::from(at) - i128::from(log_ns)).unwrap_or(0);
            }
            self.measured_ns = after;
            if best < EXACT_NS {
                break;
            }
        }
    }

    fn scheduler_ns(&self) -> Option<u64> {
        let mut head = [0; HEAD];
        let length = self.file.as_ref()?.read_at(&mut head, 0).ok()?;
        cpu_clock(std::str::from_utf8(head.get(..length)?).ok()?)
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, ns) = (u64::try_from(now.tv_sec).unwrap_or(0), u64::try_from(now.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(ns)
}

/// `cpu_clk   : 39303968.133480`, ms.
fn cpu_clock(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu_clk"))?;
    let (ms, rest) = line.trim_start_matches([' ', ':']).split_once('.')?;
    // A line that was cut off has fewer digits.
    let ns: u64 = if rest.len() == 6 { rest.parse().ok()? } else { return None };
    ms.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedulers_clock_is_found_in_what_it_prints() {
        let text = "Sched Debug Version: v0.11, 6.1.0 #1\n\
            ktime                                   : 39303985.004117\n\
            sched_clk                               : 39303997.628163\n\
            cpu_clk                                 : 39303968.133480\n\
            jiffies                                 : 4304718229\n";
        assert_eq!(cpu_clock(text), Some(39_303_968_133_480));
        let cut = text.find("3480\njiffies").unwrap();
        assert_eq!(cpu_clock(&text[..cut]), None);
        assert_eq!(cpu_clock("ktime : 1.000000\n"), None);
    }

    #[test]
    fn nothing_was_stamped_in_the_future() {
        let clock = Clock { file: None, ahead_ns: i64::MAX / 2, measured_ns: 0 };
        assert!(clock.boot_us(1) <= host::boot_ns() / 1000);
        let behind = Clock { file: None, ahead_ns: -5_000, measured_ns: 0 };
        assert_eq!((behind.boot_us(7), behind.boot_us(3)), (2, 0));
    }
}
