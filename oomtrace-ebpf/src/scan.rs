//! The selection scan: one candidate per `oom_evaluate_task()`, gathered into batches.

use oomtrace_common::record::{BATCH, BatchHeader, Task, flag, kind};

use crate::{
    emit::{header, leaves_headroom, now, wake_if_filling},
    episode::{self, State},
    globals::off,
    maps::{Batch, PENDING, RING},
    read::pointer,
    task,
};

/// `oom_evaluate_task(task, oc)` was entered: remembered for the return probe.
#[inline(always)]
pub(crate) fn evaluating(task: u64) {
    let Some(state) = episode::owned() else { return };
    // SAFETY: this thread owns the state.
    unsafe {
        (*state).task = task;
        (*state).points_valid = 0;
    }
}

/// The scorer returned `points` for `task`, 0 where that is not known. Readers of `/proc/PID/oom_score` come here too, and
/// are not the owner.
#[inline(always)]
pub(crate) fn scored(task: u64, points: i64) {
    let Some(state) = episode::owned() else { return };
    // SAFETY: this thread owns the state.
    unsafe {
        (*state).points = points;
        (*state).scored_task = task;
        (*state).points_valid = 1;
    }
}

/// `oom_evaluate_task()` returned for the remembered task.
#[inline(always)]
pub(crate) fn evaluated_remembered(returned: u32) {
    let Some(state) = episode::owned() else { return };
    // SAFETY: this thread owns the state.
    let task = unsafe {
        let task = (*state).task;
        // Taken: if the next entry is skipped, its return must not tell of this task again.
        (*state).task = 0;
        if task == 0 {
            (*state).evaluated += 1;
            (*state).lost_candidates += 1;
            (*state).points_valid = 0;
            return;
        }
        task
    };
    candidate(state, task, returned);
}

/// `oom_evaluate_task(task, oc)` returned.
#[inline(always)]
pub(crate) fn evaluated(task: u64, returned: u32) {
    let Some(state) = episode::owned() else { return };
    candidate(state, task, returned);
}

/// Puts a candidate into the batch.
#[inline(always)]
fn candidate(state: *mut State, task: u64, returned: u32) {
    // SAFETY: this thread owns the state and with it the batch; the slot lies within the batch, which is checked in the
    // words that the verifier understands.
    unsafe {
        if (*state).evaluated == 0 {
            (*state).first_evaluated_ns = now();
        }
        (*state).evaluated += 1;
        if (*state).batch_count as usize >= BATCH {
            flush(state);
        }
        let slot = (*state).batch_count as usize;
        if slot >= BATCH {
            return;
        }
        let Some(batch) = PENDING.get_ptr_mut(0) else { return };
        let out = (&raw mut (*batch).tasks).cast::<Task>().add(slot);

        let mm = task::fill(out, task, state);
        let mut flags = 0;
        let scored =
            (*state).points_valid != 0 && ((*state).scored_task == 0 || (*state).scored_task == task);
        (*state).points_valid = 0;
        if scored {
            (*state).scored += 1;
            (*out).points = (*state).points;
            flags |= flag::SCORED;
        } else {
            (*out).points = 0;
            // Chosen without a score: swapoff and KSM put themselves first.
            if task != 0 && pointer((*state).oc, off!(oc_chosen)) == task {
                flags |= flag::CHOSEN;
            }
        }
        if flags & flag::SCORED == 0 || (*out).points == i64::MIN {
            flags |= task::protections(task, mm);
        }
        if returned == 1 {
            flags |= flag::ABORTED_SCAN;
            (*state).blocker = (*out).tgid;
        }
        (*out).flags |= flags;
        (*state).batch_count = slot as u32 + 1;
    }
}

/// The scan is over, and was not aborted: notes when, and puts the batch on the ring.
#[inline(always)]
pub(crate) fn over(state: *mut State) {
    // SAFETY: this thread owns the state.
    unsafe {
        if (*state).evaluated != 0 && (*state).last_evaluated_ns == 0 {
            (*state).last_evaluated_ns = now();
        }
    }
    flush(state);
}

/// Forgets the batch: the scan was aborted, and chose nobody.
#[inline(always)]
pub(crate) fn drop_pending(state: *mut State) {
    // SAFETY: this thread owns the state.
    unsafe { (*state).batch_count = 0 };
}

/// Puts the batch on the ring, unless that would leave too little room for what explains the kill. Inlined
/// like everything else: with calls between programs' functions, verifiers before 6.4 take every number for one that matters
/// and follow far too many paths.
#[inline(always)]
pub(crate) fn flush(state: *mut State) {
    let Some(batch) = PENDING.get_ptr_mut(0) else { return };
    // SAFETY: this thread owns the state and the batch; the slice lies within the batch.
    unsafe {
        let count = (*state).batch_count as usize;
        if count == 0 || count > BATCH {
            return;
        }
        let len = size_of::<BatchHeader>() + count * size_of::<Task>();
        (*batch).header.header = header::<Batch>(kind::CANDIDATES, (*state).episode);
        (*batch).header.header.len = len as u32;
        (*batch).header.first = (*state).batch_first;
        (*batch).header.count = count as u32;

        let taken = leaves_headroom(len as u64) && {
            let bytes = core::slice::from_raw_parts(batch.cast::<u8>().cast_const(), len);
            RING.output::<[u8]>(bytes, wake_if_filling()).is_ok()
        };
        if !taken {
            (*state).lost_candidates += count as u32;
        }
        (*state).batch_first += count as u32;
        (*state).batch_count = 0;
    }
}
