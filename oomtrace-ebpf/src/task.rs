//! Reading a task: who it is, its memory, its state. Bounded, and exactly what the scorer would look at.
//!
//! The mm is that of the first thread that still has one (`find_lock_task_mm`), not necessarily the leader's.

use oomtrace_common::{
    UNKNOWN_I16, UNKNOWN_U32, UNKNOWN_U64,
    record::{Task, flag},
};

use crate::{
    episode::State,
    globals::off,
    memcg,
    read::{read, read_ptr, read_str, zero},
};

/// `task_struct.flags`, the same from 5.10 to 7.3 (include/linux/sched.h).
const PF_EXITING: u32 = 0x4;
const PF_KTHREAD: u32 = 0x0020_0000;
/// `mm_struct.flags`, the same from 5.10 to 7.3 (include/linux/mm_types.h).
const MMF_OOM_SKIP: u64 = 1 << 21;
/// Threads of a process that are searched for an mm. Dead threads leave the list, so that only a leader that exited first
/// (and traced ones) are ever in the way.
const MAX_THREADS: u32 = 64;

/// Fills in all of `out` but `points` from `task`, counting failed reads in `state`. Returns its mm, 0 without.
///
/// # Safety
/// `out` must be valid for writes of a whole [`Task`], 8-byte aligned; `state` must be the episode's.
#[inline(always)]
pub(crate) unsafe fn fill(out: *mut Task, task: u64, state: *mut State) -> u64 {
    let mut flags = 0u16;
    let mut failed = 0u32;

    let pf = read::<u32>(task, off!(task_flags));
    let signal = read_ptr(task, off!(task_signal));
    let tgid = read::<i32>(task, off!(task_tgid)).unwrap_or_else(|| {
        failed += 1;
        0
    });
    if pf.is_none() || signal == 0 {
        failed += 1;
    }
    let pf = pf.unwrap_or(0);
    if pf & PF_KTHREAD != 0 {
        flags |= flag::KTHREAD;
    }
    if pf & PF_EXITING != 0 {
        flags |= flag::EXITING;
    }

    // A kernel thread's mm, if any, is borrowed.
    let (owner, mm) = if pf & PF_KTHREAD == 0 { thread_with_mm(task, signal) } else { (task, 0) };
    if mm == 0 {
        flags |= flag::NO_MM;
    }
    let tid = read::<i32>(owner, off!(task_pid)).unwrap_or(tgid);

    let adj = read::<i16>(signal, off!(signal_oom_score_adj)).unwrap_or(UNKNOWN_I16);
    if read::<u8>(signal, off!(signal_oom_flag_origin)).unwrap_or(0) & 1 != 0 {
        flags |= flag::ORIGIN;
    }
    let oom_mm = read_ptr(signal, off!(signal_oom_mm));
    if oom_mm != 0 {
        flags |= flag::VICTIM;
    }
    let cred = read_ptr(task, off!(task_real_cred));
    let uid = read::<u32>(cred, off!(cred_uid)).unwrap_or(UNKNOWN_U32);
    let memcg = memcg::of_task(task, state);

    // SAFETY: the caller vouches for `out`; every field but `points` is written below, the type has no padding.
    unsafe {
        (*out).rss_file = counter(mm, off!(mm_rss_file), &mut failed);
        (*out).rss_anon = counter(mm, off!(mm_rss_anon), &mut failed);
        (*out).swapents = counter(mm, off!(mm_swapents), &mut failed);
        (*out).rss_shmem = counter(mm, off!(mm_rss_shmem), &mut failed);
        (*out).pgtables_bytes = counter(mm, off!(mm_pgtables_bytes), &mut failed);
        (*out).total_vm = counter(mm, off!(mm_total_vm), &mut failed);
        (*out).memcg = memcg;
        (*out).tgid = tgid;
        (*out).tid = tid;
        (*out).uid = uid;
        (*out).oom_score_adj = adj;
        comm(&raw mut (*out).comm, task);
        if failed != 0 {
            flags |= flag::READ_FAILED;
            (*state).failed_reads += failed;
        }
        (*out).flags = flags;
    }
    mm
}

/// Bits that only matter for a task that got no points: why it is protected.
#[inline(always)]
pub(crate) fn protections(task: u64, mm: u64) -> u16 {
    let mut flags = 0;
    // A victim's own mm may be gone already; its skip bit is then on the mm that `oom_mm` keeps.
    let signal = read_ptr(task, off!(task_signal));
    let oom_mm = read_ptr(signal, off!(signal_oom_mm));
    let bits =
        read::<u64>(mm, off!(mm_flags)).unwrap_or(0) | read::<u64>(oom_mm, off!(mm_flags)).unwrap_or(0);
    if bits & MMF_OOM_SKIP != 0 {
        flags |= flag::OOM_SKIP;
    }
    if read_ptr(task, off!(task_vfork_done)) != 0 {
        let parent = read_ptr(task, off!(task_real_parent));
        if mm != 0 && read_ptr(parent, off!(task_mm)) == mm {
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
        zero(out);
        read_str(out, task + u64::from(off!(task_comm)));
    }
}

/// The first thread with an mm, and that mm; the task itself and 0 if there is none.
#[inline(always)]
fn thread_with_mm(task: u64, signal: u64) -> (u64, u64) {
    let mm = read_ptr(task, off!(task_mm));
    if mm != 0 || signal == 0 {
        return (task, mm);
    }
    let head = signal + u64::from(off!(signal_thread_head));
    let mut node = read_ptr(head, 0);
    for _ in 0..MAX_THREADS {
        if node == 0 || node == head {
            break;
        }
        let thread = node - u64::from(off!(task_thread_node));
        let mm = read_ptr(thread, off!(task_mm));
        if mm != 0 {
            return (thread, mm);
        }
        node = read_ptr(node, 0);
    }
    (task, 0)
}

/// One of an mm's counters. A per-CPU counter's shared part can be negative for a moment; the kernel then says 0 too.
#[inline(always)]
fn counter(mm: u64, offset: u32, failed: &mut u32) -> u64 {
    if mm == 0 {
        return UNKNOWN_U64;
    }
    match read::<i64>(mm, offset) {
        Some(n) if n < 0 => 0,
        Some(n) => n as u64,
        None => {
            *failed += 1;
            UNKNOWN_U64
        }
    }
}
