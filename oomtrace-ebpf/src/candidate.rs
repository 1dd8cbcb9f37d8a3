//! One candidate: read when `oom_evaluate_task()` is entered, completed when the scorer returns.
//!
//! This runs once for every process of the machine, so that it counts instructions. What is there for every candidate is loaded
//! ([`crate::load`]); what rarely happens (an exited leader, a kernel thread) is left to [`rarely`], which asks helpers in both
//! flavours, and what only matters for a task without a score to [`crate::unscored`].
//!
//! The score waits in the scan's state and is written with the next candidate, into *its* entry: the entry is at hand there, and
//! would have to be looked up here. User space puts it where it belongs.

use core::hint::cold_path;

use aya_ebpf::helpers::generated::bpf_get_current_task;
use oomtrace_common::{
    config::{ABSENT, marker},
    record::{Task, flag},
};

use crate::{
    globals::{at, wide},
    load::{by_helper, by_type, hidden},
    maps::STATE,
    memcg,
    read::{Errors, copy_bytes, follow, get, put},
    scan, task, top, unscored,
};

/// What the scorer says of a task that must not be killed, which has no place among those with the most points.
const NOT_KILLABLE: u64 = i64::MIN as u64;

/// Bytes that are read at once of what lies close together.
const RUN_MOST: usize = 128;

/// Where they are put. Only the owner of the scan touches it.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static mut RUN: [u64; RUN_MOST / 8] = [0; RUN_MOST / 8];

/// Of a task: its name, written to two words; its cred and its signal.
macro_rules! task_by_type {
    ($errors:ident, $task:expr, $comm:expr) => {{
        $comm.write(by_type!($errors, "u64", u64, $task, task_comm, TASK_COMM));
        $comm.add(1).write(by_type!($errors, "u64", u64, $task, task_comm_rest, TASK_COMM_REST));
        (
            by_type!($errors, "u64", u64, $task, task_real_cred, TASK_REAL_CRED),
            by_type!($errors, "u64", u64, $task, task_signal, TASK_SIGNAL),
        )
    }};
}

/// The same by a single call, where they lie close together.
macro_rules! task_by_helper {
    ($errors:ident, $task:expr, $comm:expr) => {{
        if wide!(task_run_len) as usize <= RUN_MOST {
            let run = (&raw mut RUN).cast::<u8>();
            copy_bytes(run, wide!(task_run_len) as u32, at!($task, task_run), &mut $errors);
            $comm.write(in_run!(run, task_comm));
            $comm.add(1).write(in_run!(run, task_comm_rest));
            (in_run!(run, task_real_cred), in_run!(run, task_signal))
        } else {
            copy_bytes($comm.cast(), 16, at!($task, task_comm), &mut $errors);
            (
                by_helper!($errors, "u64", u64, $task, task_real_cred, TASK_REAL_CRED),
                by_helper!($errors, "u64", u64, $task, task_signal, TASK_SIGNAL),
            )
        }
    }};
}

/// A word in what was read at once.
macro_rules! in_run {
    ($run:expr, $member:ident) => {
        $run.add((wide!($member) - wide!(task_run)) as usize).cast::<u64>().read()
    };
}

/// `oom_evaluate_task(task, oc)` was entered, with a way to load members.
macro_rules! entered {
    ($task:expr, $oc:expr, $load:ident, $of_task:ident) => {{
        let Some(out) = scan::next($task, $oc) else { return };
        let task: u64 = $task;
        let scan = scan::running();
        #[allow(unused_mut, reason = "loads by type cannot fail")]
        let (mut errors, mut of_mm) = (Errors::NONE, Errors::NONE);
        // SAFETY: `out` is a whole entry of the log; this thread owns the scan. Loads are what `by_type` and `by_helper` say.
        unsafe {
            let mm = $load!(errors, "u64", u64, task, task_mm, TASK_MM);
            (*scan).mm = mm;
            if wide!(mm_rss_run) != u64::from(ABSENT) {
                // One call for all of them. Not by type: before 6.2 they are an array of a typedef, in which verifiers lose
                // their way.
                copy_bytes((&raw mut (*out).rss_file).cast(), 32, at!(mm, mm_rss_run), &mut of_mm);
            } else {
                $load!(to (&raw mut (*out).rss_file), of_mm, "u64", u64, mm, mm_rss_file, MM_RSS_FILE);
                $load!(to (&raw mut (*out).rss_anon), of_mm, "u64", u64, mm, mm_rss_anon, MM_RSS_ANON);
                $load!(to (&raw mut (*out).swapents), of_mm, "u64", u64, mm, mm_swapents, MM_SWAPENTS);
                $load!(to (&raw mut (*out).rss_shmem), of_mm, "u64", u64, mm, mm_rss_shmem, MM_RSS_SHMEM);
            }
            $load!(to (&raw mut (*out).pgtables_bytes), of_mm, "u64", u64, mm, mm_pgtables_bytes, MM_PGTABLES_BYTES);
            $load!(to (&raw mut (*out).total_vm), of_mm, "u64", u64, mm, mm_total_vm, MM_TOTAL_VM);

            // A scan looks at leaders.
            let tgid = $load!(errors, "u32", i32, task, task_tgid, TASK_TGID);
            (*out).tgid = tgid;
            (*out).tid = tgid;
            // What follows the NUL of the name is cut off by user space.
            let (cred, signal) = $of_task!(errors, task, (&raw mut (*out).comm).cast::<u64>());
            $load!(to (&raw mut (*out).uid), errors, "u32", u32, cred, cred_uid, CRED_UID);
            $load!(to (&raw mut (*out).oom_score_adj), errors, "u16", i16, signal, signal_oom_score_adj, SIGNAL_OOM_SCORE_ADJ);
            let pf = $load!(errors, "u32", u32, task, task_flags, TASK_FLAGS);
            // The bit is moved, not tested: the verifier would follow both ways.
            (*out).flags = (pf & task::PF_EXITING) as u16 * (flag::EXITING / task::PF_EXITING as u16);

            let css_set = $load!(errors, "u64", u64, task, task_cgroups, TASK_CGROUPS);
            if css_set != (*scan).last_css_set {
                cold_path();
                another_cgroup(out, task, css_set);
            }
            (*out).memcg = (*scan).last_memcg;

            // Who has an mm has mappings.
            let failed = errors.bits() | of_mm.bits();
            if (*out).total_vm == 0 || failed | u64::from(pf & task::PF_KTHREAD) != 0 {
                cold_path();
                rarely(out, task, pf, errors.bits() | if mm == 0 { 0 } else { of_mm.bits() });
            }
        }
    }};
}

