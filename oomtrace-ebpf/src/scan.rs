//! One selection scan: its state, and how its candidates get to user space.
//!
//! Candidates go into a log that user space has mapped ([`LOG`]), one entry each; when the choice is made, one small record says
//! where they are. An aborted scan is forgotten: what it wrote is overwritten by the next one, and it costs nothing else.
//! Beyond the log's room the ones with the most points are kept ([`crate::top`]), the rest is counted.

use core::hint::cold_path;

use aya_ebpf::helpers::generated::bpf_get_current_task;
use oomtrace_common::record::{Logged, NOT_SCORED, Task, kind};

use crate::{
    emit::{emit, header, now, wake_if_filling},
    episode::State,
    globals::{at, size},
    load::hidden,
    maps::{LOG, LOG_READ},
    read::{Errors, get},
    top, unscored,
};

/// The running scan. Written by the thread inside `out_of_memory()` only, which is the only one too that calls
/// `oom_evaluate_task()`.
#[repr(C)]
pub(crate) struct Scan {
    /// The task under evaluation, as long as the scorer has not reported on it; otherwise up to [`NOT_A_TASK`].
    pub(crate) pending: u64,
    /// What the scorer reported on the task that was looked at last, [`NOT_SCORED`] without.
    pub(crate) points: i64,
    /// The `task_struct` of the thread that scans; 0 when there is none.
    pub(crate) owner: u64,
    /// The `oom_control` of the scan, on the stack of that thread; 0 when there is none to follow.
    pub(crate) oc: u64,
    /// The mm that was found for the task that was looked at last, 0 without.
    pub(crate) mm: u64,
    /// Numbers of entries of the log: the first of this scan, the next one, and the one that is not free.
    pub(crate) head: u64,
    pub(crate) next: u64,
    pub(crate) end: u64,
    /// What of a number says where the entry is.
    pub(crate) mask: u64,
    /// Candidates that the log had no room for.
    pub(crate) beyond: u64,
    /// Points of the last candidate that it had room for, where there are others.
    pub(crate) last_points: i64,
    /// Candidates without a score, besides the one that was looked at last.
    pub(crate) unscored: u64,
    /// 1 when the scan was asked for by sysrq.
    pub(crate) sysrq: u64,
    /// The css_set last met, and the id of its memory cgroup: tasks of one cgroup mostly share it, and are looked at one after
    /// the other.
    pub(crate) last_css_set: u64,
    pub(crate) last_memcg: u64,
    /// Boot time of the first evaluation and of the choice.
    pub(crate) first_evaluated_ns: u64,
    pub(crate) last_evaluated_ns: u64,
    /// Candidates that have been handed to user space.
    pub(crate) handed: u64,
    /// Candidates in the table of those with the most points, and the least points that get into it.
    pub(crate) tops: u64,
    pub(crate) top_least: i64,
    /// Where in the table the one with the least points is.
    pub(crate) top_at: u64,
}

/// The running scan, where every program can reach it without looking it up.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static mut SCAN: Scan = Scan {
    pending: NOT_FOLLOWED,
    points: 0,
    owner: 0,
    oc: 0,
    mm: 0,
    head: 0,
    next: 0,
    end: 0,
    mask: 0,
    beyond: 0,
    last_points: 0,
    unscored: 0,
    sysrq: 0,
    last_css_set: 0,
    last_memcg: 0,
    first_evaluated_ns: 0,
    last_evaluated_ns: 0,
    handed: 0,
    tops: 0,
    top_least: 0,
    top_at: 0,
};

/// No tasks, for [`Scan::pending`]: there is no scan to follow.
const NOT_FOLLOWED: u64 = 0;
/// Nobody has been looked at yet.
const FIRST: u64 = 1;
/// The scorer has reported on the task that was looked at last.
pub(crate) const SCORED: u64 = 2;
/// The largest of them.
pub(crate) const NOT_A_TASK: u64 = SCORED;

/// The running scan. Valid always; who is not its owner may only look.
#[inline(always)]
pub(crate) fn running() -> *mut Scan {
    &raw mut SCAN
}

/// `out_of_memory(oc)` was entered: a scan may follow.
#[inline(always)]
pub(crate) fn begin(oc: u64) {
    let scan = running();
    // SAFETY: a static; `oom_lock`, which the caller of `out_of_memory()` holds, keeps every other writer out. User space's
    // count of what it has read only grows, and never beyond `head`.
    unsafe {
        let read = LOG_READ.get_ptr(0).map_or(0, |read| read.read_volatile());
        // What was handed over stays, what was not is overwritten.
        if (*scan).handed != 0 {
            (*scan).head = (*scan).next;
        }
        (*scan).next = (*scan).head;
        (*scan).end = read.wrapping_add(size!(log));
        (*scan).mask = size!(log) - 1;
        (*scan).beyond = 0;
        (*scan).unscored = 0;
        (*scan).oc = oc;
        (*scan).owner = bpf_get_current_task();
        (*scan).pending = FIRST;
        (*scan).points = NOT_SCORED;
        // What `is_sysrq_oom()` looks at.
        (*scan).sysrq = u64::from(get::<i32>(at!(oc, oc_order), &mut { Errors::NONE }) == -1);
        (*scan).last_css_set = 0;
        (*scan).last_memcg = oomtrace_common::UNKNOWN_U64;
        (*scan).first_evaluated_ns = 0;
        (*scan).last_evaluated_ns = 0;
        (*scan).handed = 0;
        (*scan).tops = 0;
        (*scan).top_least = i64::MIN;
    }
}

