//! `void mem_cgroup_print_oom_group(struct mem_cgroup *memcg)`, mm/memcontrol.c, 4.19 to 7.3.
//!
//! The topmost cgroup with `memory.oom.group` between the victim and the limit is about to be killed as a whole; called by
//! `oom_kill_process()` only, behind the kill of the chosen one. Never on cgroup v1. An entry, where the return of
//! `mem_cgroup_get_oom_group()` would tell the same: returns take a location of ftrace.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use oomtrace_common::step;

use crate::{group, memcg, steps};

#[fentry(function = "mem_cgroup_print_oom_group")]
fn mem_cgroup_print_oom_group_fentry(ctx: FEntryContext) -> u32 {
    if let Some(state) = group::found(ctx.arg(0)) {
        // SAFETY: this thread owns the state.
        memcg::send_names(unsafe { (*state).kn }, state);
    }
    0
}

#[kprobe]
fn mem_cgroup_print_oom_group_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(memcg) = ctx.arg(0) {
        if group::found(memcg).is_some() {
            steps::go(&ctx, step::NAMES);
        }
    }
    0
}
