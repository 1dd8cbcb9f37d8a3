//! `share-mm`: two processes with one mm (`CLONE_VM` without `CLONE_THREAD`), the first of which allocates without end.
//!
//! Says `ready PID` with the id of the second. The allocation starts after a line on standard input.

use anyhow::{Context as _, Result, bail};

use super::{Arguments, die_with_parent, hog, memory, say_ready, set_adj};

/// The second process only sleeps: a small stack will do.
const STACK: usize = 64 * 1024;

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let rss_kb: usize = arguments.option("--rss")?.unwrap_or(1024);
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    memory::anon(rss_kb * 1024)?;
    let second = clone_sharing_mm(0)?;
    say_ready(&second.to_string())?;
    std::io::stdin().read_line(&mut String::new()).context("failed to read the word to start")?;
    hog::without_end(256 * 1024)
}

/// Starts a process that shares this one's mm and only sleeps; `flags` are added to `CLONE_VM`.
pub(super) fn clone_sharing_mm(flags: libc::c_int) -> Result<libc::pid_t> {
    extern "C" fn sleeper(_: *mut libc::c_void) -> libc::c_int {
        // Nothing but system calls here: the thread-local storage is the first process's.
        // SAFETY: both calls take numbers only.
        unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        loop {
            // SAFETY: without descriptors, a time and a mask every pointer may be null.
            unsafe { libc::syscall(libc::SYS_ppoll, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
        }
    }
    // u128 for the 16-byte alignment that the ABI asks of a stack.
    let stack = Box::leak(vec![0_u128; STACK / size_of::<u128>()].into_boxed_slice());
    let top = stack.as_mut_ptr_range().end.cast();
    // SAFETY: the stack is leaked, hence valid for as long as the new process runs, and grows down from its end;
    // `sleeper` uses nothing that belongs to this process.
    let pid =
        unsafe { libc::clone(sleeper, top, libc::CLONE_VM | flags | libc::SIGCHLD, std::ptr::null_mut()) };
    if pid == -1 {
        bail!("failed to clone: {}", std::io::Error::last_os_error());
    }
    Ok(pid)
}
