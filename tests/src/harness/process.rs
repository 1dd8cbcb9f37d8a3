//! Processes of a scenario: where they start, what they may do, and their word that they are ready.

use std::ffi::{CString, OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::thread::CapabilitySet;

use super::PATIENCE;
use super::cgroup::Cgroup;
use super::credentials::become_nobody;
use super::line_reader::LineReader;

/// What is to be started.
pub struct Launch {
    program: OsString,
    arguments: Vec<OsString>,
    cgroup: Option<CString>,
    adj: i32,
    nobody: Option<CapabilitySet>,
    hide: Option<CString>,
}

impl Launch {
    /// The test program called `name`.
    pub fn guest(name: &str) -> Result<Self> {
        let exe = std::env::current_exe().context("failed to find this program")?;
        Ok(Self::of(exe).arg(name))
    }

    /// Any program.
    pub fn of(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            cgroup: None,
            adj: 0,
            nobody: None,
            hide: None,
        }
    }

    /// One argument more.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.arguments.push(word.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, words: &[&str]) -> Self {
        self.arguments.extend(words.iter().map(Into::into));
        self
    }

    /// Starts it inside `cgroup`: it enters before it becomes the program.
    #[must_use]
    pub fn inside(mut self, cgroup: &Cgroup) -> Self {
        let file = cgroup.directory().join("cgroup.procs");
        self.cgroup = CString::new(file.as_os_str().as_bytes()).ok();
        self
    }

    /// Its `oom_score_adj`, 0 if nothing is said. The harness itself has -1000, which must not be handed down.
    #[must_use]
    pub fn adj(mut self, adj: i32) -> Self {
        self.adj = adj;
        self
    }

    /// As uid 65534 without any capability.
    #[must_use]
    pub fn as_nobody(self) -> Self {
        self.as_nobody_with(CapabilitySet::empty())
    }

    /// As uid 65534 with these capabilities and no others.
    #[must_use]
    pub fn as_nobody_with(mut self, capabilities: CapabilitySet) -> Self {
        self.nobody = Some(capabilities);
        self
    }

    /// With an empty directory over `directory`, in a mount namespace of its own.
    #[must_use]
    pub fn hiding(mut self, directory: &str) -> Self {
        self.hide = CString::new(directory).ok();
        self
    }

    /// The command with everything that has to be done between fork and exec.
    pub fn command(self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        let adj = CString::new(self.adj.to_string()).context("a number holds no NUL")?;
        let before_exec = move || {
            if let Some(file) = &self.cgroup {
                write_file(file, b"0")?;
            }
            write_file(c"/proc/self/oom_score_adj", adj.as_bytes())?;
            if let Some(directory) = &self.hide {
                hide(directory)?;
            }
            if let Some(capabilities) = self.nobody {
                become_nobody(capabilities)?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec only async-signal-safe calls are made: open, write, close, unshare, mount,
        // prctl, setgroups, setgid, setuid, capset, on memory that was prepared before the fork.
        unsafe { command.pre_exec(before_exec) };
        Ok(command)
    }

    /// Starts it with pipes to its input and output; its stderr is the harness's.
    pub fn start(self) -> Result<Running> {
        let name = format!("{:?} {:?}", self.program, self.arguments);
        let mut child = self
            .command()?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        let input = child.stdin.take();
        let lines = LineReader::new(child.stdout.take().context("a piped stdout is there")?);
        Ok(Running { name, child, input, lines })
    }

    /// Starts it and waits for its `ready`; returns the words after it as well.
    pub fn start_ready(self) -> Result<(Running, String)> {
        let mut running = self.start()?;
        let words = running.ready()?;
        Ok((running, words))
    }
}

/// A started process. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: LineReader<ChildStdout>,
}

impl Running {
    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits for the `ready` line and returns the words after it.
    pub fn ready(&mut self) -> Result<String> {
        self.ready_within(PATIENCE)
    }

    /// The same, with another patience: thousands of processes take their time.
    pub fn ready_within(&mut self, patience: Duration) -> Result<String> {
        let line = self.line_within(patience)?;
        let words =
            line.strip_prefix("ready").with_context(|| format!("{} said {line:?}, not ready", self.name))?;
        Ok(words.trim().to_owned())
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> Result<String> {
        self.line_within(PATIENCE)
    }

    fn line_within(&mut self, patience: Duration) -> Result<String> {
        let line = self.lines.next(patience).with_context(|| format!("while waiting for {}", self.name))?;
        line.with_context(|| format!("{} ended without another word", self.name))
    }

    /// Tells a program that waits for it to start.
    pub fn go(&mut self) -> Result<()> {
        let input = self.input.as_mut().context("its input is closed")?;
        writeln!(input).with_context(|| format!("failed to tell {} to start", self.name))
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.wait_within(PATIENCE)
    }

    /// The same, with another patience.
    pub fn wait_within(&mut self, patience: Duration) -> Result<ExitStatus> {
        wait_child(&mut self.child, patience)
            .with_context(|| format!("while waiting for {} to end", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the end of `child` at most `patience`.
pub fn wait_child(child: &mut Child, patience: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().context("failed to wait for a process")? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            bail!("it did not end within {patience:?}");
        }
        // waitpid has no timeout; a pidfd would do, but a step this small harms no result.
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

fn write_file(file: &std::ffi::CStr, bytes: &[u8]) -> std::io::Result<()> {
    // SAFETY: the path is NUL-terminated.
    let fd = check(unsafe { libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) })?;
    // SAFETY: the pointer and length are those of a live slice.
    let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    let result = if written == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: the descriptor was opened above and is used by nobody else.
    unsafe { libc::close(fd) };
    result
}

fn hide(directory: &std::ffi::CStr) -> std::io::Result<()> {
    // SAFETY: takes a number only.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let tmpfs = c"tmpfs".as_ptr();
    // SAFETY: all strings are NUL-terminated, and no data is passed.
    check(unsafe { libc::mount(tmpfs, directory.as_ptr(), tmpfs, 0, std::ptr::null()) })?;
    Ok(())
}