/// `oom_evaluate_task(task, oc)` was entered, in a program whose arguments have the kernel's types.
#[inline(always)]
pub(crate) fn entered_by_type(task: u64, oc: u64) {
    entered!(task, oc, by_type, task_by_type);
}

/// `oom_evaluate_task(task, oc)` was entered.
#[inline(always)]
pub(crate) fn entered_by_address(task: u64, oc: u64) {
    entered!(task, oc, by_helper, task_by_helper);
}

/// A candidate that needs a closer look; `failed` is not 0 when a read of it failed.
///
/// # Safety
/// `out` must be the candidate's entry, and this thread the owner of the scan.
#[inline(always)]
unsafe fn rarely(out: *mut Task, task: u64, pf: u32, failed: u64) {
    let Some(state) = STATE.get_ptr_mut(0) else { return };
    // SAFETY: the caller vouches for `out` and the scan, and who owns the scan owns the state.
    unsafe {
        let mut flags = (*out).flags;
        // A kernel thread's mm, if any, is borrowed.
        if pf & task::PF_KTHREAD == 0 {
            task::find_mm(task, follow(at!(task, task_signal)), state);
        } else {
            task::found(state, task, 0);
            flags |= flag::KTHREAD;
        }
        let thread = (&raw const (*state).thread).read_volatile();
        let mm = (&raw const (*state).mm).read_volatile();
        (*scan::running()).mm = mm;
        let mut errors = Errors::NONE;
        if mm == 0 {
            flags |= flag::NO_MM;
        } else {
            put(&raw mut (*out).tid, at!(thread, task_pid), &mut errors);
        }
        task::memory(out, mm, &mut errors);
        if failed | errors.bits() != 0 {
            flags |= flag::READ_FAILED;
            (*state).failed_reads += 1;
        }
        (*out).flags = flags;
    }
}

/// The memory cgroup of the scan's tasks changes.
///
/// # Safety
/// `out` must be the candidate's entry, and this thread the owner of the scan.
#[inline(always)]
unsafe fn another_cgroup(out: *mut Task, task: u64, css_set: u64) {
    let Some(state) = STATE.get_ptr_mut(0) else { return };
    let scan = scan::running();
    // SAFETY: the caller vouches for both.
    unsafe {
        (*scan).last_memcg = memcg::of_css(follow(at!(css_set, css_set_memory)), state);
        if (*scan).sysrq == 0 {
            (*scan).last_css_set = css_set;
        } else {
            // No css_set is the last one then, so that all come here: such a scan has earlier victims scored.
            let oom_mm = follow(at!(follow(at!(task, task_signal)), signal_oom_mm));
            if oom_mm != 0 {
                (*out).flags |= flag::VICTIM;
            }
        }
    }
}

/// The scorer returned `points` for `task`. Readers of `/proc/PID/oom_score` come here too: they are no owner of the scan.
#[inline(always)]
pub(crate) fn scored(task: u64, points: i64) {
    // SAFETY: a static, and only looked at before the owner is known.
    let pending = unsafe { (&raw const (*scan::running()).pending).read_volatile() };
    if task == pending {
        scored_pending(pending, points);
    }
}

/// The scorer returned `points` for a task that is not known.
#[inline(always)]
pub(crate) fn scored_somebody(points: i64) {
    // SAFETY: as above.
    let pending = unsafe { (&raw const (*scan::running()).pending).read_volatile() };
    if pending > scan::NOT_A_TASK {
        scored_pending(pending, points);
    }
}

#[inline(always)]
fn scored_pending(pending: u64, points: i64) {
    let scan = scan::running();
    // SAFETY: a static, and only looked at before the owner is known; the helper has no preconditions.
    unsafe {
        if (*scan).owner != bpf_get_current_task() {
            return;
        }
        (*scan).pending = scan::SCORED;
        (*scan).points = points;
        // Far below what any other task gets; a comparison with a number that has 32 bits is one instruction less.
        if points < i64::from(i32::MIN) {
            cold_path();
            if hidden(points as u64) == NOT_KILLABLE {
                unscored::unkillable(pending);
                return;
            }
        }
        if (*scan).beyond != 0 {
            cold_path();
            top::enter(scan);
        }
    }
}
