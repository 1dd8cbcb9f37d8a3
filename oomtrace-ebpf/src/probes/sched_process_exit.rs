//! Tracepoint `sched:sched_process_exit`, all kernels: a thread is exiting, in its own context.
//!
//! Up to 6.15 it comes after the thread's address space is gone, from 6.16 on before. No field of its record is used.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};

use crate::kill;

#[tracepoint]
fn sched_process_exit_tracepoint(_ctx: TracePointContext) -> u32 {
    kill::exiting();
    0
}
