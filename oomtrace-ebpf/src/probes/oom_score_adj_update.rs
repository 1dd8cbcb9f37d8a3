//! Tracepoint `oom:oom_score_adj_update`, all kernels: an `oom_score_adj` was written, in the writer's context.
//!
//! Says thread id, name and the new value, at offsets read from its `format`. Comes for each process that shares the mm, too;
//! also when the value is the old one. Not for a child, which inherits it.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};

use crate::adjust;

#[tracepoint]
fn oom_score_adj_update_tracepoint(ctx: TracePointContext) -> u32 {
    adjust::updated(&ctx);
    0
}
