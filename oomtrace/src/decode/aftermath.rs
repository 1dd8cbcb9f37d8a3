//! What happens around a kill: the reaper's end, the group that dies with the chosen one, who was adjusted before.

use core::mem::offset_of;

use oomtrace_common::{
    UNKNOWN_I16,
    record::{self as wire, kind, reaped as known},
};

use super::{
    DecodeError,
    bytes::{Fields, counter},
    cgroup_id,
};
use crate::model::{
    Observation,
    evidence::{AdjUpdated, OomGroup},
    observation::{Memory, Reaper, ReaperStage, Stamp},
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
