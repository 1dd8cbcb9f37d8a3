//! One line at the foot of a terminal that is drawn over and over: what a capture is at, or how far reading has come.
//!
//! It is on stderr, and only when that is a terminal. Whatever else is written there, or on a stdout that is a terminal too, clears it first
//! ([`clear`], [`Above`]).

use std::io::{self, IsTerminal as _, Read, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use unicode_width::UnicodeWidthChar as _;

use crate::model::observation::Lost;
use crate::model::sample::Item;
use crate::pipeline::Pipeline;
use crate::sink::terminal::text;
use crate::source::live::host;
use crate::source::samples::Heartbeat;

use super::aside::{self, Told};

/// What is at the foot of the terminal.
static FOOT: Mutex<Foot> = Mutex::new(Foot { drawn: false, mid_line: false });

struct Foot {
    /// The line is there.
    drawn: bool,
    /// What was written last was no whole line: nothing can be drawn there.
    mid_line: bool,
}

impl Foot {
    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            // A terminal that is gone is noticed by whoever has something to say.
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
        }
    }
}

/// From one drawing to the next at the least.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// Reading that takes no longer than this has no line.
const QUICK: Duration = Duration::from_secs(1);
/// From one drawing of how far reading has come to the next.
const REDRAWN: Duration = Duration::from_millis(200);
/// Bytes that are read before the clock is looked at.
const GLANCE: u64 = 1 << 20;

/// The group of processes that this one is in, as it was when somebody asked for the first time: before a capture is confined.
static GROUP: OnceLock<rustix::process::Pid> = OnceLock::new();

/// Whether there can be a line.
pub(super) fn possible() -> bool {
    GROUP.get_or_init(rustix::process::getpgrp);
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// Whether this process is not the one that its terminal is used by at the moment: a shell has its prompt there then.
fn in_background() -> bool {
    // One that is not the terminal of this process has no say in that.
    let own = GROUP.get_or_init(rustix::process::getpgrp);
    rustix::termios::tcgetpgrp(rustix::stdio::stderr()).is_ok_and(|group| group != *own)
}

/// Draws the line, in place of the one that is there.
pub(super) fn draw(line: &str) {
    if aside::tell(Told::Foot(Some(line))) || in_background() {
        return;
    }
    let mut foot = FOOT.lock().unwrap_or_else(PoisonError::into_inner);
    if foot.mid_line {
        return;
    }
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
    // One that was never told its size says 0.
    let columns = size.ok().map(|size| size.ws_col).filter(|&columns| columns > 0).unwrap_or(80);
    // A terminal wraps when the last column is written to.
    let line = cut(line, usize::from(columns).saturating_sub(1));
    let _ = write!(io::stderr().lock(), "\r\x1b[2K{line}\r");
    foot.drawn = true;
}

/// Takes the line away, if it is there.
pub(super) fn clear() {
    if aside::tell(Told::Foot(None)) {
        return;
    }
    FOOT.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// As much of a line as fits so many columns.
fn cut(line: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = line.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    &line[..end.map_or(line.len(), |(at, _)| at)]
}

/// A writer to stdout that clears the line before it writes.
pub(super) struct Above<W> {
    writer: W,
    is_terminal: bool,
}

impl<W: Write> Above<W> {
    /// Around stdout.
    pub(super) fn of(writer: W) -> Self {
        Self { writer, is_terminal: io::stdout().is_terminal() }
    }
}

impl<W: Write> Write for Above<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.writer.write(bytes);
        }
        let mut foot = FOOT.lock().unwrap_or_else(PoisonError::into_inner);
        foot.clear();
        let written = self.writer.write(bytes)?;
        foot.mid_line =
            bytes.get(..written).and_then(|bytes| bytes.last()).map_or(foot.mid_line, |&last| last != b'\n');
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// A reader that tells how far it has come, when that takes long.
pub(super) struct Progress<R> {
    reader: R,
    name: String,
    bytes: u64,
    of: u64,
    looked: u64,
    begun: Instant,
    /// `None`: nothing is drawn.
    due: Option<Instant>,
}

impl<R: Read> Progress<R> {
    /// Of a file of so many bytes.
    pub(super) fn of(reader: R, name: &str, bytes: u64) -> Self {
        let begun = Instant::now();
        let due = possible().then(|| begun + QUICK);
        Self { reader, name: name.to_owned(), bytes: 0, of: bytes, looked: 0, begun, due }
    }

    fn glance(&mut self) {
        self.looked = self.bytes;
        let now = Instant::now();
        if self.due.is_some_and(|due| now >= due) {
            self.due = Some(now + REDRAWN);
            draw(&progress(&self.name, self.bytes, self.of, now.duration_since(self.begun)));
        }
    }
}

impl<R: Read> Read for Progress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        if self.due.is_some() && self.bytes - self.looked >= GLANCE {
            self.glance();
        }
        Ok(read)
    }
}

