//! A process that is held in the middle of its exit: dying, its memory still there, until it is let go.
//!
//! With `PTRACE_O_TRACEEXIT` a killed process stops before it gives its memory up. No timing is involved, which is what makes
//! episodes possible that hang on somebody who is dying.

use std::ptr::null_mut;

use anyhow::{Context as _, Result, bail};

/// A process that will stop, or has stopped, in its exit. Dropping it lets it go. Belongs to the thread that made it.
#[derive(Debug)]
pub struct Held(libc::pid_t);

impl Held {
    /// Makes sure that process `pid`, which has one thread, does not get past its exit.
    pub fn at_exit(pid: i32) -> Result<Self> {
        // SAFETY: takes numbers only.
        let result = unsafe {
            libc::ptrace(
                libc::PTRACE_SEIZE,
                pid,
                null_mut::<libc::c_void>(),
                libc::c_long::from(libc::PTRACE_O_TRACEEXIT),
            )
        };
        if result == -1 {
            let error = std::io::Error::last_os_error();
            return Err(error).with_context(|| format!("failed to trace process {pid}"));
        }
        Ok(Self(pid))
    }

    /// Waits until it stands in its exit.
    pub fn await_stop(&self) -> Result<()> {
        let mut status = 0;
        // SAFETY: the status is written to a live variable.
        let result = unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) };
        if result == -1 {
            return Err(std::io::Error::last_os_error()).context("failed to wait for the held process");
        }
        if !libc::WIFSTOPPED(status) || status >> 16 != libc::PTRACE_EVENT_EXIT {
            bail!("process {} did not stop in its exit: status {status:#x}", self.0);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: takes numbers only. A process that has not stopped, or is gone, is not detached from, which is fine: it goes on.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, null_mut::<libc::c_void>(), 0_usize) };
    }
}
