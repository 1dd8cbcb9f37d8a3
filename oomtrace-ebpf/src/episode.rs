//! One pass through `out_of_memory()`: its state, its beginning and its end.

use core::mem::offset_of;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use oomtrace_common::{
    record::{Closed, chosen, kind, loss},
    step,
};

use crate::{
    emit::{FORCE_WAKEUP, count_loss, emit, header},
    evidence,
    globals::at,
    maps::STATE,
    memcg,
    read::{Errors, follow, get, zero},
    scan, subject,
};

/// The running episode. Written by its owner only.
#[repr(C)]
pub(crate) struct State {
    /// `bpf_get_current_pid_tgid()` of the thread inside `out_of_memory()`, 0 when there is none.
    pub(crate) owner: u64,
    /// Number of the episode.
    pub(crate) episode: u64,
    /// Its `oom_control`, on the caller's stack: valid until the caller of `out_of_memory()` goes on.
    pub(crate) oc: u64,
    /// Result of the last search for a thread with an mm: the thread, and the mm, 0 if there is none.
    pub(crate) thread: u64,
    pub(crate) mm: u64,
    pub(crate) lost_records: u32,
    pub(crate) failed_reads: u32,
    pub(crate) lost_victims: u32,
    pub(crate) unclosed: u32,
    /// Thread id of the one that `__oom_kill_process()` last sent its signal to.
    pub(crate) killed_tid: i32,
    /// What of the evidence has been sent, as bits.
    pub(crate) evidence: u32,
    /// What [`crate::subject`] tells next: a kind of record, the step after it, a task, the address of the kernel's message.
    pub(crate) kind: u32,
    pub(crate) then: u32,
    pub(crate) subject: u64,
    pub(crate) message: u64,
    /// The next level of the limiter chain, and its css.
    pub(crate) css: u64,
    pub(crate) level: u32,
    /// The next node.
    pub(crate) node: u32,
    /// Cgroups whose names are to be sent.
    pub(crate) kn: u64,
    pub(crate) kn_next: u64,
}

/// The state, if this thread is inside `out_of_memory()`.
#[inline(always)]
pub(crate) fn owned() -> Option<*mut State> {
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: a valid pointer to the map's only element. Another thread may write `owner` meanwhile, but never this
    // thread's number.
    let owner = unsafe { (*state).owner };
    // The idle tasks' number is 0, which is nobody's here.
    if owner != 0 && owner == bpf_get_current_pid_tgid() { Some(state) } else { None }
}

/// `out_of_memory(oc)` was entered: the state of a new episode, with the trigger and the limiter chain noted for the steps.
#[inline(always)]
pub(crate) fn open(oc: u64) -> Option<*mut State> {
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: a valid pointer to the map's only element; `oom_lock`, which the caller of `out_of_memory()` holds, keeps
    // every other writer out.
    unsafe {
        // An owner is left over when the return probe of an earlier episode was skipped.
        let unclosed = u32::from((*state).owner != 0);
        if unclosed != 0 {
            count_lost(state, scan::lost());
        }
        (*state).owner = bpf_get_current_pid_tgid();
        scan::begin(oc);
        (*state).episode += 1;
        zero((&raw mut (*state).oc).cast::<[u8; size_of::<State>() - offset_of!(State, oc)]>());
        (*state).oc = oc;
        (*state).unclosed = unclosed;
        (*state).css = memcg::css(follow(at!(oc, oc_memcg)));
    }
    subject::note_trigger(state, step::LEVEL);
    Some(state)
}

/// `out_of_memory()` returned `returned` (only the lowest byte of a `bool` is meaningful).
#[inline(always)]
pub(crate) fn close(returned: u64) {
    let Some(state) = owned() else { return };
    // SAFETY: this thread owns the state; `oc` is on the stack of a caller that has not gone on yet.
    let oc = unsafe { (*state).oc };
    let best = follow(at!(oc, oc_chosen));
    let how = match best {
        0 => chosen::NOBODY,
        u64::MAX => chosen::ABORTED,
        _ => chosen::TASK,
    };
    // An aborted scan chose nobody, and its candidates are forgotten.
    if how != chosen::ABORTED {
        scan::over(state);
        evidence::send_stack(state);
    }
    // SAFETY: this thread owns the state, and with it the scan.
    let lost_candidates = unsafe { if how == chosen::ABORTED { 0 } else { scan::lost() } };
    let scan = scan::running();
    let sent = emit!(RING, record: Closed, FORCE_WAKEUP, {
        // SAFETY: `record` is a whole reserved record, all of which is written; this thread owns the state.
        unsafe {
            (*record).header = header::<Closed>(kind::CLOSED, (*state).episode);
            (*record).totalpages = follow(at!(oc, oc_totalpages));
            (*record).first_evaluated_ns = (*scan).first_evaluated_ns;
            // Where nobody was chosen, it is the kernel's report that was noted.
            (*record).last_evaluated_ns = if how == chosen::TASK { (*scan).last_evaluated_ns } else { 0 };
            (*record).constraint = get(at!(oc, oc_constraint), &mut { Errors::NONE });
            (*record).chosen = how;
            (*record).returned = u32::from(returned & 0xff != 0);
            (*record).evaluated = scan::evaluated() as u32;
            (*record).scored = scan::scored() as u32;
            (*record).blocker = if how == chosen::ABORTED { scan::last_tgid() } else { 0 };
            (*record).lost_candidates = lost_candidates;
            (*record).lost_records = (*state).lost_records;
            (*record).failed_reads = (*state).failed_reads;
            (*record).lost_victims = (*state).lost_victims;
            (*record).unclosed = (*state).unclosed;
            (*record).reserved = 0;
        }
    });
    // SAFETY: this thread owns the state until it gives it up here.
    unsafe {
        if !sent {
            count_loss(loss::CLOSING, 1);
            count_loss(loss::UNCLOSED, u64::from((*state).unclosed));
            count_lost(state, lost_candidates);
        }
        (*state).owner = 0;
        scan::end();
    }
}

/// Keeps the losses of an episode whose closing record could not.
///
/// # Safety
/// `state` must be the episode's.
#[inline(always)]
unsafe fn count_lost(state: *mut State, candidates: u32) {
    // SAFETY: the caller vouches for `state`.
    unsafe {
        count_loss(loss::RECORDS, u64::from((*state).lost_records));
        count_loss(loss::CANDIDATES, u64::from(candidates));
        count_loss(loss::READS, u64::from((*state).failed_reads));
        count_loss(loss::VICTIMS, u64::from((*state).lost_victims));
    }
}
