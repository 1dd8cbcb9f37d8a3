//! `void mark_oom_victim(struct task_struct *tsk)`, mm/oom_kill.c, 4.6 to 7.3.
//!
//! The thread gets access to memory reserves. Hooked here rather than at `oom:mark_victim`, whose record names only the thread
//! and changed its layout within stable series. Called again for a thread that is marked already.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use crate::kill;

#[fentry(function = "mark_oom_victim")]
fn mark_oom_victim_fentry(ctx: FEntryContext) -> u32 {
    kill::mark(ctx.arg(0));
    0
}

#[kprobe]
fn mark_oom_victim_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(task) = ctx.arg(0) {
        kill::mark(task);
    }
    0
}
