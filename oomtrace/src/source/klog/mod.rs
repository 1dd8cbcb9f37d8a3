//! The kernel's log as a source: lines in, observations out.
//!
//! Push-style and without I/O, so that a file, a pipe and `/dev/kmsg` are all the same to it:
//!
//! - [`framing`]: one line: what the log put before the kernel's text;
//! - [`grammar`]: the text: a typed fact;
//! - [`report`]: facts of many lines: reports, and the observations that they come to;
//! - [`lines`], [`unpack`]: from bytes to lines in constant memory, for whoever reads a file.
//!
//! Tests of live tracing compare with a reader of their own (`tests/src/oracle`), which shares no code with this one.

mod bytes;
mod framing;
mod grammar;
#[cfg(test)]
mod hostile_tests;
mod lines;
mod report;
#[cfg(test)]
mod tests;
mod unpack;

pub use lines::{LONGEST, Lines};
pub use unpack::unpack;

use crate::model::observation::Lost;
use crate::model::{Observation, SessionEnd, SessionInfo, SourceKind};

use framing::{Calendar, Framing};
use report::Reports;

/// Reads a kernel's log, line by line.
#[derive(Debug)]
pub struct Klog {
    calendar: Calendar,
    reports: Reports,
    pieces: u64,
}

/// What is taken for granted where a log does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Assumed {
    /// Offset of its wall clock from UTC, seconds east.
    pub utc_offset_seconds: i32,
    /// The latest that a time without a year can be, seconds since the Unix epoch.
    pub latest_unix_seconds: i64,
}

/// A zone such as `+02:00`, as seconds east of UTC.
#[must_use]
pub fn utc_offset(text: &str) -> Option<i32> {
    framing::utc_offset(text)
}

impl Klog {
    /// Of a log that is read for `source`.
    #[must_use]
    pub fn new(source: SourceKind, assumed: Assumed) -> Self {
        let calendar =
            Calendar { utc_offset: assumed.utc_offset_seconds, latest: assumed.latest_unix_seconds };
        Self { calendar, reports: Reports::new(source, calendar), pieces: 0 }
    }

    /// Of the log of the machine that `info` describes, while it runs: stamps are its boot time, and no other machine's lines are in it.
    #[must_use]
    pub fn of_machine(info: &SessionInfo) -> Self {
        let calendar = Calendar { utc_offset: info.utc_offset_seconds, latest: i64::MAX };
        Self { calendar, reports: Reports::of_machine(info, calendar), pieces: 0 }
    }

    /// Takes the next line, without the end of line; appends what follows from it and those before. The first observation is an
    /// [`Observation::Origin`], the head of the session.
    pub fn line(&mut self, line: &[u8], out: &mut Vec<Observation>) {
        // A console writes what overwrites a line behind a carriage return.
        for line in line.split(|&byte| byte == b'\r').filter(|line| !line.is_empty()) {
            match framing::frame(line, &self.calendar) {
                Framing::Kernel(framed) => self.reports.line(&framed, out),
                Framing::NotKernel => {}
                Framing::Pstore => {
                    self.pieces += 1;
                    self.reports.seam(out);
                }
            }
        }
    }

    /// The log has ended: what is still open comes out as far as it is known.
    pub fn finish(&mut self, out: &mut Vec<Observation>) {
        self.reports.finish(out);
    }

    /// Pieces of a log that pstore kept, each of which is read for itself.
    #[must_use]
    pub fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Lines are missing here: what is being read is not whole.
    pub fn gap(&mut self) {
        self.reports.gap();
    }

    /// Whether something has been read that has not come out: more of it may follow.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.reports.pending()
    }

    /// Whether every line matters now, whatever it looks like: a report is being printed.
    #[must_use]
    pub fn in_report(&self) -> bool {
        self.reports.in_report()
    }

    /// The head of a session in which nothing was found.
    #[must_use]
    pub fn head(&self) -> SessionInfo {
        self.reports.head()
    }

    /// The end of the session, with `more` losses from reading.
    #[must_use]
    pub fn end(&self, more: Lost) -> SessionEnd {
        let mut lost = self.reports.lost();
        lost.add(more);
        SessionEnd { boot_ns: self.reports.last_stamp(), lost, ..SessionEnd::default() }
    }
}
