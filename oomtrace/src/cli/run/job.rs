//! The command's process: started before anything else is done, held until the capture is ready, signalled, waited for.
//!
//! It is forked off while this process is as whoever called it left it. So the command has the caller's capabilities, its
//! `oom_score_adj` and no filter, whatever this process does to itself afterwards; and it begins to run when it is told to, or when
//! the capture takes too long.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process};
use tokio::io::{Interest, unix::AsyncFd};

/// How long the command waits for the capture to be ready. An emulated machine takes some ten seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Signals that are passed on.
const PASSED_ON: [libc::c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

/// The command's process.
pub(super) struct Job {
    pid: Pid,
    gate: Option<PipeWriter>,
    failed: PipeReader,
    signals: OwnedFd,
    registered: Option<AsyncFd<OwnedFd>>,
    ended: Option<Ended>,
}

/// The command waits behind it.
pub(super) struct Gate(Option<PipeWriter>);

impl Gate {
    /// The command is to run.
    pub(super) fn open(self) {
        if let Some(mut gate) = self.0 {
            // One that waited too long has gone on without it.
            let _ = gate.write_all(b".");
        }
    }
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub(super) code: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<i32>,
    /// Why it could not be started: what `exec` said.
    pub(super) not_started: Option<i32>,
    /// Resident memory of the largest process among it and those that it waited for, bytes.
    pub(super) largest_bytes: u64,
}

impl Ended {
    /// The exit code of a shell that ran it.
    pub(super) fn status(&self) -> u8 {
        let code = match (self.code, self.signal) {
            (Some(code), _) => code,
            (None, Some(signal)) => 128 + signal,
            (None, None) => 125,
        };
        u8::try_from(code & 0xff).unwrap_or(125)
    }
}

impl Job {
    /// Makes the process; the command does not run yet. To be called before there are threads.
    pub(super) fn start(command: &[OsString]) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments);
        let (gate, gate_writer) = io::pipe()?;
        let (failed, failed_writer) = io::pipe()?;
        // SAFETY: there is one thread, so that the child may do whatever this process could.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop((gate_writer, failed));
                become_command(gate, failed_writer, &mut command)
            }
            pid => {
                drop((gate, failed_writer));
                let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::Other)?;
                let signals = own_signals()?;
                Ok(Self { pid, gate: Some(gate_writer), failed, signals, registered: None, ended: None })
            }
        }
    }

    /// Its process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// What lets the command run.
    pub(super) fn gate(&mut self) -> Gate {
        Gate(self.gate.take())
    }

    /// Passes signals on until the command has ended. Cancel safe; needs a tokio runtime.
    pub(super) async fn end(&mut self) -> io::Result<Ended> {
        loop {
            if self.ended.is_none() {
                self.look()?;
            }
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
            let registered = match &mut self.registered {
                Some(registered) => registered,
                slot => {
                    let fd = self.signals.try_clone()?;
                    // SAFETY: the descriptor is owned by what is registered, and is not replaced while it is.
                    let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
                    slot.insert(fd.map_err(io::Error::from)?)
                }
            };
            let mut ready = registered.readable().await?;
            let read = ready.try_io(|fd| read_signal(fd.as_raw_fd()));
            let Ok(info) = read else { continue };
            self.signalled(&info?);
        }
    }

    fn signalled(&self, info: &libc::signalfd_siginfo) {
        let number = info.ssi_signo.cast_signed();
        // Of its end: it is looked at anyway.
        if number == libc::SIGCHLD {
            return;
        }
        // What keys of the terminal send goes to all in its foreground, the command included; that it hangs up, to its leader alone.
        let by_terminal = info.ssi_code == libc::SI_KERNEL && number != libc::SIGHUP;
        if by_terminal && getpgid(Some(self.pid)).is_ok_and(|group| group == getpgrp()) {
            return;
        }
        if let Some(signal) = Signal::from_named_raw(number) {
            // It may have ended.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Whether it has ended.
    fn look(&mut self) -> io::Result<()> {
        let mut status = 0;
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: both are places for what the kernel writes.
        let waited = unsafe { libc::wait4(self.pid(), &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        match waited {
            0 => return Ok(()),
            -1 => return Err(io::Error::last_os_error()),
            _ => {}
        }
        // SAFETY: all zeroes are one, whether the kernel has written to it or not.
        let usage = unsafe { usage.assume_init() };
        let mut errno = [0; 4];
        let not_started = self.failed.read_exact(&mut errno).is_ok();
        let signalled = libc::WIFSIGNALED(status);
        self.ended = Some(Ended {
            code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: signalled.then(|| libc::WTERMSIG(status)),
            not_started: not_started.then(|| i32::from_ne_bytes(errno)),
            largest_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024),
        });
        Ok(())
    }
}

/// What the child does: waits, and becomes the command.
fn become_command(gate: PipeReader, mut failed: PipeWriter, command: &mut Command) -> ! {
    let code = if may_go(gate) {
        let error = command.exec();
        let errno = error.raw_os_error().unwrap_or(libc::ENOENT);
        // Nobody there to be told: the exit code tells.
        let _ = failed.write_all(&errno.to_ne_bytes());
        if errno == libc::ENOENT { 127 } else { 126 }
    } else {
        125
    };
    // SAFETY: nothing that this process has is the child's to tidy up.
    unsafe { libc::_exit(code) }
}

/// Waits for the word to go; false when whoever would give it is gone.
fn may_go(mut gate: PipeReader) -> bool {
    let mut waits = libc::pollfd { fd: gate.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let patience = libc::c_int::try_from(PATIENCE.as_millis()).unwrap_or(libc::c_int::MAX);
    loop {
        // SAFETY: one descriptor, which is open.
        match unsafe { libc::poll(&raw mut waits, 1, patience) } {
            0 => return true,
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return gate.read_exact(&mut [0]).is_ok(),
        }
    }
}

/// Takes the signals that are passed on, and that of the command's end, as data.
fn own_signals() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is initialised before it is used; the calls read it, and take numbers.
    unsafe {
        // A caller that ignores it would have the kernel keep no status.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::sigemptyset(set.as_mut_ptr());
        for signal in PASSED_ON.into_iter().chain([libc::SIGCHLD]) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) == -1 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn read_signal(fd: libc::c_int) -> io::Result<libc::signalfd_siginfo> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: a place of that size for what the kernel writes.
    let read = unsafe { libc::read(fd, info.as_mut_ptr().cast(), size) };
    match usize::try_from(read) {
        // SAFETY: the kernel has written all of it.
        Ok(read) if read == size => Ok(unsafe { info.assume_init() }),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
