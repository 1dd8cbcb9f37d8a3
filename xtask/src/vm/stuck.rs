//! A guest that is stuck: how that is noticed, and the interrupt that makes its kernel tell what it was at.
//!
//! What the kernel then prints goes to the console, whose reader is [`super::qemu`]'s.

use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Our end of QEMU's monitor.
pub(super) struct Monitor(UnixStream);

/// QEMU's end of it.
pub(super) struct MonitorEnd(UnixStream);

impl Monitor {
    /// Both ends.
    pub(super) fn pair() -> Result<(Self, MonitorEnd)> {
        let (ours, theirs) = UnixStream::pair().context("cannot make a pair of sockets")?;
        Ok((Self(ours), MonitorEnd(theirs)))
    }

    /// Interrupts all processors, also those that take no ordinary interrupt.
    pub(super) fn interrupt(&mut self) {
        // A QEMU that is gone needs no interrupt.
        let _ = self.0.write_all(b"nmi\n");
    }
}

impl MonitorEnd {
    /// The arguments that make `qemu` use it; the descriptor has to be handed down to it.
    pub(super) fn give_to(&self, qemu: &mut Command) {
        qemu.arg("-chardev").arg(format!("socket,id=monitor,fd={}", self.0.as_raw_fd()));
        qemu.args(["-mon", "chardev=monitor,mode=readline"]);
    }
}

impl AsFd for MonitorEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// How long a guest has printed nothing.
pub(super) struct Silence {
    longest: Option<Duration>,
    since: Mutex<Instant>,
}

impl Silence {
    /// Over after `longest` without a word; never, if that is `None`.
    pub(super) fn new(longest: Option<Duration>) -> Self {
        Self { longest, since: Mutex::new(Instant::now()) }
    }

    /// The guest said something.
    pub(super) fn broken(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Whether it has lasted too long.
    pub(super) fn is_over(&self) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        self.longest.is_some_and(|longest| since.elapsed() > longest)
    }
}
