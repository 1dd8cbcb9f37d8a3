//! The `log` flavour, for machines that refuse hooks on functions: the kernel's report as it is logged, and tracepoints where BPF
//! programs for them load.
//!
//! - [`kmsg`]: follows `/dev/kmsg`; [`clock`]: its stamps as boot time;
//! - [`crate::source::klog`] reads the report;
//! - [`attach`]: the tracepoints; [`join`]: one story of both.
//!
//! It needs neither kprobes nor, from Linux 6.16 on, types of the kernel.

mod attach;
mod clock;
mod join;
#[cfg(test)]
mod join_tests;
mod kmsg;

use std::{collections::VecDeque, io, time::Duration};

use crate::{
    model::{Observation, SessionInfo, SourceKind, observation::Lost},
    source::klog::{Assumed, Klog},
};

use super::{LiveError, host, ring::Ring};
pub(super) use attach::attach;
use clock::Clock;
use join::Join;
use kmsg::{Kmsg, Read, Record};

/// How long the log is silent behind a kill, before its report is over, ns: a group's kills follow each other.
const QUIET_NS: u64 = 250_000_000;
/// How long it is silent within a report, before what came is all that comes, ns. A slow console holds the kernel up, line by line.
const SILENT_NS: u64 = 10_000_000_000;
/// Records that are read before anything else is looked at.
const AT_ONCE: usize = 1024;

/// The consumer's end of the log and, where there are programs, of their ring. Needs a tokio runtime.
pub struct LogFeed {
    kmsg: Kmsg,
    clock: Clock,
    klog: Klog,
    join: Join,
    ring: Option<Ring>,
    /// What can be taken.
    ready: VecDeque<Observation>,
    /// Of the log's reader.
    made_out: Vec<Observation>,
    line: Vec<u8>,
    /// When the last line came, ns since boot.
    last_ns: u64,
    /// Records of the kernel that were overwritten.
    overwritten: u64,
    /// Nothing more is waited for.
    ending: bool,
}

impl LogFeed {
    /// Follows the log from now on.
    ///
    /// # Errors
    /// When the log may not be read.
    pub(super) fn open() -> Result<Self, LiveError> {
        let kmsg = Kmsg::open()?;
        Ok(Self {
            kmsg,
            clock: Clock::new(),
            klog: Klog::new(SourceKind::Log, Assumed::default()),
            join: Join::default(),
            ring: None,
            ready: VecDeque::new(),
            made_out: Vec::new(),
            line: Vec::new(),
            last_ns: 0,
            overwritten: 0,
            ending: false,
        })
    }

    /// From now on for the machine of `info`, with what comes over `ring`.
    pub(super) fn of(&mut self, info: &SessionInfo, ring: Option<Ring>) {
        self.klog = Klog::of_machine(info);
        self.ring = ring;
    }

    /// The ring, where there are programs.
    pub(super) fn ring(&self) -> Option<&Ring> {
        self.ring.as_ref()
    }

    /// What was lost in the log so far.
    #[must_use]
    pub(super) fn lost(&self) -> Lost {
        let overwritten =
            Lost { log_records: self.overwritten, reports: self.join.overwritten(), ..Lost::default() };
        self.klog.end(overwritten).lost
    }

    /// Waits until there may be something to take. Cancel safe.
    ///
    /// # Errors
    /// When the log or the ring cannot be waited for.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        let until = self.deadline_ns();
        let (kmsg, ring) = (&mut self.kmsg, &mut self.ring);
        let of_ring = async {
            match ring {
                Some(ring) => ring.readable().await,
                None => std::future::pending().await,
            }
        };
        let time = async {
            match until {
                Some(until) => {
                    tokio::time::sleep(Duration::from_nanos(until.saturating_sub(host::boot_ns()))).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = kmsg.readable() => result,
            result = of_ring => result,
            () = time => Ok(()),
        }
    }

    /// The next observation that is there, without waiting.
    pub(super) fn take(&mut self) -> Option<Observation> {
        if self.ready.is_empty() {
            self.fill();
        }
        self.ready.pop_front()
    }

    /// The tracepoints are gone: what waits for more is told as it is.
    pub(super) fn end(&mut self) {
        self.ending = true;
    }

    fn fill(&mut self) {
        self.read_ring();
        let drained = self.read_log();
        let now = host::boot_ns();
        if drained && (self.ending || self.quiet_ns().is_some_and(|at| at <= now)) {
            self.klog.finish(&mut self.made_out);
            self.hand_on();
        }
        if self.ending && drained {
            self.join.finish(&mut self.ready);
        } else if drained {
            self.join.tick(now, self.klog.pending(), &mut self.ready);
        }
    }

    fn read_ring(&mut self) {
        if let Some(ring) = &mut self.ring {
            while let Some(observation) = ring.take() {
                self.join.traced(observation, &mut self.ready);
            }
        }
    }

    /// Reads the log; false when there is more.
    fn read_log(&mut self) -> bool {
        self.clock.follow();
        for _ in 0..AT_ONCE {
            let missed = match self.kmsg.read() {
                Ok(Read::Nothing) => return true,
                Ok(Read::NotKernel(missed)) => missed,
                Ok(Read::Record(record, missed)) => {
                    if missed > 0 {
                        self.klog.gap();
                    }
                    write(&mut self.line, record, &self.clock);
                    self.klog.line(&self.line, &mut self.made_out);
                    self.last_ns = host::boot_ns();
                    missed
                }
                Err(error) => {
                    log::warn!("{}: {error}", kmsg::KMSG);
                    return true;
                }
            };
            if missed > 0 {
                self.klog.gap();
                self.join.missed(host::boot_ns());
                self.overwritten = self.overwritten.saturating_add(missed);
            }
            self.hand_on();
        }
        false
    }

    /// Hands on what the log's reader made out.
    fn hand_on(&mut self) {
        if self.made_out.is_empty() {
            return;
        }
        // A victim is marked before the line of its kill is printed: what that line completes has its marks on the ring by now.
        self.read_ring();
        for observation in self.made_out.drain(..) {
            self.join.logged(observation, &mut self.ready);
        }
    }

    /// When the report that is being read is over, if nothing more comes.
    fn quiet_ns(&self) -> Option<u64> {
        let wait = if self.klog.in_report() { SILENT_NS } else { QUIET_NS };
        self.klog.pending().then(|| self.last_ns.saturating_add(wait))
    }

    fn deadline_ns(&self) -> Option<u64> {
        // A mark waits for the report that is being read.
        self.quiet_ns().or_else(|| self.join.deadline_ns())
    }
}

/// A record as the log has it, but for its time, which is boot time here.
fn write(line: &mut Vec<u8>, record: Record<'_>, clock: &Clock) {
    use io::Write as _;
    line.clear();
    let Record { priority, number, stamp_us, flags, text } = record;
    // A vector takes everything.
    let _ = write!(line, "{priority},{number},{},", clock.boot_us(stamp_us));
    line.extend_from_slice(flags);
    line.push(b';');
    line.extend_from_slice(text);
}
