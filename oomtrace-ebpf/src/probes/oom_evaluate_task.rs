//! `int oom_evaluate_task(struct task_struct *task, void *arg)`, mm/oom_kill.c, 4.7 to 7.3; `arg` is the `oom_control`.
//!
//! Frames one candidate, also of those passed over before scoring. Returns 1 to abort the scan. Static, but out of line
//! everywhere, because its address is passed to `mem_cgroup_scan_tasks()`.

use aya_ebpf::{
    macros::{fexit, kprobe, kretprobe},
    programs::{FExitContext, ProbeContext, RetProbeContext},
};

use crate::scan;

#[fexit(function = "oom_evaluate_task")]
fn oom_evaluate_task_fexit(ctx: FExitContext) -> u32 {
    let returned: u64 = ctx.arg(2);
    scan::evaluated(ctx.arg(0), returned as u32);
    0
}

#[kprobe]
fn oom_evaluate_task_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(task) = ctx.arg(0) {
        scan::evaluating(task);
    }
    0
}

#[kretprobe]
fn oom_evaluate_task_kretprobe(ctx: RetProbeContext) -> u32 {
    scan::evaluated_remembered(ctx.ret());
    0
}
