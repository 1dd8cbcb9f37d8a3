//! The task that a hook of the episode is about: the trigger, the chosen one, a process about to be killed.

use aya_ebpf::helpers::bpf_get_current_task;
use oomtrace_common::{
    UNKNOWN_U64,
    record::{Subject, kind},
};

use crate::{
    emit::{emit, header, wake_if_filling},
    episode::State,
    globals::at,
    memcg,
    read::{Errors, copy_str, follow, put, sign, zero},
    task,
};

/// Notes the subject for [`send`]: the task, the kernel's message, what to do when it and its names have been told.
#[inline(always)]
pub(crate) fn note(state: *mut State, kind: u16, task: u64, message: u64, then: u32) {
    // SAFETY: this thread owns the state.
    unsafe {
        (*state).kind = u32::from(kind);
        (*state).subject = task;
        (*state).message = message;
        (*state).then = then;
    }
}

/// Notes `current` at the entry of `out_of_memory()`.
#[inline(always)]
pub(crate) fn note_trigger(state: *mut State, then: u32) {
    // SAFETY: the helper has no preconditions.
    note(state, kind::OPENED, unsafe { bpf_get_current_task() }, 0, then);
}

/// Sends the subject, and notes the cgroups whose names are to be sent: its own, and that whose limit was hit.
#[inline(always)]
pub(crate) fn send(state: *mut State) {
    // SAFETY: this thread owns the state.
    let (kind, mut subject, oc) = unsafe { ((*state).kind as u16, (*state).subject, (*state).oc) };
    // First: what the stack holds is then the same on both ways that follow.
    let limit = follow(at!(oc, oc_memcg));
    // Of a thread (`oom_kill_allocating_task` chooses the current one) it is the leader that is told of, and that the kernel
    // looks at first. The trigger is the thread.
    if kind != kind::OPENED {
        let leader = follow(at!(subject, task_group_leader));
        subject = if leader == 0 { subject } else { leader };
    }
    let kn = memcg::kernfs_node(memcg::css_of_task(subject));
    let limit_kn = memcg::kernfs_node(memcg::css(limit));
    // SAFETY: this thread owns the state.
    unsafe {
        (*state).kn = kn;
        (*state).kn_next = limit_kn;
    }
    let sent = emit!(RING, record: Subject, wake_if_filling(), {
        let mut errors = Errors::NONE;
        // SAFETY: `record` is a whole reserved record, all of which is written; this thread owns the state.
        unsafe {
            (*record).header = header::<Subject>(kind, (*state).episode);
            (*record).task.points = 0;
            // With nothing left out: the protections too, which matter for a task that no score belongs to.
            let chosen = kind != kind::OPENED;
            task::fill(&raw mut (*record).task, subject, memcg::id(kn), chosen, state);
            (*state).killed_tid = (*record).task.tid;
            // 0 is no memcg, which is not the same as one whose id cannot be read.
            (*record).memcg = match follow(at!(limit_kn, kn_id)) {
                0 => UNKNOWN_U64 & sign(limit as i64) as u64,
                id => id,
            };
            put(&raw mut (*record).gfp_mask, at!(oc, oc_gfp_mask), &mut errors);
            (*record).gfp_mask_known = u32::from(!errors.any());
            put(&raw mut (*record).order, at!(oc, oc_order), &mut errors);
            put(&raw mut (*record).chosen_points, at!(oc, oc_chosen_points), &mut errors);
            put(&raw mut (*record).totalpages, at!(oc, oc_totalpages), &mut errors);
            put(&raw mut (*record).constraint, at!(oc, oc_constraint), &mut errors);
            zero(&raw mut (*record).message);
            copy_str(&raw mut (*record).message, (*state).message);
        }
    });
    if !sent {
        // SAFETY: this thread owns the state.
        unsafe { (*state).lost_records += 1 };
    }
}
