//! What happens around a kill: the reaper's end, the group that dies with the chosen one, who was adjusted before.

use core::mem::offset_of;

use oomtrace_common::{
    UNKNOWN_I16,
    mark::Victim,
    record::{self as wire, kind, reaped as known},
};

use super::{
    DecodeError,
    bytes::{Fields, counter, known_u32, known_u64},
    cgroup_id,
};
use crate::model::{
    Observation,
    evidence::{AdjUpdated, OomGroup},
    observation::{Marked, Memory, Reaper, ReaperStage, Stamp},
};

pub(super) fn reaped(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    let bits = fields.u32(offset_of!(wire::Reaped, known))?;
    let memory = |offset, bit| memory(fields, offset).map(|memory| (bits & bit != 0).then_some(memory));
    Ok(Observation::Reaper(Reaper {
        at,
        stage: ReaperStage::Finish,
        tid: fields.i32(offset_of!(wire::Reaped, tid))?,
        before: memory(offset_of!(wire::Reaped, before), known::BEFORE)?,
        after: memory(offset_of!(wire::Reaped, after), known::AFTER)?,
    }))
}

fn memory(fields: &Fields<'_>, offset: usize) -> Result<Memory, DecodeError> {
    let number = |field| fields.u64(offset + field).map(counter);
    Ok(Memory {
        rss_anon_pages: number(offset_of!(wire::Memory, rss_anon))?,
        rss_file_pages: number(offset_of!(wire::Memory, rss_file))?,
        rss_shmem_pages: number(offset_of!(wire::Memory, rss_shmem))?,
        swap_entries: number(offset_of!(wire::Memory, swapents))?,
        pgtables_bytes: number(offset_of!(wire::Memory, pgtables_bytes))?,
        total_vm_pages: number(offset_of!(wire::Memory, total_vm))?,
        rss_pages: None,
    })
}

/// `oom:mark_victim`, which tells sizes in kB.
pub(super) fn victim(fields: &Fields<'_>, at: Stamp, page_size: u32) -> Result<Observation, DecodeError> {
    let kb = |offset| fields.u64(offset).map(known_u64);
    let pages =
        |offset| kb(offset).map(|kb| kb.map(|kb| kb.saturating_mul(1024) / u64::from(page_size.max(1))));
    let memory = Memory {
        rss_anon_pages: pages(offset_of!(Victim, anon_kb))?,
        rss_file_pages: pages(offset_of!(Victim, file_kb))?,
        rss_shmem_pages: pages(offset_of!(Victim, shmem_kb))?,
        pgtables_bytes: kb(offset_of!(Victim, pgtables_kb))?.map(|kb| kb.saturating_mul(1024)),
        total_vm_pages: pages(offset_of!(Victim, total_vm_kb))?,
        ..Memory::default()
    };
    let comm = fields.name(offset_of!(Victim, comm), wire::COMM_LEN)?;
    let oom_score_adj = fields.i16(offset_of!(Victim, oom_score_adj))?;
    Ok(Observation::Marked(Marked {
        at,
        pid: None,
        tid: fields.i32(offset_of!(Victim, tid))?,
        comm: (!comm.is_empty()).then_some(comm),
        uid: known_u32(fields.u32(offset_of!(Victim, uid))?),
        oom_score_adj: (oom_score_adj != UNKNOWN_I16).then_some(oom_score_adj),
        memory: (memory != Memory::default()).then_some(memory),
    }))
}

pub(super) fn oom_group(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    let cgroup = cgroup_id(fields.u64(offset_of!(wire::OomGroup, cgroup))?);
    Ok(Observation::OomGroup(OomGroup { at, cgroup }))
}

pub(super) fn adj_updated(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    let value = fields.i16(offset_of!(wire::AdjUpdated, oom_score_adj))?;
    if value == UNKNOWN_I16 {
        let value = u64::from(value.cast_unsigned());
        return Err(DecodeError::Value { kind: kind::ADJ_UPDATED, field: "oom_score_adj", value });
    }
    let by_pid = fields.i32(offset_of!(wire::AdjUpdated, by_pid))?;
    let by_comm = fields.name(offset_of!(wire::AdjUpdated, by_comm), wire::COMM_LEN)?;
    Ok(Observation::AdjUpdated(AdjUpdated {
        at,
        tid: fields.i32(offset_of!(wire::AdjUpdated, tid))?,
        comm: fields.name(offset_of!(wire::AdjUpdated, comm), wire::COMM_LEN)?,
        oom_score_adj: value,
        by_pid: (by_pid > 0).then_some(by_pid),
        by_comm: (!by_comm.is_empty()).then_some(by_comm),
    }))
}
