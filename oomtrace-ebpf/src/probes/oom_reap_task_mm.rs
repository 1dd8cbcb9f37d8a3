//! `bool __oom_reap_task_mm(struct mm_struct *mm)`, mm/oom_kill.c, 4.18 to 7.3.
//!
//! The reaper begins on an address space. `process_mrelease()` calls it too, and up to 5.17 `exit_mmap()` of a victim: those
//! are no kernel threads.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use crate::reaping;

#[fentry(function = "__oom_reap_task_mm")]
fn __oom_reap_task_mm_fentry(ctx: FEntryContext) -> u32 {
    reaping::began(ctx.arg(0));
    0
}

#[kprobe]
fn __oom_reap_task_mm_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(mm) = ctx.arg(0) {
        reaping::began(mm);
    }
    0
}
