//! One candidate: read when `oom_evaluate_task()` is entered, completed when the scorer returns.
//!
//! This runs once for every process of the machine, so that it counts instructions. The fentry programs read members by loads
//! that the verifier checks against the kernel's types ([`marker`]); what kprobes get are bare addresses, which take a helper's
//! call each. What rarely happens (an exited leader, a kernel thread, a victim, a task that was not scored) is left to
//! [`rarely`], which asks helpers in both.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use oomtrace_common::{
    UNKNOWN_I16, UNKNOWN_U32, UNKNOWN_U64,
    config::{ABSENT, marker},
    record::{Task, flag},
};

use crate::{
    emit::now,
    globals::{off, size},
    maps::{LOG, STATE},
    memcg,
    read::{Errors, copy, copy_bytes, pointer, read},
    scan, task, top,
};

/// Bytes that are read at once of what lies close together.
const RUN_MOST: usize = 128;

/// Where they are put. Only the owner of the scan touches it.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static mut RUN: [u64; RUN_MOST / 8] = [0; RUN_MOST / 8];

/// Loads a member by an instruction that the verifier takes for an access to the kernel's struct. A base of 0 gives 0. The
/// offset is a marker, which the loader replaces.
macro_rules! by_type {
    ($errors:ident, $size:literal, $type:ty, $base:expr, $member:ident, $marker:ident, $absent:expr) => {{
        let value: u64;
        core::arch::asm!(
            concat!("{value} = *(", $size, " *)({base} + {offset})"),
            value = out(reg) value,
            base = in(reg) $base,
            offset = const marker::$marker,
            options(pure, readonly, nostack, preserves_flags),
        );
        value as $type
    }};
}

/// Loads a member by a helper's call.
macro_rules! by_helper {
    ($errors:ident, $size:literal, $type:ty, $base:expr, $member:ident, $marker:ident, $absent:expr) => {
        read::<$type>($base, off!($member), $absent, &mut $errors)
    };
}

/// Of a task: its name, written to two words; its cred and its signal.
macro_rules! task_by_type {
    ($errors:ident, $task:expr, $comm:expr) => {{
        $comm.write(by_type!($errors, "u64", u64, $task, task_comm, TASK_COMM, 0));
        $comm.add(1).write(by_type!($errors, "u64", u64, $task, task_comm_rest, TASK_COMM_REST, 0));
        (
            by_type!($errors, "u64", u64, $task, task_real_cred, TASK_REAL_CRED, 0),
            by_type!($errors, "u64", u64, $task, task_signal, TASK_SIGNAL, 0),
        )
    }};
}

/// The same by a single call, where they lie close together.
macro_rules! task_by_helper {
    ($errors:ident, $task:expr, $comm:expr) => {{
        if off!(task_run_len) as usize <= RUN_MOST {
            let run = (&raw mut RUN).cast::<u8>();
            copy_bytes(run, off!(task_run_len), $task + u64::from(off!(task_run)), &mut $errors);
            $comm.write(in_run!(run, task_run, task_comm, u64));
            $comm.add(1).write(in_run!(run, task_run, task_comm_rest, u64));
            (in_run!(run, task_run, task_real_cred, u64), in_run!(run, task_run, task_signal, u64))
        } else {
            copy_bytes($comm.cast(), 16, $task + u64::from(off!(task_comm)), &mut $errors);
            (
                by_helper!($errors, "u64", u64, $task, task_real_cred, TASK_REAL_CRED, 0),
                by_helper!($errors, "u64", u64, $task, task_signal, TASK_SIGNAL, 0),
            )
        }
    }};
}

/// Of a signal: `oom_score_adj`, `oom_flag_origin`, `oom_mm`.
macro_rules! signal_by_type {
    ($errors:ident, $signal:expr) => {{
        (
            by_type!($errors, "u16", i16, $signal, signal_oom_score_adj, SIGNAL_OOM_SCORE_ADJ, UNKNOWN_I16),
            by_type!($errors, "u8", u8, $signal, signal_oom_flag_origin, SIGNAL_OOM_FLAG_ORIGIN, 0),
            by_type!($errors, "u64", u64, $signal, signal_oom_mm, SIGNAL_OOM_MM, 0),
        )
    }};
}

