//! `struct mem_cgroup *mem_cgroup_get_oom_group(struct task_struct *victim, struct mem_cgroup *oom_domain)`, mm/memcontrol.c,
//! 4.19 to 7.3.
//!
//! The topmost cgroup with `memory.oom.group` between the victim and the limit, NULL without one; called by
//! `oom_kill_process()` only. Always NULL on cgroup v1.

use aya_ebpf::{
    macros::{fexit, kretprobe},
    programs::{FExitContext, RetProbeContext},
};

use crate::group;

#[fexit(function = "mem_cgroup_get_oom_group")]
fn mem_cgroup_get_oom_group_fexit(ctx: FExitContext) -> u32 {
    group::found(ctx.arg(2));
    0
}

#[kretprobe]
fn mem_cgroup_get_oom_group_kretprobe(ctx: RetProbeContext) -> u32 {
    group::found(ctx.ret());
    0
}
