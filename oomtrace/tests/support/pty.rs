//! A program in a pseudo-terminal: keys go in, and what a person would see comes out.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

/// How long something may take that ought to happen at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program and its terminal.
pub struct Pty {
    master: File,
    /// Kept open, so that what was set can be looked at when the program is gone.
    slave: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
    /// All that was written to it.
    raw: Arc<Mutex<Vec<u8>>>,
    child: Option<Child>,
    before: Termios,
}

impl Pty {
    /// Starts `command` on a terminal of so many rows and columns.
    pub fn start(command: &mut Command, rows: u16, columns: u16) -> Self {
        Self::start_as(command, rows, columns, "xterm-256color")
    }

    /// The same on a terminal that is said to be such a one.
    pub fn start_as(command: &mut Command, rows: u16, columns: u16, term: &str) -> Self {
        Self::start_with(command, rows, columns, term, None)
    }

    /// The same, perhaps with something else as its stdin.
    pub fn start_with(
        command: &mut Command,
        rows: u16,
        columns: u16,
        term: &str,
        stdin: Option<Stdio>,
    ) -> Self {
        let (mut master, mut slave) = (0, 0);
        let none = std::ptr::null_mut();
        // SAFETY: both are places for a descriptor; nothing else is passed.
        let opened =
            unsafe { libc::openpty(&raw mut master, &raw mut slave, none, none.cast(), none.cast()) };
        assert_eq!(opened, 0, "a pseudo-terminal");
        // SAFETY: they were opened for us, and nobody else has them.
        let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        tcsetwinsize(&slave, winsize(rows, columns)).expect("a terminal has a size");
        let before = tcgetattr(&slave).expect("a terminal has settings");
        let end = || Stdio::from(slave.try_clone().expect("there are descriptors"));
        let child = in_session(command.env("TERM", term))
            .stdin(stdin.unwrap_or_else(end))
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("it starts");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let mut reader = master.try_clone().expect("there are descriptors");
        let (drawn, written) = (Arc::clone(&screen), Arc::clone(&raw));
        std::thread::spawn(move || {
            let (mut bytes, mut waiting) = ([0; 1 << 16], Vec::new());
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                lock(&written).extend_from_slice(&bytes[..read]);
                waiting.extend_from_slice(&bytes[..read]);
                let whole: Vec<u8> = waiting.drain(..whole(&waiting)).collect();
                lock(&drawn).process(&whole);
            }
        });
        Self { master, slave, screen, raw, child: Some(child), before }
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).expect("the terminal is there");
        self
    }

    /// What is on the screen, a line each, without the blanks at their ends.
    pub fn screen(&self) -> String {
        lock(&self.screen).screen().rows(0, u16::MAX).map(|row| row.trim_end().to_owned() + "\n").collect()
    }

    /// Waits until the screen is as `wanted`, and returns it.
    pub fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.try_until(what, wanted).unwrap_or_else(|missing| panic!("{missing}"))
    }

    /// The same; an error says what did not come.
    pub fn try_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String, String> {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return Ok(screen);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{what} did not come:\n{screen}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the screen has this text.
    pub fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// What is on the screen when nothing has been drawn for a while.
    pub fn settled(&self) -> String {
        let mut length = usize::MAX;
        while length != lock(&self.raw).len() {
            length = lock(&self.raw).len();
            std::thread::sleep(Duration::from_millis(300));
        }
        self.screen()
    }

    /// Makes the terminal another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        lock(&self.screen).screen_mut().set_size(rows, columns);
        tcsetwinsize(&self.master, winsize(rows, columns)).expect("a terminal has a size");
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        let pid = Pid::from_raw(child.id().cast_signed()).expect("a process has an id");
        kill_process(pid, signal).expect("it is ours");
    }

    /// Waits for its end; returns how it ended, and what it wrote.
    pub fn end(&mut self) -> (ExitStatus, String) {
        self.try_end().unwrap_or_else(|screen| panic!("it did not end:\n{screen}"))
    }

    /// The same; an error says what it shows instead.
    pub fn try_end(&mut self) -> Result<(ExitStatus, String), String> {
        let mut child = self.child.take().expect("it runs");
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is our child") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = child.kill();
                return Err(self.screen());
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        // What it wrote last is on its way.
        self.settled();
        Ok((status, String::from_utf8_lossy(&lock(&self.raw)).into_owned()))
    }

    /// The terminal is as it was before the program: cooked, on its first screen, with a cursor.
    pub fn assert_restored(&self) {
        assert!(self.is_restored(), "{:?} was {:?}", tcgetattr(self.slave.as_fd()), self.before);
    }

    /// The same as a question.
    pub fn is_restored(&self) -> bool {
        let screen = lock(&self.screen);
        self.is_cooked() && !screen.screen().alternate_screen() && !screen.screen().hide_cursor()
    }

    /// A program has the terminal for itself.
    pub fn is_taken(&self) -> bool {
        !self.is_cooked() && lock(&self.screen).screen().alternate_screen()
    }

    fn is_cooked(&self) -> bool {
        let now = tcgetattr(self.slave.as_fd()).expect("a terminal has settings");
        format!("{now:?}") == format!("{:?}", self.before)
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.as_ref().expect("it runs").id().cast_signed()
    }

    /// A row from a column on.
    pub fn row_from(&self, row: u16, column: u16) -> String {
        let parser = lock(&self.screen);
        let columns = parser.screen().size().1;
        parser.screen().rows(column, columns - column).nth(row.into()).unwrap_or_default()
    }

    /// The column, not the character, at which a text begins in a row.
    pub fn column_of(&self, row: u16, text: &str) -> Option<usize> {
        let columns = lock(&self.screen).screen().size().1;
        (0..columns).find(|&column| self.row_from(row, column).starts_with(text)).map(usize::from)
    }

    /// Which cells are of another colour than the terminal's own: text, foreground, background.
    pub fn coloured(&self) -> Vec<(String, vt100::Color, vt100::Color)> {
        let parser = lock(&self.screen);
        let (rows, columns) = parser.screen().size();
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells
            .filter_map(|(row, column)| parser.screen().cell(row, column))
            .filter(|cell| cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default)
            .map(|cell| (cell.contents().to_owned(), cell.fgcolor(), cell.bgcolor()))
            .collect()
    }
}

/// What a program draws stands between these, and a terminal shows all of it or nothing.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// So many of these bytes can be shown: what is being drawn waits for its end.
fn whole(bytes: &[u8]) -> usize {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).rposition(|window| window == what);
    match find(bytes, BEGIN) {
        Some(begin) if find(&bytes[begin..], END).is_none() => begin,
        // The first part of a beginning may have come.
        _ => bytes.len() - (1..BEGIN.len()).rev().find(|&part| bytes.ends_with(&BEGIN[..part])).unwrap_or(0),
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// With the terminal that its stdout is as its own, as a shell's jobs have.
fn in_session(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt as _;
    let take = || {
        // SAFETY: system calls only, as between fork and exec must be.
        unsafe {
            libc::setsid();
            libc::ioctl(1, libc::TIOCSCTTY, 0);
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { command.pre_exec(take) }
}

fn winsize(ws_row: u16, ws_col: u16) -> Winsize {
    Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
