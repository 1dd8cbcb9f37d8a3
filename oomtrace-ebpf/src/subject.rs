//! The task that a hook of the episode is about: the trigger, the chosen one, a process about to be killed.

use aya_ebpf::helpers::bpf_get_current_task;
use oomtrace_common::{
    UNKNOWN_I32, UNKNOWN_U32, UNKNOWN_U64,
    config::ABSENT,
    record::{Subject, kind},
};

use crate::{
    emit::{emit, header, wake_if_filling},
    episode::State,
    globals::off,
    memcg,
    read::{Errors, copy, copy_str, pointer, read, zero},
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
    // Of a thread (`oom_kill_allocating_task` chooses the current one) it is the leader that is told of, and that the kernel
    // looks at first. The trigger is the thread.
    if kind != kind::OPENED {
        let leader = pointer(subject, off!(task_group_leader));
        subject = if leader == 0 { subject } else { leader };
    }
    let kn = memcg::kernfs_node(memcg::css_of_task(subject));
    let limit = pointer(oc, off!(oc_memcg));
    let limit_kn = memcg::kernfs_node(memcg::css(limit));
    // SAFETY: this thread owns the state.
    unsafe {
        (*state).kn = kn;
        (*state).kn_next = limit_kn;
    }
    let sent = emit!(record: Subject, wake_if_filling(), {
        let mut errors = Errors::NONE;
        // SAFETY: `record` is a whole reserved record, all of which is written; this thread owns the state.
        unsafe {
            (*record).header = header::<Subject>(kind, (*state).episode);
            (*record).task.points = 0;
            let mm = task::fill(&raw mut (*record).task, subject, memcg::id(kn), state);
            // With nothing left out: the protections too, which matter for a task that no score belongs to.
            if kind != kind::OPENED {
                (*record).task.flags |= task::protections(subject, mm);
            }
            (*state).killed_tid = (*record).task.tid;
            (*record).memcg = if limit == 0 { 0 } else { memcg::id(limit_kn) };
            copy(&raw mut (*record).gfp_mask, oc, off!(oc_gfp_mask), 0, &mut errors);
            (*record).gfp_mask_known = u32::from(!errors.any() && off!(oc_gfp_mask) != ABSENT);
            (*record).order = read(oc, off!(oc_order), UNKNOWN_I32, &mut errors);
            (*record).chosen_points = read(oc, off!(oc_chosen_points), i64::MIN, &mut errors);
            (*record).totalpages = read(oc, off!(oc_totalpages), UNKNOWN_U64, &mut errors);
            (*record).constraint = read(oc, off!(oc_constraint), UNKNOWN_U32, &mut errors);
            zero(&raw mut (*record).message);
            copy_str(&raw mut (*record).message, (*state).message);
        }
    });
    if !sent {
        // SAFETY: this thread owns the state.
        unsafe { (*state).lost_records += 1 };
    }
}
