//! The choice and what follows it: kills, signals, marks, reaping, exits.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_current_pid_tgid, bpf_get_current_task},
    programs::TracePointContext,
};
use oomtrace_common::{
    UNKNOWN_I32,
    config::ABSENT,
    record::{Reaper, Signal, TaskEvent, kind, loss},
    step,
};

use crate::{
    emit::{FORCE_WAKEUP, count_loss, emit, header, wake_if_filling},
    episode::{self, State},
    globals::{at, off},
    maps::VICTIMS,
    read::{Errors, copy_str, follow, get, zero},
    scan, subject, task,
};

/// `oom_kill_process(oc, message)` was entered: the choice is made. Candidates go out first, so that they are there when
/// the rest is.
#[inline(always)]
pub(crate) fn choose(oc: u64, message: u64) -> Option<*mut State> {
    let state = episode::owned()?;
    scan::over(state);
    subject::note(state, kind::CHOICE, follow(at!(oc, oc_chosen)), message, step::SITUATION);
    Some(state)
}

/// `__oom_kill_process(victim, message)` was entered.
#[inline(always)]
pub(crate) fn kill(victim: u64, message: u64) -> Option<*mut State> {
    let state = episode::owned()?;
    watch_for_exit(tgid(victim), state);
    subject::note(state, kind::KILL, victim, message, step::MEMCG_STAT);
    Some(state)
}

/// `mark_oom_victim(task)` was entered.
#[inline(always)]
pub(crate) fn mark(task: u64) {
    let Some(state) = episode::owned() else { return };
    watch_for_exit(tgid(task), state);
    // SAFETY: this thread owns the state.
    let episode = unsafe { (*state).episode };
    let sent = emit!(RING, record: TaskEvent, wake_if_filling(), {
        // SAFETY: `record` is a whole reserved record.
        unsafe { task_event(record, kind::MARKED, task, episode) }
    });
    count_if_lost(sent, state);
}

/// `signal:signal_generate`: a signal is being sent by this thread. Sent from inside an episode, SIGKILL is the OOM
/// killer's: it shows processes that share a victim's mm, which nothing else does.
#[inline(always)]
pub(crate) fn signal(ctx: &TracePointContext) {
    const SIGKILL: i32 = 9;
    let Some(state) = episode::owned() else { return };
    if field::<i32>(ctx, off!(tp_signal_sig)) != Some(SIGKILL) {
        return;
    }
    let Some(tid) = field::<i32>(ctx, off!(tp_signal_pid)) else { return };
    // SAFETY: this thread owns the state.
    let episode = unsafe { (*state).episode };
    // A process that shares the mm is addressed by its leader. The victim itself is addressed by the thread that still had
    // the mm, which need not be its leader, and has been noted by its process id.
    // SAFETY: this thread owns the state.
    if tid != unsafe { (*state).killed_tid } {
        watch_for_exit(tid as u32, state);
    }
    let sent = emit!(RING, record: Signal, wake_if_filling(), {
        // SAFETY: `record` is a whole reserved record, all of which is written.
        unsafe {
            (*record).header = header::<Signal>(kind::SIGNAL, episode);
            (*record).tid = tid;
            (*record).result = field::<i32>(ctx, off!(tp_signal_result)).unwrap_or(UNKNOWN_I32);
            zero(&raw mut (*record).comm);
            if off!(tp_signal_comm) != ABSENT {
                copy_str(&raw mut (*record).comm, ctx.as_ptr() as u64 + u64::from(off!(tp_signal_comm)));
            }
        }
    });
    count_if_lost(sent, state);
}

/// `exit_oom_victim()` was entered: the current task, which was marked, has let go of its address space.
#[inline(always)]
pub(crate) fn released() {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    // SAFETY: a valid pointer or none; values are never changed in place. The helper has no preconditions.
    let (episode, task) =
        unsafe { (VICTIMS.get_ptr(tgid).map_or(0, |episode| *episode), bpf_get_current_task()) };
    let sent = emit!(AFTERMATH, record: TaskEvent, FORCE_WAKEUP, {
        // SAFETY: `record` is a whole reserved record.
        unsafe { task_event(record, kind::RELEASED, task, episode) }
    });
    if !sent {
        count_loss(loss::RECORDS, 1);
    }
}

