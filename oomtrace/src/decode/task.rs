//! The wire's task: a trigger, a candidate, a victim.

use core::mem::offset_of;

use oomtrace_common::{
    UNKNOWN_I16,
    record::{self as wire, flag},
};

use super::{
    DecodeError,
    bytes::{Fields, counter, known_u32, known_u64},
};
use crate::model::observation::{Candidate, Memory, Score, Task, TaskFlags};

/// Who the task at `offset` is.
pub(super) fn trigger(fields: &Fields<'_>, offset: usize) -> Result<Task, DecodeError> {
    let adj = fields.i16(offset + offset_of!(wire::Task, oom_score_adj))?;
    let uid = fields.u32(offset + offset_of!(wire::Task, uid))?;
    // A read that failed left zero behind, and which one it was is not known.
    let failed = fields.u16(offset + offset_of!(wire::Task, flags))? & flag::READ_FAILED != 0;
    Ok(Task {
        pid: fields.i32(offset + offset_of!(wire::Task, tgid))?,
        tid: fields.i32(offset + offset_of!(wire::Task, tid))?,
        comm: fields.name(offset + offset_of!(wire::Task, comm), wire::COMM_LEN)?,
        uid: known_u32(uid).filter(|&uid| uid != 0 || !failed),
        oom_score_adj: (adj != UNKNOWN_I16 && (adj != 0 || !failed)).then_some(adj),
        cgroup: known_u64(fields.u64(offset + offset_of!(wire::Task, memcg))?),
    })
}

/// All that is known of the task at `offset`.
pub(super) fn candidate(fields: &Fields<'_>, offset: usize) -> Result<Candidate, DecodeError> {
    let flags = fields.u16(offset + offset_of!(wire::Task, flags))?;
    let points = fields.i64(offset + offset_of!(wire::Task, points))?;
    let score = match (flags & flag::SCORED != 0, points) {
        (false, _) => Score::NotScored,
        (true, i64::MIN) => Score::Unkillable,
        (true, points) => Score::Points(points),
    };
    // A read that failed left zero behind, and which one it was is not known.
    let failed = flags & flag::READ_FAILED != 0;
    let pages = |field| fields.u64(offset + field).map(|raw| counter(raw).filter(|&n| n > 0 || !failed));
    let memory = Memory {
        rss_anon_pages: pages(offset_of!(wire::Task, rss_anon))?,
        rss_file_pages: pages(offset_of!(wire::Task, rss_file))?,
        rss_shmem_pages: pages(offset_of!(wire::Task, rss_shmem))?,
        swap_entries: pages(offset_of!(wire::Task, swapents))?,
        pgtables_bytes: pages(offset_of!(wire::Task, pgtables_bytes))?,
        total_vm_pages: pages(offset_of!(wire::Task, total_vm))?,
        rss_pages: None,
    };
    Ok(Candidate {
        task: trigger(fields, offset)?,
        score,
        memory: (flags & flag::NO_MM == 0).then_some(memory),
        flags: TaskFlags(u32::from(flags & !flag::SCORED)),
    })
}

// The wire's bits and the recording's are the same by intent, so that one cannot move without the other.
const _: () = {
    assert!(flag::KTHREAD as u32 == TaskFlags::KTHREAD);
    assert!(flag::VICTIM as u32 == TaskFlags::VICTIM);
    assert!(flag::OOM_SKIP as u32 == TaskFlags::OOM_SKIP);
    assert!(flag::VFORK as u32 == TaskFlags::VFORK);
    assert!(flag::ORIGIN as u32 == TaskFlags::ORIGIN);
    assert!(flag::EXITING as u32 == TaskFlags::EXITING);
    assert!(flag::READ_FAILED as u32 == TaskFlags::READ_FAILED);
    assert!(flag::NO_MM as u32 == TaskFlags::NO_MM);
};
