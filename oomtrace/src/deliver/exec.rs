//! A command for each episode: its JSON on stdin, a few fields in the environment, one at a time, each for a limited time.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Item, Outlet, summary};

/// What the names of variables begin with.
const PREFIX: &str = "OOMTRACE_";
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a command through the shell.
#[derive(Debug)]
pub struct Exec {
    /// For `sh -c`.
    pub command: String,
    /// Then it and what it started (its process group) are killed.
    pub at_most: Duration,
    /// Its `oom_score_adj`; `None` leaves what it inherits.
    pub adj: Option<i32>,
}

impl Exec {
    fn start(&self, item: &Item) -> io::Result<Child> {
        // In memory and not a pipe: a command that does not read it keeps nobody waiting.
        let mut stdin = File::from(memfd_create("episode", MemfdFlags::CLOEXEC)?);
        stdin.write_all(&item.json())?;
        stdin.rewind()?;
        // What it says is no output of this program.
        let stdout = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&self.command).stdin(stdin).stdout(Stdio::from(stdout)).process_group(0);
        for (name, value) in summary::fields(&item.episode, &item.info) {
            command.env(format!("{PREFIX}{name}"), value);
        }
        if let Some(adj) = self.adj {
            let adj = adj.to_string();
            // Before the command is there, so that nothing it starts inherits the other one.
            let protect_no_more = move || {
                // Where it may not be written it stays; that is no reason not to run the command.
                if let Ok(file) =
                    open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
                {
                    let _ = rustix::io::write(&file, adj.as_bytes());
                }
                Ok(())
            };
            // SAFETY: between fork and exec only async-signal-safe calls are made: open, write, close, on memory from before.
            unsafe { command.pre_exec(protect_no_more) };
        }
        command.spawn()
    }
}

impl Outlet for Exec {
    fn at_most(&self) -> Duration {
        self.at_most
    }

    fn deliver(&mut self, item: &Item) -> Result<(), String> {
        let mut child =
            self.start(item).map_err(|error| format!("the command cannot be started: {error}"))?;
        let until = Instant::now() + self.at_most;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() >= until => {
                    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                        let _ = kill_process_group(group, Signal::KILL);
                    }
                    let _ = child.wait();
                    return Err(format!(
                        "the command did not end within {} s, and was killed",
                        self.at_most.as_secs_f64()
                    ));
                }
                Ok(None) => thread::sleep(LOOK),
                Err(error) => return Err(format!("the command cannot be waited for: {error}")),
            }
        };
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(format!("the command failed with {code}")),
            (None, signal) => Err(format!("the command was ended by signal {}", signal.unwrap_or(0))),
        }
    }
}
