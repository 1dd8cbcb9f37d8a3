//! The process beside a capture that starts commands and writes to sockets for it.
//!
//! A running capture has neither the right to start a program nor to open a socket, and a command that it started would have its filter of
//! system calls, and no way to gain anything. So another process does it, which is started before anything is attached: this program once
//! more, with the same arguments. It gets the observations as a recording through a pipe, which is written as any recording is: by a thread
//! of its own, and what there is no room for is left out and counted. It assembles and filters as the capture does.

use std::env;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::deliver::AT_THE_END;
use crate::exit::{Exit, NotAllowed, Usage};
use crate::pipeline::Pipeline;
use crate::record::{self, Stream};
use crate::session::Compression;

use super::say;

/// What the helper says when it has opened everything; anything else is why it could not.
pub(super) const READY: &str = "ready\n";
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long the end waits for another process to take what it is given.
pub(super) const HANDED_WITHIN: Duration = Duration::from_secs(10);

/// A running helper.
pub(super) struct Helper {
    child: Child,
    pipe: Option<File>,
}

impl Helper {
    /// Starts it, and waits until it has opened everything. To be called before anything else is.
    ///
    /// # Errors
    ///
    /// It cannot be started, or what it is to write to cannot be opened.
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.args(env::args_os().skip(1)).arg("--deliver");
        // A group of its own: Ctrl-C is for the capture.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().context("the process that delivers episodes cannot be started")?;
        let mut said = String::new();
        let mut stdout = child.stdout.take().context("a piped stdout is there")?;
        let mut bytes = [0; 1024];
        while !said.ends_with(READY) {
            match stdout.read(&mut bytes) {
                Ok(0) => {
                    let code = child.wait()?.code();
                    let is = |exit: Exit| code == Some(exit.code().into()) && !said.is_empty();
                    return Err(if is(Exit::NotAllowed) {
                        NotAllowed(said).into()
                    } else if is(Exit::Usage) {
                        Usage(said).into()
                    } else {
                        anyhow!("the process that delivers episodes ended at once {said}")
                    });
                }
                Ok(read) => said.push_str(&String::from_utf8_lossy(&bytes[..read])),
                Err(error) => return Err(error).context("the process that delivers episodes"),
            }
        }
        let pipe = child.stdin.take().map(|stdin| File::from(OwnedFd::from(stdin)));
        Ok(Self { child, pipe })
    }

    /// Gives it everything that is observed.
    pub(super) fn fed_by(&mut self, pipeline: Pipeline) -> Pipeline {
        let Some(pipe) = self.pipe.take() else { return pipeline };
        let options = record::Options {
            compression: Compression::None,
            sync: record::Sync::None,
            ..Default::default()
        };
        pipeline.hand_to(Stream::new(pipe, "the process that delivers episodes"), options, HANDED_WITHIN)
    }

    /// Waits until it has delivered what it got; tells how that ends the program. One that is stopped is not waited for.
    pub(super) fn finish(self) -> Exit {
        drop(self.pipe);
        let until = Instant::now() + AT_THE_END + AT_THE_END;
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        loop {
            let status = match waitpid(pid, WaitOptions::NOHANG | WaitOptions::UNTRACED) {
                Ok(status) => status.map(|(_, status)| status),
                Err(Errno::INTR) => None,
                Err(error) => {
                    say(&format!("the process that delivers episodes cannot be waited for: {error}"));
                    return Exit::Failed;
                }
            };
            let code = status.and_then(|status| status.exit_status());
            match status {
                Some(_) if code == Some(Exit::Done.code().into()) => return Exit::Done,
                Some(_) if code == Some(Exit::Lossy.code().into()) => return Exit::Lossy,
                Some(status) if status.stopped() => {
                    say(
                        "the process that delivers episodes is stopped, and is left alone; what it has is delivered when it goes on",
                    );
                    return Exit::Lossy;
                }
                Some(_) => {
                    let how = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
                    say(&format!("the process that delivers episodes ended with {how}"));
                    return Exit::Failed;
                }
                None if Instant::now() < until => thread::sleep(LOOK),
                None => {
                    say("the process that delivers episodes is still at it, and is left alone");
                    return Exit::Lossy;
                }
            }
        }
    }
}
