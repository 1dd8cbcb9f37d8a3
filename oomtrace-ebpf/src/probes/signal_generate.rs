//! Tracepoint `signal:signal_generate`, all kernels: a signal is being sent, in the sender's context.
//!
//! The only sign of processes that are killed because they share a victim's mm: the kernel neither logs nor marks them.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};

use crate::kill;

#[tracepoint]
fn signal_generate_tracepoint(ctx: TracePointContext) -> u32 {
    kill::signal(&ctx);
    0
}
