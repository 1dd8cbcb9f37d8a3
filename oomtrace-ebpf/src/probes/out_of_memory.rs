//! `bool out_of_memory(struct oom_control *oc)`, mm/oom_kill.c, 5.10 to 7.3 (and unchanged since 4.7).
//!
//! Opens and closes the episode. Misses: an OOM that was under way when the programs were attached.

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use oomtrace_common::step;

use crate::{episode, evidence, steps};

#[fentry(function = "out_of_memory")]
fn out_of_memory_fentry(ctx: FEntryContext) -> u32 {
    evidence::capture_stack(ctx.as_ptr());
    if let Some(state) = episode::open(ctx.arg(0)) {
        steps::all(state);
    }
    0
}

#[fexit(function = "out_of_memory")]
fn out_of_memory_fexit(ctx: FExitContext) -> u32 {
    episode::close(ctx.arg(1));
    0
}

#[kprobe]
fn out_of_memory_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(oc) = ctx.arg(0) {
        evidence::capture_stack_at_entry(&ctx);
        if episode::open(oc).is_some() {
            steps::go(&ctx, step::SUBJECT);
        }
    }
    0
}

#[kretprobe]
fn out_of_memory_kretprobe(ctx: RetProbeContext) -> u32 {
    episode::close(ctx.ret());
    0
}
