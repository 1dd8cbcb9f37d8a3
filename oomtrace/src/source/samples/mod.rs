//! The heartbeat: samples of the state of memory, taken while no episode is under way.
//!
//! Files are opened at the start and read again and again into buffers that are there; a machine that has no memory is asked for
//! none. Nothing here is read during an episode: whoever drives the capture calls [`Heartbeat::look`], and does so between
//! episodes only. Samples are held back and handed on together ([`Heartbeat::take`]): before an episode, when the hold is full, and
//! from time to time while memory is short, when the next moment may be the last. By file:
//!
//! - here: when, and what is held back;
//! - [`meminfo`]: the lines of `/proc/meminfo`;
//! - [`pressure`]: those of `/proc/pressure/memory`;
//! - [`cgroups`]: a walk over the memcgs that costs no more than so much, however many there are.

mod cgroups;
mod meminfo;
mod pressure;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{Errno, pread};

use crate::model::sample::{BEFORE_NS, Sample, Samples};

use super::procfs::Hierarchy;
use cgroups::Walk;

/// Time from one sample to the next, unless something else is asked for.
pub const EVERY: Duration = Duration::from_secs(5);
/// Time from one look at the cgroups to the next, at the least: they cost a hundred times as much as the rest.
const CGROUPS_EVERY_NS: u64 = 30 * 1_000_000_000;
/// How long samples are held back while memory is short.
const TIGHT_HOLD_NS: u64 = 30 * 1_000_000_000;
/// Samples held back at most; what comes on top pushes out the oldest.
const MOST_HELD: usize = 700;

/// Takes samples.
#[derive(Debug)]
pub struct Heartbeat {
    every_ns: u64,
    /// When the next one is due, ns since boot.
    due_ns: u64,
    cgroups_due_ns: u64,
    meminfo: Option<File>,
    pressure: Option<File>,
    walk: Option<Walk>,
    buffer: Box<[u8]>,
    /// Oldest first.
    held: std::collections::VecDeque<Arc<Sample>>,
    /// Memory is short: the last sample says so.
    tight: bool,
}

impl Heartbeat {
    /// Reads below `proc`, and the memcgs of `hierarchy`, every so often from `now_ns` on.
    #[must_use]
    pub fn new(proc: &Path, hierarchy: Option<&Hierarchy>, every: Duration, now_ns: u64) -> Self {
        let open = |name: &str| File::open(proc.join(name)).ok();
        Self {
            every_ns: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1),
            due_ns: now_ns,
            cgroups_due_ns: now_ns,
            meminfo: open("meminfo"),
            pressure: open("pressure/memory"),
            walk: hierarchy.and_then(|it| Walk::new(&it.mount, it.version)),
            buffer: vec![0; 8 << 10].into(),
            held: std::collections::VecDeque::with_capacity(MOST_HELD + 1),
            tight: false,
        }
    }

    /// When the next sample is due, ns since boot.
    #[must_use]
    pub fn due_ns(&self) -> u64 {
        self.due_ns
    }

    /// Takes a sample if one is due. Not to be called while an episode is under way.
    pub fn look(&mut self, now_ns: u64) {
        if now_ns < self.due_ns {
            return;
        }
        // From now, not from when it was due: what was missed is not made up for.
        self.due_ns = now_ns.saturating_add(self.every_ns);
        let mut sample = Sample { boot_ns: now_ns, ..Sample::default() };
        if let Some(text) = read(self.meminfo.as_ref(), &mut self.buffer) {
            sample.memory_kib = meminfo::parse(text);
        }
        if let Some(text) = read(self.pressure.as_ref(), &mut self.buffer) {
            (sample.some, sample.full) = pressure::parse(text);
        }
        if now_ns >= self.cgroups_due_ns
            && let Some(walk) = &mut self.walk
        {
            // A little early is in time: samples do not fall on the same nanosecond.
            self.cgroups_due_ns =
                now_ns.saturating_add(CGROUPS_EVERY_NS - self.every_ns.min(CGROUPS_EVERY_NS) / 2);
            sample.cgroups = walk.look();
        }
        self.tight = sample.is_tight();
        while self.held.len() >= MOST_HELD {
            self.held.pop_front();
        }
        self.held.push_back(Arc::new(sample));
    }

    /// Puts the next sample off: an episode is under way.
    pub fn put_off(&mut self, now_ns: u64) {
        self.due_ns = now_ns.saturating_add(self.every_ns);
    }

    /// Whether it is time to hand on what is held back, without an episode.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let Some((first, last)) = self.held.front().zip(self.held.back()) else { return false };
        let hold_ns = if self.tight { TIGHT_HOLD_NS } else { BEFORE_NS };
        last.boot_ns - first.boot_ns >= hold_ns
    }

    /// Hands on what is held back; `None` when nothing is.
    pub fn take(&mut self) -> Option<Samples> {
        (!self.held.is_empty()).then(|| Samples(self.held.drain(..).collect()))
    }
}

/// Reads a file from its beginning; `None` when it cannot be read.
fn read<'a>(file: Option<&File>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    read_at(file?, buffer)
}

fn read_at(file: impl AsFd, buffer: &mut [u8]) -> Option<&[u8]> {
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match pread(&file, rest, len as u64) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(&buffer[..len])
}
