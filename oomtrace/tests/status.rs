//! The line at the foot of a terminal: drawn in a pseudo-terminal when reading takes long, gone at the end, and never in a pipe.

#[path = "support/program.rs"]
mod program;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use program::{oomtrace, text};

/// Both ends of a new pseudo-terminal.
fn pseudo_terminal() -> (File, OwnedFd) {
    let (mut master, mut slave) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: both are places for a descriptor; nothing else is passed.
    assert_eq!(unsafe { libc::openpty(&raw mut master, &raw mut slave, none, none.cast(), none.cast()) }, 0);
    // SAFETY: they were opened for us, and nobody else has them.
    unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

/// A log that comes slowly through a pipe with a name.
fn slow_log(fifo: &Path) {
    let path = std::ffi::CString::new(fifo.to_str().expect("UTF-8")).expect("no NUL");
    // SAFETY: the path is NUL-terminated.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let fifo = fifo.to_owned();
    std::thread::spawn(move || {
        let mut pipe = File::options().write(true).open(fifo).expect("somebody reads");
        let line = b"Nov 23 01:00:00 host kernel: [  100.000000] nothing about memory\n";
        for part in 0..2 {
            // The reader may have gone away when the test fails.
            let _ = pipe.write_all(&line.repeat((3 << 20) / line.len()));
            if part == 0 {
                std::thread::sleep(Duration::from_millis(1300));
            }
        }
    });
}

#[test]
fn reading_that_takes_long_tells_how_far_it_has_come() {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("kern.log");
    slow_log(&fifo);
    let (mut master, slave) = pseudo_terminal();
    let mut child = oomtrace()
        .env("TERM", "xterm")
        .arg("import")
        .arg(&fifo)
        .stdout(Stdio::null())
        .stderr(slave)
        .spawn()
        .expect("it starts");
    let mut shown = Vec::new();
    // Nobody has the other end any more: reading ends with an error.
    let _ = master.read_to_end(&mut shown);
    assert!(child.wait().expect("it ends").success());
    let shown = text(&shown);
    let (before, after) =
        shown.rsplit_once("\x1b[2K").unwrap_or_else(|| panic!("nothing was drawn: {shown:?}"));
    assert!(before.contains("kern.log  ") && before.contains('M'), "{shown:?}");
    assert!(
        after.starts_with("oomtrace: ") && !after.contains("kern.log  "),
        "it is gone at the end: {shown:?}"
    );
}

#[test]
fn nothing_is_drawn_where_there_is_no_terminal() {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("kern.log");
    slow_log(&fifo);
    let output = oomtrace().env("TERM", "xterm").arg("import").arg(&fifo).output().expect("it starts");
    assert!(output.status.success());
    assert!(!text(&output.stderr).contains('\x1b') && !text(&output.stdout).contains('\x1b'));
}

#[test]
fn nothing_is_drawn_from_the_background_of_a_shell() {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("kern.log");
    for (background, drawn) in [("", true), ("& wait", false)] {
        let _ = std::fs::remove_file(&fifo);
        slow_log(&fifo);
        let (mut master, slave) = pseudo_terminal();
        // With control of jobs, one in the background has a group of its own.
        let script =
            format!("{} import {} >/dev/null {background}", env!("CARGO_BIN_EXE_oomtrace"), fifo.display());
        let mut shell = Command::new("/bin/sh");
        shell.env("TERM", "xterm").args(["-mc", &script]);
        shell.stdin(slave.try_clone().expect("it can be had twice")).stdout(Stdio::null()).stderr(slave);
        // SAFETY: two plain system calls.
        unsafe {
            shell.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(2, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let mut child = shell.spawn().expect("it starts");
        drop(shell);
        let mut shown = Vec::new();
        let _ = master.read_to_end(&mut shown);
        child.wait().expect("it ends");
        assert_eq!(text(&shown).contains("kern.log  "), drawn, "{background}: {:?}", text(&shown));
    }
}