impl<R> Drop for Progress<R> {
    fn drop(&mut self) {
        clear();
    }
}

/// `kern.log  42%  1.2G of 2.8G, 12 s left`
fn progress(name: &str, bytes: u64, of: u64, since: Duration) -> String {
    let Some(percent) = bytes.saturating_mul(100).checked_div(of).filter(|&percent| percent <= 100) else {
        // It grows while it is read.
        return format!("{name}  {}", text::size(bytes));
    };
    let left = since.as_secs_f64() * of.saturating_sub(bytes) as f64 / bytes.max(1) as f64;
    format!("{name}  {percent}%  {} of {}, {left:.0} s left", text::size(bytes), text::size(of))
}

/// The line of a capture.
pub(super) struct Status {
    heartbeat: Heartbeat,
    last: Memory,
}

impl Status {
    /// Drawn once a second from now on.
    pub(super) fn start() -> Self {
        let now = host::boot_ns();
        Self { heartbeat: Heartbeat::new(Path::new("/proc"), None, EVERY, now), last: Memory::default() }
    }

    /// When it is to be drawn again, ns since boot.
    pub(super) fn due_ns(&self) -> u64 {
        self.heartbeat.due_ns()
    }

    /// Draws it. Nothing is looked at while an episode is under way: then the memory is as it was.
    pub(super) fn draw(&mut self, pipeline: &Pipeline, lost: Lost) {
        let (episodes, some_lost) = pipeline.shown();
        draw(&self.line(pipeline.next_deadline_ns().is_none(), episodes, some_lost || lost.any()));
    }

    /// What it says. `look`: whether memory may be looked at.
    pub(super) fn line(&mut self, look: bool, episodes: u64, lost: bool) -> String {
        let now = host::boot_ns();
        if look {
            self.heartbeat.look(now);
        } else {
            self.heartbeat.put_off(now);
        }
        if let Some(sample) = self.heartbeat.take().and_then(|samples| samples.0.last().cloned()) {
            self.last = Memory {
                available: sample.bytes(Item::MemAvailable).zip(sample.bytes(Item::MemTotal)),
                pressure: sample.some.zip(sample.full).map(|(some, full)| (some.avg10, full.avg10)),
            };
        }
        let time = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        capture(&time, episodes, lost, &self.last)
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        clear();
    }
}

/// What a capture is at: time, episodes, losses, memory and its pressure.
pub(super) fn capture(time: &str, episodes: u64, lost: bool, memory: &Memory) -> String {
    let counted = format!("{episodes} episode{}", if episodes == 1 { "" } else { "s" });
    let lost = if lost { "some lost" } else { "nothing lost" };
    let mut line = format!("{time} · {counted}, {lost}");
    if let Some((available, total)) = memory.available {
        line.push_str(&format!(" · {} of {} available", text::size(available), text::size(total)));
    }
    match memory.pressure {
        Some((some, full)) => line.push_str(&format!(
            " · pressure {}.{:02}% some, {}.{:02}% full",
            some / 100,
            some % 100,
            full / 100,
            full % 100
        )),
        None => line.push_str(" · pressure ?"),
    }
    line
}

/// The state of the machine's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// `MemAvailable` and `MemTotal`, bytes.
    pub(super) available: Option<(u64, u64)>,
    /// Shares of the last ten seconds in which some, or all, waited for memory: hundredths of a percent.
    pub(super) pressure: Option<(u32, u32)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_columns() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 2), "ab");
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn how_far_reading_has_come() {
        let ten = Duration::from_secs(10);
        assert_eq!(progress("f", 25 << 20, 100 << 20, ten), "f  25%  25.0M of 100.0M, 30 s left");
        assert_eq!(progress("f", 0, 100 << 20, ten).split("  ").nth(1), Some("0%"));
        assert_eq!(progress("f", 200 << 20, 100 << 20, ten), "f  200.0M");
        assert_eq!(progress("f", 0, 0, ten), "f  0");
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        let memory = Memory { available: Some((1 << 30, 4 << 30)), pressure: Some((1205, 3)) };
        assert_eq!(
            capture("12:00:01", 1, false, &memory),
            "12:00:01 · 1 episode, nothing lost · 1.0G of 4.0G available · pressure 12.05% some, 0.03% full"
        );
        assert_eq!(
            capture("12:00:01", 0, true, &Memory::default()),
            "12:00:01 · 0 episodes, some lost · pressure ?"
        );
    }
}