/// The same by a single call, where they lie close together.
macro_rules! signal_by_helper {
    ($errors:ident, $signal:expr) => {{
        if off!(signal_run_len) as usize <= RUN_MOST {
            let run = (&raw mut RUN).cast::<u8>();
            copy_bytes(run, off!(signal_run_len), $signal + u64::from(off!(signal_run)), &mut $errors);
            (
                in_run!(run, signal_run, signal_oom_score_adj, i16),
                in_run!(run, signal_run, signal_oom_flag_origin, u8),
                in_run!(run, signal_run, signal_oom_mm, u64),
            )
        } else {
            (
                by_helper!(
                    $errors,
                    "u16",
                    i16,
                    $signal,
                    signal_oom_score_adj,
                    SIGNAL_OOM_SCORE_ADJ,
                    UNKNOWN_I16
                ),
                by_helper!($errors, "u8", u8, $signal, signal_oom_flag_origin, SIGNAL_OOM_FLAG_ORIGIN, 0),
                by_helper!($errors, "u64", u64, $signal, signal_oom_mm, SIGNAL_OOM_MM, 0),
            )
        }
    }};
}

/// A member in what was read at once.
macro_rules! in_run {
    ($run:expr, $start:ident, $member:ident, $type:ty) => {
        $run.add((off!($member) - off!($start)) as usize).cast::<$type>().read()
    };
}

/// `oom_evaluate_task(task, oc)` was entered, with a way to load members.
macro_rules! entered {
    ($task:expr, $oc:expr, $load:ident, $of_task:ident, $of_signal:ident) => {{
        let task: u64 = $task;
        let Some((out, doubt)) = scan::next(task, $oc) else { return };
        let scan = scan::running();
        #[allow(unused_mut, reason = "loads by type cannot fail")]
        let (mut errors, mut of_mm) = (Errors::NONE, Errors::NONE);
        // SAFETY: `out` is a whole entry of the log; this thread owns the scan. Loads are what `by_type` and `by_helper` say.
        unsafe {
            let mm = $load!(errors, "u64", u64, task, task_mm, TASK_MM, 0);
            if off!(mm_rss_run) != ABSENT {
                // One call for all of them. Not by type: before 6.2 they are an array of a typedef, in which verifiers lose
                // their way.
                copy_bytes((&raw mut (*out).rss_file).cast(), 32, mm + u64::from(off!(mm_rss_run)), &mut of_mm);
            } else {
                (*out).rss_file = $load!(of_mm, "u64", u64, mm, mm_rss_file, MM_RSS_FILE, UNKNOWN_U64);
                (*out).rss_anon = $load!(of_mm, "u64", u64, mm, mm_rss_anon, MM_RSS_ANON, UNKNOWN_U64);
                (*out).swapents = $load!(of_mm, "u64", u64, mm, mm_swapents, MM_SWAPENTS, UNKNOWN_U64);
                (*out).rss_shmem = $load!(of_mm, "u64", u64, mm, mm_rss_shmem, MM_RSS_SHMEM, UNKNOWN_U64);
            }
            (*out).pgtables_bytes = $load!(of_mm, "u64", u64, mm, mm_pgtables_bytes, MM_PGTABLES_BYTES, UNKNOWN_U64);
            (*out).total_vm = $load!(of_mm, "u64", u64, mm, mm_total_vm, MM_TOTAL_VM, UNKNOWN_U64);
            (*scan).mm = mm;

            // A scan looks at leaders.
            let tgid = $load!(errors, "u32", i32, task, task_tgid, TASK_TGID, 0);
            (*out).tgid = tgid;
            (*out).tid = tgid;
            // What follows the NUL of the name is cut off by user space.
            let comm = (&raw mut (*out).comm).cast::<u64>();
            let (cred, signal) = $of_task!(errors, task, comm);
            (*out).uid = $load!(errors, "u32", u32, cred, cred_uid, CRED_UID, UNKNOWN_U32);
            let (adj, origin, oom_mm) = $of_signal!(errors, signal);
            (*out).oom_score_adj = adj;
            let pf = $load!(errors, "u32", u32, task, task_flags, TASK_FLAGS, 0);

            let css_set = $load!(errors, "u64", u64, task, task_cgroups, TASK_CGROUPS, 0);
            if css_set != (*scan).last_css_set {
                another_cgroup(css_set);
            }
            (*out).memcg = (*scan).last_memcg;

            (*out).points = 0;
            // The bits are moved, not tested: the verifier would follow each combination.
            let mut flags = (pf & task::PF_EXITING) as u16 * (flag::EXITING / task::PF_EXITING as u16)
                | u16::from(origin & 1) * flag::ORIGIN;
            let victim = hidden(u64::from(oom_mm != 0));
            let failed = errors.any() || (mm != 0 && of_mm.any());
            if doubt || victim != 0 || mm == 0 || pf & task::PF_KTHREAD != 0 || failed {
                flags |= rarely(out, task, signal, victim, pf, failed);
            }
            (*out).flags = flags;
        }
    }};
}

