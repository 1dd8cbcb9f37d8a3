//! Reading a task: who it is, its memory, its state. Bounded, and exactly what the scorer would look at.
//!
//! The mm is that of the first thread that still has one (`find_lock_task_mm`), not necessarily the leader's.

use oomtrace_common::{
    UNKNOWN_U64,
    record::{Task, flag},
};

use crate::{
    episode::State,
    globals::{LAYOUT, MM_COUNTERS, THREADS, at, load, wide},
    read::{Errors, copy_run, copy_str, follow, get, pointer, put},
};

/// `task_struct.flags`, the same from 5.10 to 7.3 (include/linux/sched.h).
pub(crate) const PF_EXITING: u32 = 0x4;
pub(crate) const PF_KTHREAD: u32 = 0x0020_0000;
/// `mm_struct.flags`, the same from 5.10 to 7.3 (include/linux/mm_types.h).
const MMF_OOM_SKIP: u64 = 1 << 21;

/// Fills in all of `out` but `points` from `task`, whose memory cgroup's id is `memcg`, counting failed reads in `state`. Why it
/// is protected is said too, if that is `wanted`.
///
/// What can be calculated is not branched on: the verifier would follow each of the ways through all that comes.
///
/// # Safety
/// `out` must be valid for writes of a whole [`Task`], 8-byte aligned; `state` must be the episode's.
#[inline(always)]
pub(crate) unsafe fn fill(out: *mut Task, task: u64, memcg: u64, wanted: bool, state: *mut State) {
    let mut errors = Errors::NONE;
    let pf = get::<u32>(at!(task, task_flags), &mut errors);
    let signal = get::<u64>(at!(task, task_signal), &mut errors);
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
    let origin = get::<u8>(at!(signal, signal_oom_flag_origin), &mut errors);
    let oom_mm = get::<u64>(at!(signal, signal_oom_mm), &mut errors);

    // SAFETY: the caller vouches for `out` and `state`; every field but `points` is written, the type has no padding.
    unsafe {
        put(&raw mut (*out).tgid, at!(task, task_tgid), &mut errors);
        put(&raw mut (*out).tid, at!(owner, task_pid), &mut errors);
        put(&raw mut (*out).oom_score_adj, at!(signal, signal_oom_score_adj), &mut errors);
        let cred = get::<u64>(at!(task, task_real_cred), &mut errors);
        put(&raw mut (*out).uid, at!(cred, cred_uid), &mut errors);
        (*out).memcg = memcg;
        // Nothing can be read of none, which is no failure.
        let mut of_mm = Errors::NONE;
        let first = &raw const LAYOUT.mm_rss_file;
        copy_run(&raw mut (*out).rss_file, mm, first, load(&MM_COUNTERS), &mut of_mm);
        let with_mm = u16::from(mm != 0);
        errors.add(&of_mm, with_mm);
        comm(&raw mut (*out).comm, task);
        let mut flags = (1 - with_mm) * flag::NO_MM;
        flags |= (((pf & PF_KTHREAD) >> 21) as u16) * flag::KTHREAD;
        flags |= (((pf & PF_EXITING) >> 2) as u16) * flag::EXITING;
        flags |= u16::from(origin & 1) * flag::ORIGIN;
        flags |= u16::from(oom_mm != 0) * flag::VICTIM;
        flags |= protections_by(task, mm, oom_mm) * u16::from(wanted);
        let failed = u16::from(errors.any());
        flags |= failed * flag::READ_FAILED;
        (*state).failed_reads += u32::from(failed);
        (*out).flags = flags;
    }
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
    let signal = follow(at!(task, task_signal));
    protections_by(task, mm, follow(at!(signal, signal_oom_mm)))
}

/// The same, for a task whose `oom_mm` is known.
#[inline(always)]
fn protections_by(task: u64, mm: u64, oom_mm: u64) -> u16 {
    // A victim's own mm may be gone already; its skip bit is then on the mm that `oom_mm` keeps.
    let bits = follow(at!(mm, mm_flags)) | follow(at!(oom_mm, mm_flags));
    let mut flags = u16::from(bits & MMF_OOM_SKIP != 0) * flag::OOM_SKIP;
    if follow(at!(task, task_vfork_done)) != 0 {
        let parent = follow(at!(task, task_real_parent));
        if mm != 0 && follow(at!(parent, task_mm)) == mm {
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
        copy_str(out, at!(task, task_comm));
    }
}

/// Finds the first thread with an mm, and that mm; the task itself and 0 if there is none.
#[inline(always)]
pub(crate) fn find_mm(task: u64, signal: u64, state: *mut State) {
    let mm = follow(at!(task, task_mm));
    if mm != 0 || signal == 0 {
        found(state, task, mm);
        return;
    }
    found(state, task, 0);
    let head = at!(signal, signal_thread_head);
    let mut node = pointer(head, 0);
    for _ in 0..load(&THREADS) {
        if node == head {
            return;
        }
        // Of 0, which cannot be read, comes 0.
        let thread = node.wrapping_sub(wide!(task_thread_node));
        let mm = follow(at!(thread, task_mm));
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