/// `sched:sched_process_exit`: a thread is exiting. Reported for the last thread of a victim.
#[inline(always)]
pub(crate) fn exiting() {
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    let Some(episode) = VICTIMS.get_ptr(tgid) else { return };
    // SAFETY: a valid pointer to a map value, never changed in place; the helper has no preconditions.
    let (episode, task) = unsafe { (*episode, bpf_get_current_task()) };
    let signal = follow(at!(task, task_signal));
    if get::<i32>(at!(signal, signal_live), &mut { Errors::NONE }) > 0 {
        return;
    }
    // Two last threads may both see no live one; removing succeeds once.
    if VICTIMS.remove(tgid).is_err() {
        return;
    }
    let sent = emit!(AFTERMATH, record: TaskEvent, FORCE_WAKEUP, {
        // SAFETY: `record` is a whole reserved record.
        unsafe { task_event(record, kind::EXITED, task, episode) }
    });
    if !sent {
        count_loss(loss::RECORDS, 1);
    }
}

/// One of the reaper's tracepoints but the last; `offset` is that of its `pid`.
#[inline(always)]
pub(crate) fn reaper(ctx: &TracePointContext, stage: u32, offset: u32) {
    let Some(tid) = field::<i32>(ctx, offset) else { return };
    let sent = emit!(AFTERMATH, record: Reaper, FORCE_WAKEUP, {
        // SAFETY: `record` is a whole reserved record, all of which is written.
        unsafe {
            (*record).header = header::<Reaper>(kind::REAPER, 0);
            (*record).tid = tid;
            (*record).stage = stage;
        }
    });
    if !sent {
        count_loss(loss::RECORDS, 1);
    }
}

/// The process id of a task; 0 if it cannot be read.
#[inline(always)]
fn tgid(task: u64) -> u32 {
    get(at!(task, task_tgid), &mut { Errors::NONE })
}

/// A field of a tracepoint's record.
#[inline(always)]
pub(crate) fn field<T: Copy>(ctx: &TracePointContext, offset: u32) -> Option<T> {
    if offset == ABSENT {
        return None;
    }
    // SAFETY: the offset comes from the tracepoint's own format; the helper checks the address.
    unsafe { ctx.read_at::<T>(offset as usize) }.ok()
}

/// Has [`exiting`] report the end of this process. Keeps the first episode that killed it.
#[inline(always)]
fn watch_for_exit(tgid: u32, state: *mut State) {
    const BPF_NOEXIST: u64 = 1;
    const EEXIST: i32 = -17;
    // SAFETY: this thread owns the state.
    unsafe {
        let episode = (*state).episode;
        if let Err(error) = VICTIMS.insert(tgid, episode, BPF_NOEXIST)
            && error != EEXIST
        {
            (*state).lost_victims += 1;
        }
    }
}

/// Writes a [`TaskEvent`] about `task`.
///
/// # Safety
/// `record` must be a whole reserved record.
#[inline(always)]
unsafe fn task_event(record: *mut TaskEvent, kind: u16, task: u64, episode: u64) {
    // SAFETY: the caller vouches for `record`, all of which is written.
    unsafe {
        (*record).header = header::<TaskEvent>(kind, episode);
        (*record).tgid = tgid(task) as i32;
        (*record).tid = get(at!(task, task_pid), &mut { Errors::NONE });
        task::comm(&raw mut (*record).comm, task);
    }
}

/// Counts a record of the episode that the ring did not take.
#[inline(always)]
fn count_if_lost(sent: bool, state: *mut State) {
    if !sent {
        // SAFETY: this thread owns the state.
        unsafe { (*state).lost_records += 1 };
    }
}
