//! `void oom_kill_process(struct oom_control *oc, const char *message)`, mm/oom_kill.c, 4.19 (order of arguments) to 7.3.
//!
//! The choice is made. Not called when the scan chose nobody, was aborted, or the trigger was dying already.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use oomtrace_common::step;

use crate::{kill, steps};

#[fentry(function = "oom_kill_process")]
fn oom_kill_process_fentry(ctx: FEntryContext) -> u32 {
    if let Some(state) = kill::choose(ctx.arg(0), ctx.arg(1)) {
        steps::all(state);
    }
    0
}

#[kprobe]
fn oom_kill_process_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(oc), Some(message)) = (ctx.arg(0), ctx.arg(1)) {
        if kill::choose(oc, message).is_some() {
            steps::go(&ctx, step::SUBJECT);
        }
    }
    0
}
