//! Candidates without a score: why the kernel passed them over, took them without asking the scorer, or was refused a score.
//!
//! Looked up late, when the next candidate comes or the scan is over, and so only for those that need it. Nothing of it changes
//! meanwhile but by the kernel's own doing under `oom_lock`, which the scan holds, or by a process that gives up its mm.

use oomtrace_common::record::flag;

use crate::{
    globals::at,
    maps::LOG,
    read::{Errors, follow, get},
    scan, task,
};

/// `pending`, the candidate that was looked at last, has not been scored.
///
/// # Safety
/// This thread must be the owner of the scan.
#[inline(always)]
pub(crate) unsafe fn note(pending: u64) {
    let scan = scan::running();
    let Some(out) = LOG.get_ptr_mut(scan::last_slot()) else { return };
    // SAFETY: the caller vouches for the scan; `out` is the last candidate's entry.
    unsafe {
        (*scan).unscored += 1;
        (*scan).points = oomtrace_common::record::NOT_SCORED;
        let mut flags = (*out).flags;
        if flags & flag::KTHREAD != 0 {
            return;
        }
        let signal = follow(at!(pending, task_signal));
        let origin = get::<u8>(at!(signal, signal_oom_flag_origin), &mut { Errors::NONE });
        flags |= u16::from(origin & 1) * flag::ORIGIN;
        flags |= u16::from(follow(at!(signal, signal_oom_mm)) != 0) * flag::VICTIM;
        (*out).flags = flags | task::protections(pending, (*scan).mm);
    }
}

/// `task`, the candidate that was looked at last, must not be killed.
///
/// # Safety
/// As above.
#[inline(always)]
pub(crate) unsafe fn unkillable(task: u64) {
    let Some(out) = LOG.get_ptr_mut(scan::last_slot()) else { return };
    // SAFETY: as above.
    unsafe { (*out).flags |= task::protections(task, (*scan::running()).mm) };
}
