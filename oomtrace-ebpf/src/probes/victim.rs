//! Tracepoints of the `log` flavour: `oom:mark_victim` and `oom:finish_task_reaping` (4.15 to 7.3), `sched:sched_process_exit`.
//!
//! `oom:mark_victim` says the marked thread's id, and from 6.10 on (and in stable series) its name, uid, memory and adjustment; it comes
//! once for each thread. Up to 6.15 an exit comes after the address space is gone, from 6.16 on before.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use oomtrace_common::record::reaper::FINISH;

use crate::{globals::off, kill, victim};

#[tracepoint]
fn mark_victim_tracepoint(ctx: TracePointContext) -> u32 {
    victim::marked(&ctx);
    0
}

#[tracepoint]
fn victim_exit_tracepoint(ctx: TracePointContext) -> u32 {
    victim::exiting(&ctx);
    0
}

#[tracepoint]
fn reaping_over_tracepoint(ctx: TracePointContext) -> u32 {
    kill::reaper(&ctx, FINISH, off!(tp_finish_reaping_pid));
    0
}
