//! Process 1 of a guest: mounts, runs the one command that the guest was booted for, reaps, hands results to the host
//! and ends the machine. What the command is, and how it gets here, is decided by `cargo xtask vm`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{WaitOptions, wait};
use rustix::system::{RebootCommand, reboot};

use super::mounts;
use super::ports::{self, Control};

/// The command, its words separated by NUL bytes. Empty means a shell on the terminal.
const COMMAND: &str = "/etc/oomtrace-command";

/// The folder whose files go to the host.
const OUT: &str = "/out";

/// Runs the guest. Does not return: the machine ends with it.
///
/// # Errors
///
/// Refuses to run when it is not process 1.
pub fn main() -> Result<ExitCode> {
    if !rustix::process::getpid().is_init() {
        bail!("`guest init` is for process 1 of a guest");
    }
    // Without mounts there are no ports, so the console is the only place left to complain on.
    if let Err(error) = mounts::mount_all() {
        eprintln!("init: {error:#}");
        end_machine();
    }
    match Control::open() {
        Ok(mut control) => {
            if let Err(error) = serve(&mut control) {
                eprintln!("init: {error:#}");
                let _ = control.say(&format!("failed {error:#}")).and_then(|()| control.drain());
            }
        }
        Err(error) => eprintln!("init: {error:#}"),
    }
    end_machine()
}

/// Runs the command and reports to the host.
fn serve(control: &mut Control) -> Result<()> {
    let words = fs::read(COMMAND).with_context(|| format!("cannot read {COMMAND}"))?;
    let words: Vec<OsString> =
        words.split(|&byte| byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let interactive = words.iter().all(|word| word.is_empty());
    let stdout = if interactive { ports::open("/dev/ttyS1")? } else { ports::open_raw("/dev/ttyS1")? };
    let stderr = ports::open_raw("/dev/ttyS2")?;
    let mut command;
    if interactive {
        // busybox makes the port the controlling terminal, so that job control works.
        command = Command::new("setsid");
        command.args(["-c", "/bin/sh", "-l"]);
        command.stdin(stdout.try_clone()?).stderr(stdout.try_clone()?);
    } else {
        command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.stdin(Stdio::null()).stderr(stderr.try_clone()?);
    }
    command
        .stdout(stdout.try_clone()?)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("TERM", "linux")
        .env("LANG", "C.UTF-8")
        .env("RUST_BACKTRACE", "1")
        .current_dir("/root");
    let code = match command.spawn() {
        Ok(child) => reap_until(child.id())?,
        Err(error) => {
            use std::io::Write as _;
            // What a shell answers: 127 for a missing command, 126 for one that cannot be run.
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let text = format!("init: cannot start {}: {error}\n", command.get_program().display());
            (&stderr).write_all(text.as_bytes())?;
            if missing { 127 } else { 126 }
        }
    };
    // A shell's end hangs its terminal up, and nothing can be waited for there.
    if !interactive {
        ports::drain(&stdout)?;
    }
    ports::drain(&stderr)?;
    control.say(&format!("exit {code}"))?;
    control.send_folder(Path::new(OUT), Path::new(OUT))?;
    control.say("end")?;
    control.drain()
}

/// Reaps every child, adopted ones too, until the one with this id is gone; returns its exit code as a shell would.
fn reap_until(child: u32) -> Result<i32> {
    loop {
        let Some((pid, status)) = wait(WaitOptions::empty()).context("cannot wait for the command")? else {
            continue;
        };
        if pid.as_raw_nonzero().get().cast_unsigned() == child {
            let signal = status.terminating_signal().map_or(0, |signal| 128 + signal);
            return Ok(status.exit_status().unwrap_or(signal));
        }
    }
}

/// Restarts, which QEMU was told to take as the end.
fn end_machine() -> ! {
    rustix::fs::sync();
    let error = reboot(RebootCommand::Restart);
    // Process 1 must not return: that would be a kernel panic. It ends the machine just as well, but says why.
    panic!("cannot restart the machine: {error:?}");
}
