//! Reading a task: who it is, its memory, its state. Bounded, and exactly what the scorer would look at.
//!
//! The mm is that of the first thread that still has one (`find_lock_task_mm`), not necessarily the leader's.

use oomtrace_common::{
    UNKNOWN_I16, UNKNOWN_U32, UNKNOWN_U64,
    record::{Task, flag},
};

use crate::{
    episode::State,
    globals::{LAYOUT, MM_COUNTERS, THREADS, load, off},
    read::{Errors, copy, copy_run, copy_str, pointer, read},
};

/// `task_struct.flags`, the same from 5.10 to 7.3 (include/linux/sched.h).
pub(crate) const PF_EXITING: u32 = 0x4;
pub(crate) const PF_KTHREAD: u32 = 0x0020_0000;
/// `mm_struct.flags`, the same from 5.10 to 7.3 (include/linux/mm_types.h).
const MMF_OOM_SKIP: u64 = 1 << 21;

/// Fills in all of `out` but `points` from `task`, whose memory cgroup's id is `memcg`, counting failed reads in `state`. Returns
/// its mm, 0 without.
///
/// # Safety
/// `out` must be valid for writes of a whole [`Task`], 8-byte aligned; `state` must be the episode's.
#[inline(always)]
pub(crate) unsafe fn fill(out: *mut Task, task: u64, memcg: u64, state: *mut State) -> u64 {
    let mut errors = Errors::NONE;
    let pf = read::<u32>(task, off!(task_flags), 0, &mut errors);
    let signal = read::<u64>(task, off!(task_signal), 0, &mut errors);
    // A kernel thread's mm, if any, is borrowed.
    if pf & PF_KTHREAD == 0 {
        find_mm(task, signal, state);
    } else {
        found(state, task, 0);
    }
    // SAFETY: `state` is the episode's. Read back rather than returned, so that to the verifier all the ways out of the
    // search are one.
    let (owner, mm) =
        unsafe { ((&raw const (*state).thread).read_volatile(), (&raw const (*state).mm).read_volatile()) };
    let origin = read::<u8>(signal, off!(signal_oom_flag_origin), 0, &mut errors);
    let oom_mm = read::<u64>(signal, off!(signal_oom_mm), 0, &mut errors);

    // SAFETY: the caller vouches for `out` and `state`; every field but `points` is written, the type has no padding.
    unsafe {
        copy(&raw mut (*out).tgid, task, off!(task_tgid), 0, &mut errors);
        copy(&raw mut (*out).tid, owner, off!(task_pid), 0, &mut errors);
        copy(&raw mut (*out).oom_score_adj, signal, off!(signal_oom_score_adj), UNKNOWN_I16, &mut errors);
        let cred = read::<u64>(task, off!(task_real_cred), 0, &mut errors);
        copy(&raw mut (*out).uid, cred, off!(cred_uid), UNKNOWN_U32, &mut errors);
        (*out).memcg = memcg;
        let mut flags = 0;
        if mm == 0 {
            flags |= flag::NO_MM;
        }
        memory(out, mm, &mut errors);
        comm(&raw mut (*out).comm, task);
        // The bits are moved, not tested: the verifier would follow each of sixteen combinations.
        flags |= (((pf & PF_KTHREAD) >> 21) as u16) * flag::KTHREAD;
        flags |= (((pf & PF_EXITING) >> 2) as u16) * flag::EXITING;
        flags |= u16::from(origin & 1) * flag::ORIGIN;
        if oom_mm != 0 {
            flags |= flag::VICTIM;
        }
        if errors.any() {
            flags |= flag::READ_FAILED;
            (*state).failed_reads += 1;
        }
        (*out).flags = flags;
    }
    mm
}

/// Fills in the sizes of memory from `mm`, 0 for none.
///
/// # Safety
/// As for [`fill`].
#[inline(always)]
pub(crate) unsafe fn memory(out: *mut Task, mm: u64, errors: &mut Errors) {
    // SAFETY: the caller vouches for `out`.
    unsafe {
        if mm == 0 {
            (*out).rss_file = UNKNOWN_U64;
            (*out).rss_anon = UNKNOWN_U64;
            (*out).swapents = UNKNOWN_U64;
            (*out).rss_shmem = UNKNOWN_U64;
            (*out).pgtables_bytes = UNKNOWN_U64;
            (*out).total_vm = UNKNOWN_U64;
        } else {
            let first = &raw const LAYOUT.mm_rss_file;
            copy_run(&raw mut (*out).rss_file, mm, first, load(&MM_COUNTERS), errors);
        }
    }
}

/// Bits that only matter for a task that got no points: why it is protected.
#[inline(always)]
pub(crate) fn protections(task: u64, mm: u64) -> u16 {
    let mut flags = 0;
    // A victim's own mm may be gone already; its skip bit is then on the mm that `oom_mm` keeps.
    let signal = pointer(task, off!(task_signal));
    let oom_mm = pointer(signal, off!(signal_oom_mm));
    let bits = pointer(mm, off!(mm_flags)) | pointer(oom_mm, off!(mm_flags));
    if bits & MMF_OOM_SKIP != 0 {
        flags |= flag::OOM_SKIP;
    }
    if pointer(task, off!(task_vfork_done)) != 0 {
        let parent = pointer(task, off!(task_real_parent));
        if mm != 0 && pointer(parent, off!(task_mm)) == mm {
            flags |= flag::VFORK;
        }
    }
    flags
}

/// The task's name, zero-padded: older kernels leave remnants of longer names behind the NUL.
///
/// # Safety
/// `out` must be valid for writes of 16 bytes, 8-byte aligned.
#[inline(always)]
pub(crate) unsafe fn comm(out: *mut [u8; 16], task: u64) {
    // SAFETY: the caller vouches for `out`.
    unsafe {
        // Two stores: in a scan this is done for every task.
        out.cast::<u64>().write_volatile(0);
        out.cast::<u64>().add(1).write_volatile(0);
        copy_str(out, task + u64::from(off!(task_comm)));
    }
}

/// Finds the first thread with an mm, and that mm; the task itself and 0 if there is none.
#[inline(always)]
pub(crate) fn find_mm(task: u64, signal: u64, state: *mut State) {
    let mm = pointer(task, off!(task_mm));
    if mm != 0 || signal == 0 {
        found(state, task, mm);
        return;
    }
    found(state, task, 0);
    let head = signal + u64::from(off!(signal_thread_head));
    let mut node = pointer(head, 0);
    for _ in 0..load(&THREADS) {
        if node == 0 || node == head {
            return;
        }
        let thread = node - u64::from(off!(task_thread_node));
        let mm = pointer(thread, off!(task_mm));
        if mm != 0 {
            found(state, thread, mm);
            return;
        }
        node = pointer(node, 0);
    }
}

#[inline(always)]
pub(crate) fn found(state: *mut State, thread: u64, mm: u64) {
    // SAFETY: `state` is the episode's.
    unsafe {
        (&raw mut (*state).thread).write_volatile(thread);
        (&raw mut (*state).mm).write_volatile(mm);
    }
}
