//! Steps: programs that the hooks of an episode share, each a jump away.
//!
//! What is told at the entry of `out_of_memory()`, `oom_kill_process()` and `__oom_kill_process()` is the same: a task, names of
//! cgroups, and something more. As programs that others jump to, its parts are verified once and not for each hook, and what
//! walks (levels of limits, nodes) jumps to itself rather than being a loop, every round of which is verified. A kernel that
//! refuses a step loses what the step tells, and what would have come after it.
//!
//! Programs of kprobes can jump to each other on all kernels. Those of fentry cannot, where their functions have different
//! arguments: they have everything in them ([`all`]), and are used where there are no kprobes.

use aya_ebpf::{
    macros::{kprobe, map},
    maps::ProgramArray,
    programs::ProbeContext,
};
use oomtrace_common::step;

use crate::{
    episode::{self, State},
    evidence,
    globals::{LEVELS, load},
    memcg, subject,
};

/// The steps, which the loader puts in.
#[map]
static STEPS: ProgramArray = ProgramArray::with_max_entries(step::COUNT, 0);

/// Jumps to a step. Comes back where there is none, which is so for [`step::NONE`].
#[inline(always)]
pub(crate) fn go(ctx: &ProbeContext, step: u32) {
    // SAFETY: the helper takes any index. It returns only when there is no such program.
    let _missing = unsafe { STEPS.tail_call(ctx, step) };
}

/// Everything that the steps from [`step::SUBJECT`] on do, at once.
#[inline(always)]
pub(crate) fn all(state: *mut State) {
    subject::send(state);
    // SAFETY: this thread owns the state.
    unsafe {
        memcg::send_names((*state).kn, state);
        memcg::send_names((*state).kn_next, state);
    }
    for _ in 0..load(&LEVELS) {
        if !memcg::send_level(state) {
            break;
        }
    }
}

#[kprobe]
fn subject_step(ctx: ProbeContext) -> u32 {
    let Some(state) = episode::owned() else { return 0 };
    subject::send(state);
    go(&ctx, step::NAMES);
    0
}

/// The names of one cgroup, or of the next one.
#[kprobe]
fn names_step(ctx: ProbeContext) -> u32 {
    let Some(state) = episode::owned() else { return 0 };
    // SAFETY: this thread owns the state.
    let next = unsafe {
        memcg::send_names((*state).kn, state);
        (*state).kn = (*state).kn_next;
        (*state).kn_next = 0;
        if (*state).kn == 0 { (*state).then } else { step::NAMES }
    };
    go(&ctx, next);
    0
}

/// One level of the limits.
#[kprobe]
fn level_step(ctx: ProbeContext) -> u32 {
    let Some(state) = episode::owned() else { return 0 };
    if memcg::send_level(state) {
        go(&ctx, step::LEVEL);
    }
    0
}

#[kprobe]
fn situation_step(ctx: ProbeContext) -> u32 {
    let Some(state) = episode::owned() else { return 0 };
    if evidence::situation(state) {
        go(&ctx, step::NODE);
    }
    0
}

/// One node.
#[kprobe]
fn node_step(ctx: ProbeContext) -> u32 {
    let Some(state) = episode::owned() else { return 0 };
    if evidence::node(state) {
        go(&ctx, step::NODE);
    }
    0
}

#[kprobe]
fn memcg_stat_step(_ctx: ProbeContext) -> u32 {
    let Some(state) = episode::owned() else { return 0 };
    evidence::memcg_stat(state);
    0
}
