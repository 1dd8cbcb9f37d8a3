//! The programs' own log, for whoever works on them: entry and return of `out_of_memory()`.
//!
//! Programs of their own, which are loaded only when the log is asked for: what writes a line is longer than most of the others.

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use aya_log_ebpf::debug;

#[kprobe]
fn log_kprobe(ctx: ProbeContext) -> u32 {
    debug!(&ctx, "out_of_memory: entered");
    0
}

#[kretprobe]
fn log_kretprobe(ctx: RetProbeContext) -> u32 {
    let returned: u64 = ctx.ret();
    debug!(&ctx, "out_of_memory: returned {}", returned & 0xff);
    0
}
