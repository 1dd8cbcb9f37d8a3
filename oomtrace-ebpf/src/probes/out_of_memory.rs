//! `bool out_of_memory(struct oom_control *oc)`, mm/oom_kill.c, 5.10 to 7.3 (and unchanged since 4.7).
//!
//! Opens and closes the episode. Misses: an OOM that was under way when the programs were attached.

use aya_ebpf::{
    EbpfContext,
    macros::{fentry, fexit, kprobe, kretprobe},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};
use aya_log_ebpf::debug;

use crate::{episode, evidence};

#[fentry(function = "out_of_memory")]
fn out_of_memory_fentry(ctx: FEntryContext) -> u32 {
    debug!(&ctx, "out_of_memory: entered");
    evidence::capture_stack(ctx.as_ptr());
    episode::open(ctx.arg(0));
    0
}

#[fexit(function = "out_of_memory")]
fn out_of_memory_fexit(ctx: FExitContext) -> u32 {
    let returned: u64 = ctx.arg(1);
    debug!(&ctx, "out_of_memory: returned {}", returned & 0xff);
    episode::close(returned);
    0
}

#[kprobe]
fn out_of_memory_kprobe(ctx: ProbeContext) -> u32 {
    debug!(&ctx, "out_of_memory: entered");
    if let Some(oc) = ctx.arg(0) {
        evidence::capture_stack(ctx.as_ptr());
        episode::open(oc);
    }
    0
}

#[kretprobe]
fn out_of_memory_kretprobe(ctx: RetProbeContext) -> u32 {
    let returned: u64 = ctx.ret();
    debug!(&ctx, "out_of_memory: returned {}", returned & 0xff);
    episode::close(returned);
    0
}