/// `oom_evaluate_task(task, oc)` was entered, in a program whose arguments have the kernel's types.
#[inline(always)]
pub(crate) fn entered_by_type(task: u64, oc: u64) {
    entered!(task, oc, by_type, task_by_type, signal_by_type);
}

/// `oom_evaluate_task(task, oc)` was entered.
#[inline(always)]
pub(crate) fn entered_by_address(task: u64, oc: u64) {
    entered!(task, oc, by_helper, task_by_helper, signal_by_helper);
}

/// The same number, about which the compiler knows nothing: it would otherwise put pointers together with `or` to compare them
/// at once, which the verifier forbids.
#[inline(always)]
fn hidden(mut number: u64) -> u64 {
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!("/* {number} */", number = inout(reg) number, options(pure, nomem, nostack, preserves_flags))
    };
    number
}

/// The first candidate, one that comes after another that was not scored, or one that needs a closer look. Returns its flags.
///
/// # Safety
/// `out` must be the candidate's entry, and this thread the owner of the scan.
#[inline(always)]
unsafe fn rarely(out: *mut Task, task: u64, signal: u64, victim: u64, pf: u32, failed: bool) -> u16 {
    let Some(state) = STATE.get_ptr_mut(0) else { return 0 };
    let scan = scan::running();
    let mut flags = 0;
    // SAFETY: the caller vouches for `out` and the scan, and who owns the scan owns the state.
    unsafe {
        if (*scan).first_evaluated_ns == 0 {
            (*scan).first_evaluated_ns = now();
        }
        // A kernel thread's mm, if any, is borrowed.
        if pf & task::PF_KTHREAD == 0 {
            task::find_mm(task, signal, state);
        } else {
            task::found(state, task, 0);
            flags |= flag::KTHREAD;
        }
        let thread = (&raw const (*state).thread).read_volatile();
        let mm = (&raw const (*state).mm).read_volatile();
        (*scan).mm = mm;
        let mut errors = Errors::NONE;
        if mm == 0 {
            flags |= flag::NO_MM;
        } else {
            copy(&raw mut (*out).tid, thread, off!(task_pid), 0, &mut errors);
        }
        task::memory(out, mm, &mut errors);
        flags |= victim as u16 * flag::VICTIM;
        if failed || errors.any() {
            flags |= flag::READ_FAILED;
            (*state).failed_reads += 1;
        }
        // The kernel may pass over it without asking the scorer, and a scorer that cannot be heard never tells of them.
        if pf & task::PF_KTHREAD == 0 {
            flags |= task::protections(task, mm);
        }
        flags
    }
}

/// The memory cgroup of the scan's tasks changes.
///
/// # Safety
/// This thread must be the owner of the scan.
#[inline(always)]
unsafe fn another_cgroup(css_set: u64) {
    let Some(state) = STATE.get_ptr_mut(0) else { return };
    let scan = scan::running();
    // SAFETY: the caller vouches for it.
    unsafe {
        (*scan).last_memcg = memcg::of_css(pointer(css_set, off!(css_set_memory)), state);
        (*scan).last_css_set = css_set;
    }
}

/// The scorer returned `points` for `task`, 0 where that is not known. Readers of `/proc/PID/oom_score` come here too: they are
/// no owner of the scan.
#[inline(always)]
pub(crate) fn scored(task: u64, points: i64) {
    let scan = scan::running();
    // SAFETY: a static, and only looked at before the owner is known.
    unsafe {
        let pending = (&raw const (*scan).pending).read_volatile();
        if pending <= scan::FIRST
            || (task != 0 && task != pending)
            || (*scan).owner != bpf_get_current_pid_tgid()
        {
            return;
        }
        (*scan).pending = 0;
        (*scan).scored += 1;
        let slot = (*scan).slot;
        let Some(out) = LOG.get_ptr_mut(slot as u32) else { return };
        (*out).points = points;
        let mut flags = (*out).flags | flag::SCORED;
        if points == i64::MIN {
            flags |= task::protections(pending, (*scan).mm);
        }
        (*out).flags = flags;
        if slot == size!(log) && points > (*scan).top_least {
            top::enter(out, scan);
        }
    }
}
