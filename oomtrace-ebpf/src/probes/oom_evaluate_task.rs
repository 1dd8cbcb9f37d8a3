//! `int oom_evaluate_task(struct task_struct *task, void *arg)`, mm/oom_kill.c, 4.7 to 7.3; `arg` is the `oom_control`.
//!
//! Looks at one candidate, also at those that are passed over before scoring. Static, but out of line everywhere, because its
//! address is passed to `mem_cgroup_scan_tasks()`. Its return value (1 aborts the scan) is not hooked: what it means is in the
//! `oom_control` when the pass ends.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use crate::candidate;

#[fentry(function = "oom_evaluate_task")]
fn oom_evaluate_task_fentry(ctx: FEntryContext) -> u32 {
    candidate::entered_by_type(ctx.arg(0), ctx.arg(1));
    0
}

#[kprobe]
fn oom_evaluate_task_kprobe(ctx: ProbeContext) -> u32 {
    if let (Some(task), Some(oc)) = (ctx.arg(0), ctx.arg(1)) {
        candidate::entered_by_address(task, oc);
    }
    0
}