/// The scan is over, and was not aborted: notes when, and hands the candidates to user space, once.
#[inline(always)]
pub(crate) fn over(state: *mut State) {
    let scan = running();
    // SAFETY: this thread owns the episode and with it the scan.
    unsafe {
        if evaluated() == 0 || (*scan).last_evaluated_ns != 0 {
            return;
        }
        let pending = (*scan).pending;
        if pending > NOT_A_TASK {
            unscored::note(pending);
        }
        (*scan).oc = 0;
        (*scan).pending = NOT_FOLLOWED;
        (*scan).last_evaluated_ns = now();
        if (*scan).beyond == 0 {
            (*scan).last_points = (*scan).points;
        }
        let kept = (*scan).next - (*scan).head;
        let sent = emit!(RING, record: Logged, wake_if_filling(), {
            (*record).header = header::<Logged>(kind::LOGGED, (*state).episode);
            (*record).position = (*scan).head;
            (*record).count = kept as u32;
            (*record).reserved = 0;
            (*record).last_points = (*scan).last_points;
        });
        if sent {
            (*scan).handed = kept;
        }
        if (*scan).tops != 0 && top::send(scan, (*state).episode) {
            (*scan).handed += (*scan).tops;
        }
    }
}

/// The pass ends.
#[inline(always)]
pub(crate) fn end() {
    let scan = running();
    // SAFETY: this thread owns the episode and with it the scan.
    unsafe {
        (*scan).oc = 0;
        (*scan).owner = 0;
        (*scan).pending = NOT_FOLLOWED;
    }
}

/// Calls of `oom_evaluate_task()`.
#[inline(always)]
pub(crate) fn evaluated() -> u64 {
    let scan = running();
    // SAFETY: a static.
    unsafe { (*scan).next.wrapping_sub((*scan).head).wrapping_add((*scan).beyond) }
}

/// Those of them with a score.
#[inline(always)]
pub(crate) fn scored() -> u64 {
    let scan = running();
    // SAFETY: a static.
    unsafe { evaluated() - (*scan).unscored - u64::from((*scan).pending > NOT_A_TASK) }
}

/// Place in the log of the task that was looked at last.
#[inline(always)]
pub(crate) fn last_slot() -> u32 {
    let scan = running();
    // SAFETY: a static.
    unsafe {
        let mask = (*scan).mask;
        if (*scan).beyond != 0 { mask as u32 + 1 } else { ((*scan).next.wrapping_sub(1) & mask) as u32 }
    }
}

/// tgid of the task that was looked at last: the victim that the scan waits for, if it was aborted there.
#[inline(always)]
pub(crate) fn last_tgid() -> i32 {
    // SAFETY: a valid pointer to an element of the map.
    LOG.get_ptr(last_slot()).map_or(0, |task| unsafe { (*task).tgid })
}

/// Candidates that were looked at and not handed to user space.
///
/// # Safety
/// The caller must own the episode, or take one over that was left behind.
#[inline(always)]
pub(crate) unsafe fn lost() -> u32 {
    let scan = running();
    // SAFETY: the caller vouches for it.
    unsafe { evaluated().saturating_sub((*scan).handed) as u32 }
}

/// The place in the log for the next candidate, `task`, with the points of the one before in it. `None`: this is not the scan that is
/// followed.
#[inline(always)]
pub(crate) fn next(task: u64, oc: u64) -> Option<*mut Task> {
    let scan = running();
    // SAFETY: a static; `oom_evaluate_task()` is called by the thread inside `out_of_memory()` only.
    unsafe {
        let pending = (*scan).pending;
        if pending != SCORED {
            cold_path();
            let pending = hidden(pending);
            if pending == NOT_FOLLOWED {
                return None;
            }
            if pending == FIRST {
                if (*scan).oc != oc {
                    return None;
                }
                (*scan).first_evaluated_ns = now();
            } else {
                unscored::note(pending);
            }
        }
        (*scan).pending = task;
        let number = (*scan).next;
        let slot = if number != (*scan).end {
            (*scan).next = number + 1;
            number & (*scan).mask
        } else {
            cold_path();
            if (*scan).beyond == 0 {
                (*scan).last_points = (*scan).points;
            }
            (*scan).beyond += 1;
            (*scan).mask + 1
        };
        let out = LOG.get_ptr_mut(slot as u32)?;
        (*out).points = (*scan).points;
        Some(out)
    }
}
