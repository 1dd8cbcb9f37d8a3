//! Who is adjusted, and by whom, at any time: it is part of the story of a later kill.
//!
//! Service managers write one for every service that they start. The consumer is therefore not woken for each: they lie on
//! their ring until something wakes it, at the latest an eighth of it. An episode is always read after them.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_comm},
    programs::TracePointContext,
};
use oomtrace_common::{
    config::ABSENT,
    record::{AdjUpdated, COMM_LEN, kind, loss},
};

use crate::{
    emit::{FORCE_WAKEUP, NO_WAKEUP, count_loss, emit, header, unread},
    globals::{off, size},
    kill::field,
    maps::AFTERMATH,
    read::{copy_str, zero},
};

/// `oom:oom_score_adj_update`.
#[inline(always)]
pub(crate) fn updated(ctx: &TracePointContext) {
    let Some(tid) = field::<i32>(ctx, off!(tp_adj_pid)) else { return };
    let Some(value) = field::<i16>(ctx, off!(tp_adj_value)) else { return };
    let unread = unread(&AFTERMATH);
    let flags = if unread > size!(aftermath) / 8 { FORCE_WAKEUP } else { NO_WAKEUP };
    // Half of the ring is for victims.
    let sent = unread < size!(aftermath) / 2
        && emit!(AFTERMATH, record: AdjUpdated, flags, {
            // SAFETY: `record` is a whole reserved record, all of which is written; the helpers have no preconditions.
            unsafe {
                (*record).header = header::<AdjUpdated>(kind::ADJ_UPDATED, 0);
                (*record).tid = tid;
                (*record).by_pid = (bpf_get_current_pid_tgid() >> 32) as i32;
                (*record).oom_score_adj = value;
                (*record).reserved = [0; 3];
                zero(&raw mut (*record).comm);
                if off!(tp_adj_comm) != ABSENT {
                    copy_str(&raw mut (*record).comm, ctx.as_ptr() as u64 + u64::from(off!(tp_adj_comm)));
                }
                zero(&raw mut (*record).by_comm);
                bpf_get_current_comm((&raw mut (*record).by_comm).cast(), COMM_LEN as u32);
            }
        });
    if !sent {
        count_loss(loss::RECORDS, 1);
    }
}
