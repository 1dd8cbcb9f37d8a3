//! `long oom_badness(struct task_struct *p, unsigned long totalpages)`, mm/oom_kill.c, 5.9 and later.
//!
//! The score. Also runs for every read of `/proc/PID/oom_score`, which is told apart by its thread. On some builds (Debian's
//! 5.10) the scan calls a split copy, `oom_badness.part.0`, which has no BTF: the return probe is attached to every such
//! copy too, in both flavours. Misses: a scorer inlined into the scan, which shows as "looked at, never scored".

use aya_ebpf::{
    macros::{fexit, kretprobe},
    programs::{FExitContext, RetProbeContext},
};

use crate::candidate;

#[fexit(function = "oom_badness")]
fn oom_badness_fexit(ctx: FExitContext) -> u32 {
    candidate::scored(ctx.arg(0), ctx.arg(2));
    0
}

#[kretprobe]
fn oom_badness_kretprobe(ctx: RetProbeContext) -> u32 {
    candidate::scored_somebody(ctx.ret());
    0
}
