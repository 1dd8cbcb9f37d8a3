//! `herd N`: N processes that share one mm with their parent (`CLONE_VM` without `CLONE_THREAD`) and only sleep.
//!
//! Each is a candidate of its own, with the points of the shared memory, and costs a fraction of what a process with an mm of
//! its own does: tens of thousands of them fit into a small guest, and are there within seconds. `--adj A` holds for all.

use std::ptr::null_mut;

use anyhow::{Context as _, Result, bail};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use super::{Arguments, die_with_parent, park, say_ready, set_adj};

/// Bytes of stack for a process that makes two system calls.
const STACK: usize = 512;

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let count: usize = arguments.next("N")?;
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    let bytes = count * STACK;
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
    let stacks =
        unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }
            .with_context(|| format!("failed to map {bytes} bytes of stacks"))?;
    for index in 0..count {
        // SAFETY: the end of the stack lies within the mapping, or just behind it, and is aligned as the ABI asks.
        let top = unsafe { stacks.byte_add((index + 1) * STACK) };
        // SAFETY: the mapping is never unmapped, no two processes get the same part of it, and the new process uses nothing else of
        // this one's memory.
        let pid = unsafe { libc::clone(sleep, top, libc::CLONE_VM | libc::SIGCHLD, null_mut()) };
        if pid == -1 {
            bail!("failed to clone process {index}: {}", std::io::Error::last_os_error());
        }
    }
    say_ready("")?;
    park();
}

/// All that a member of the herd does. Nothing but system calls: the thread-local storage is the parent's.
extern "C" fn sleep(_: *mut libc::c_void) -> libc::c_int {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    loop {
        // SAFETY: without descriptors, a time and a mask every pointer may be null.
        unsafe { libc::syscall(libc::SYS_ppoll, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    }
}
