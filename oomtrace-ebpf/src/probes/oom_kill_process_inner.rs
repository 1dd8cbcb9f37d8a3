//! `void __oom_kill_process(struct task_struct *victim, const char *message)`, mm/oom_kill.c, 4.19 to 7.3.
//!
//! Once for the chosen process and, with `memory.oom.group`, once for every member: the chosen one is then visited twice.
//! Not called when the chosen one was dying already. Misses processes that share the mm: see `signal_generate`.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use oomtrace_common::step;

use crate::{kill, steps};

#[fentry(function = "__oom_kill_process")]
fn __oom_kill_process_fentry(ctx: FEntryContext) -> u32 {
    if let Some(state) = kill::kill(ctx.arg(0), ctx.arg(1)) {
        steps::all(state);
    }
    0
}

#[kprobe]
fn __oom_kill_process_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(victim), Some(message)) = (ctx.arg(0), ctx.arg(1)) {
        if kill::kill(victim, message).is_some() {
            steps::go(&ctx, step::SUBJECT);
        }
    }
    0
}
