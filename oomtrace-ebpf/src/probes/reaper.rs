//! Tracepoints `oom:wake_reaper`, `oom:start_task_reaping`, `oom:finish_task_reaping`, `oom:skip_task_reaping`, 4.15 to 7.3.
//!
//! Each carries only the marked thread's id, at an offset read from its `format`; what was reaped is read at the last one. The reaper rarely runs: most victims free
//! their memory themselves within the two seconds that newer kernels give them.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use oomtrace_common::record::reaper::{SKIP, START, WAKE};

use crate::{globals::off, kill, reaping};

#[tracepoint]
fn wake_reaper_tracepoint(ctx: TracePointContext) -> u32 {
    kill::reaper(&ctx, WAKE, off!(tp_wake_reaper_pid));
    0
}

#[tracepoint]
fn start_task_reaping_tracepoint(ctx: TracePointContext) -> u32 {
    kill::reaper(&ctx, START, off!(tp_start_reaping_pid));
    0
}

#[tracepoint]
fn finish_task_reaping_tracepoint(ctx: TracePointContext) -> u32 {
    reaping::finished(&ctx, off!(tp_finish_reaping_pid));
    0
}

#[tracepoint]
fn skip_task_reaping_tracepoint(ctx: TracePointContext) -> u32 {
    kill::reaper(&ctx, SKIP, off!(tp_skip_reaping_pid));
    0
}
