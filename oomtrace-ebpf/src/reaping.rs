//! What the reaper takes back: the victim's counters when it begins and when it is done.
//!
//! Only the mm is known at the beginning, and only the thread id at the end; both come from the one reaper, one after the
//! other.

use aya_ebpf::{helpers::bpf_get_current_task, programs::TracePointContext};
use oomtrace_common::record::{Memory, Reaped, kind, loss, reaped};

use crate::{
    emit::{FORCE_WAKEUP, count_loss, emit, header},
    globals::{LAYOUT, MM_COUNTERS, at, load},
    kill,
    maps::REAPING,
    read::{Errors, copy_bytes, copy_run, get},
    task::PF_KTHREAD,
};

/// `__oom_reap_task_mm(mm)` was entered. The reaper is a kernel thread; a process that gives its own or another one's memory
/// back by the same function is not.
#[inline(always)]
pub(crate) fn began(mm: u64) {
    // SAFETY: the helper has no preconditions.
    let current = unsafe { bpf_get_current_task() };
    if get::<u32>(at!(current, task_flags), &mut { Errors::NONE }) & PF_KTHREAD == 0 {
        return;
    }
    let Some(reaping) = REAPING.get_ptr_mut(0) else { return };
    // SAFETY: a valid pointer to the map's only element, which only the one reaper writes.
    unsafe {
        (*reaping).reaper = current;
        (*reaping).mm = mm;
        (*reaping).known = u64::from(memory(&raw mut (*reaping).before, mm)) * u64::from(reaped::BEFORE);
    }
}

/// `oom:finish_task_reaping`; `offset` is that of its `pid`. The reaper still holds the mm.
#[inline(always)]
pub(crate) fn finished(ctx: &TracePointContext, offset: u32) {
    let Some(tid) = kill::field::<i32>(ctx, offset) else { return };
    let Some(reaping) = REAPING.get_ptr_mut(0) else { return };
    // SAFETY: the helper has no preconditions.
    let current = unsafe { bpf_get_current_task() };
    let sent = emit!(AFTERMATH, record: Reaped, FORCE_WAKEUP, {
        // SAFETY: `record` is a whole reserved record, all of which is written; `reaping` points to the map's only element,
        // which only the one reaper writes.
        unsafe {
            (*record).header = header::<Reaped>(kind::REAPED, 0);
            (*record).tid = tid;
            // The beginning may not have been seen: then what lies here is another victim's. Nothing can be read at 0.
            // Multiplied, not branched: the verifier would follow both ways through all that comes.
            let seen = u64::from((*reaping).reaper == current);
            let mm = (*reaping).mm * seen;
            let known = ((*reaping).known * seen) as u32;
            // By a helper's call: the compiler would call a function that copies byte by byte.
            let before = (&raw const (*reaping).before) as u64;
            copy_bytes((&raw mut (*record).before).cast(), size_of::<Memory>() as u32, before, &mut { Errors::NONE });
            let after = u32::from(memory(&raw mut (*record).after, mm));
            (*record).known = known | after * reaped::AFTER;
            (*reaping).reaper = 0;
        }
    });
    if !sent {
        count_loss(loss::RECORDS, 1);
    }
}

/// Reads the counters of `mm`; false when that failed.
///
/// # Safety
/// `out` must be valid for writes, and of a memory type that the verifier accepts as a helper's buffer.
#[inline(always)]
unsafe fn memory(out: *mut Memory, mm: u64) -> bool {
    let mut errors = Errors::NONE;
    // SAFETY: the caller vouches for `out`.
    unsafe {
        let first = &raw const LAYOUT.mm_rss_file;
        copy_run(&raw mut (*out).rss_file, mm, first, load(&MM_COUNTERS), &mut errors);
    }
    !errors.any()
}
