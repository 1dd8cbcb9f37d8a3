//! One selection scan: its state, and how its candidates get to user space.
//!
//! Candidates go into a log that user space has mapped ([`LOG`]), one entry each; when the choice is made, one small record says
//! where they are. An aborted scan is forgotten: what it wrote is overwritten by the next one, and it costs nothing else.
//! Beyond the log's room the ones with the most points are kept ([`crate::top`]), the rest is counted.

use oomtrace_common::record::{Logged, Task, kind};

use crate::{
    emit::{emit, header, now, wake_if_filling},
    episode::State,
    globals::size,
    maps::{LOG, LOG_READ},
    top,
};

/// The running scan. Written by the thread inside `out_of_memory()` only, which is the only one too that calls
/// `oom_evaluate_task()`.
#[repr(C)]
pub(crate) struct Scan {
    /// The `oom_control` of the scan; 0 when there is none to follow. On the stack of the thread that scans, so that whoever
    /// has it as its argument is that thread.
    pub(crate) oc: u64,
    /// `bpf_get_current_pid_tgid()` of that thread.
    pub(crate) owner: u64,
    /// The task under evaluation, as long as the scorer has not reported on it.
    pub(crate) pending: u64,
    /// The mm that was found for it, 0 without.
    pub(crate) mm: u64,
    /// Numbers of entries of the log: the first of this scan, the next one, and the one that is not free.
    pub(crate) head: u64,
    pub(crate) next: u64,
    pub(crate) end: u64,
    /// What of a number says where the entry is.
    pub(crate) mask: u64,
    /// Place in [`LOG`] of the task under evaluation.
    pub(crate) slot: u64,
    /// Candidates that the log had no room for.
    pub(crate) beyond: u64,
    /// Candidates with a score.
    pub(crate) scored: u64,
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
    oc: 0,
    owner: 0,
    pending: 0,
    mm: 0,
    head: 0,
    next: 0,
    end: 0,
    mask: 0,
    slot: 0,
    beyond: 0,
    scored: 0,
    last_css_set: 0,
    last_memcg: 0,
    first_evaluated_ns: 0,
    last_evaluated_ns: 0,
    handed: 0,
    tops: 0,
    top_least: 0,
    top_at: 0,
};

/// No task, for [`Scan::pending`]: nobody has been looked at yet.
pub(crate) const FIRST: u64 = 1;

/// The running scan. Valid always; who is not its owner may only look.
#[inline(always)]
pub(crate) fn running() -> *mut Scan {
    &raw mut SCAN
}

/// `out_of_memory(oc)` was entered: a scan may follow.
#[inline(always)]
pub(crate) fn begin(oc: u64, owner: u64) {
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
        (*scan).oc = oc;
        (*scan).owner = owner;
        (*scan).pending = FIRST;
        (*scan).scored = 0;
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
        (*scan).oc = 0;
        (*scan).pending = 0;
        (*scan).last_evaluated_ns = now();
        let kept = (*scan).next - (*scan).head;
        let sent = emit!(record: Logged, wake_if_filling(), {
            (*record).header = header::<Logged>(kind::LOGGED, (*state).episode);
            (*record).position = (*scan).head;
            (*record).count = kept as u32;
            (*record).reserved = 0;
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
        (*scan).pending = 0;
    }
}

/// Calls of `oom_evaluate_task()`.
#[inline(always)]
pub(crate) fn evaluated() -> u64 {
    let scan = running();
    // SAFETY: a static.
    unsafe { (*scan).next.wrapping_sub((*scan).head).wrapping_add((*scan).beyond) }
}

/// tgid of the task that was looked at last: the victim that the scan waits for, if it was aborted there.
#[inline(always)]
pub(crate) fn last_tgid() -> i32 {
    // SAFETY: a static, and a valid pointer to an element of the map.
    unsafe { LOG.get_ptr((*running()).slot as u32).map_or(0, |task| (*task).tgid) }
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

/// The place in the log for the next candidate, and whether it is the first or the one before was not scored. `None`: this is not the scan that
/// is followed.
#[inline(always)]
pub(crate) fn next(task: u64, oc: u64) -> Option<(*mut Task, bool)> {
    let scan = running();
    // SAFETY: a static; with `oc` being the scan's, this is the thread that owns it.
    unsafe {
        if (*scan).oc != oc {
            return None;
        }
        let doubt = (*scan).pending != 0;
        (*scan).pending = task;
        let number = (*scan).next;
        let slot = if number != (*scan).end {
            (*scan).next = number + 1;
            number & (*scan).mask
        } else {
            (*scan).beyond += 1;
            size!(log)
        };
        (*scan).slot = slot;
        LOG.get_ptr_mut(slot as u32).map(|out| (out, doubt))
    }
}
