//! Victims from tracepoints alone, for the `log` flavour: who is marked, and when its last thread exits.
//!
//! There is no episode: a machine that needs this flavour refuses hooks on functions. User space finds the report that a mark belongs to.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_current_pid_tgid, bpf_get_current_task, generated::bpf_get_current_comm},
    programs::TracePointContext,
};
use oomtrace_common::{
    UNKNOWN_I16, UNKNOWN_U32, UNKNOWN_U64,
    config::ABSENT,
    mark::{MarkFields, Victim},
    record::{COMM_LEN, TaskEvent, kind, loss},
};

use crate::{
    emit::{FORCE_WAKEUP, count_loss, emit, header},
    globals::{at, load},
    kill::field,
    maps::VICTIMS,
    read::{Errors, copy_str, follow, get, zero},
};

/// Where fields are; the loader sets it.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static MARK: MarkFields = MarkFields::UNSET;

/// `oom:mark_victim`, in the context of whoever triggered the OOM.
#[inline(always)]
pub(crate) fn marked(ctx: &TracePointContext) {
    let Some(tid) = field::<i32>(ctx, load(&MARK.pid)) else { return };
    // Nearly always its process's id, too; `exiting` copes with the rest.
    if VICTIMS.insert(tid as u32, 0u64, 0).is_err() {
        count_loss(loss::VICTIMS, 1);
    }
    let sent = emit!(AFTERMATH, record: Victim, FORCE_WAKEUP, {
        // SAFETY: `record` is a whole reserved record, all of which is written.
        unsafe {
            (*record).header = header::<Victim>(kind::VICTIM, 0);
            (*record).tid = tid;
            (*record).uid = field::<u32>(ctx, load(&MARK.uid)).unwrap_or(UNKNOWN_U32);
            (*record).total_vm_kb = kb(ctx, load(&MARK.total_vm));
            (*record).anon_kb = kb(ctx, load(&MARK.anon_rss));
            (*record).file_kb = kb(ctx, load(&MARK.file_rss));
            (*record).shmem_kb = kb(ctx, load(&MARK.shmem_rss));
            (*record).pgtables_kb = kb(ctx, load(&MARK.pgtables));
            (*record).oom_score_adj = field::<i16>(ctx, load(&MARK.oom_score_adj)).unwrap_or(UNKNOWN_I16);
            (*record).reserved = [0; 3];
            zero(&raw mut (*record).comm);
            // Where in the record the name is, and how long: 16 bits each.
            if let Some(place) = field::<u32>(ctx, load(&MARK.comm)) {
                copy_str(&raw mut (*record).comm, ctx.as_ptr() as u64 + u64::from(place & 0xffff));
            }
        }
    });
    if !sent {
        count_loss(loss::RECORDS, 1);
    }
}

/// `sched:sched_process_exit`, in the context of the thread that exits. Reported for the last thread of a marked process.
#[inline(always)]
pub(crate) fn exiting(ctx: &TracePointContext) {
    let id = bpf_get_current_pid_tgid();
    let (tgid, tid) = ((id >> 32) as u32, id as u32);
    if VICTIMS.get_ptr(tgid).is_none() {
        // Marked by a thread whose leader has exited before: from here on by its process.
        if tid == tgid || VICTIMS.remove(tid).is_err() {
            return;
        }
        if VICTIMS.insert(tgid, 0u64, 0).is_err() {
            count_loss(loss::VICTIMS, 1);
            return;
        }
    }
    if !is_last(ctx) || VICTIMS.remove(tgid).is_err() {
        return;
    }
    let sent = emit!(AFTERMATH, record: TaskEvent, FORCE_WAKEUP, {
        // SAFETY: `record` is a whole reserved record, all of which is written; the helper checks the length.
        unsafe {
            (*record).header = header::<TaskEvent>(kind::EXITED, 0);
            (*record).tgid = tgid as i32;
            (*record).tid = tid as i32;
            zero(&raw mut (*record).comm);
            bpf_get_current_comm((&raw mut (*record).comm).cast(), COMM_LEN as u32);
        }
    });
    if !sent {
        count_loss(loss::RECORDS, 1);
    }
}

#[inline(always)]
fn kb(ctx: &TracePointContext, offset: u32) -> u64 {
    field::<u64>(ctx, offset).unwrap_or(UNKNOWN_U64)
}

/// Whether no other thread of the process is alive: as the record says, or, before 6.16, by the count of those that are.
#[inline(always)]
fn is_last(ctx: &TracePointContext) -> bool {
    let group_dead = load(&MARK.group_dead);
    if group_dead != ABSENT {
        return field::<u8>(ctx, group_dead).unwrap_or(0) != 0;
    }
    // SAFETY: the helper has no preconditions.
    let task = unsafe { bpf_get_current_task() };
    let signal = follow(at!(task, task_signal));
    get::<i32>(at!(signal, signal_live), &mut { Errors::NONE }) <= 0
}
