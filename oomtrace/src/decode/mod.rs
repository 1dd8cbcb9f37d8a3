//! Record bytes to observations: a pure function, the only reader of the wire layout besides the loader.
//!
//! Every field is copied out by value at its offset; lengths are checked before use; what the wire marks as not available
//! becomes `None`. Unknown kinds are reported as such, so that the caller can count and skip them. Nothing panics.

mod aftermath;
mod bytes;
pub mod context;
mod evidence;
pub mod symbols;
mod task;

use oomtrace_common::record::{self as wire, chosen, kind, reaper};

use self::{
    bytes::{Fields, counter, known_i32, known_u32, known_u64},
    context::Context,
    task::{candidate, trigger},
};
use crate::model::{
    Name,
    observation::{
        Candidate, Candidates, CgroupNode, Choice, Chosen, Closed, Constraint, Exited, Kill, Lost, Marked,
        MemcgLevel, Observation, Opened, Reaper, ReaperStage, Score, Signal, Stamp, TaskFlags,
    },
};

/// Why a record was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record ends before its header, or before what its kind requires.
    #[error("record of kind {kind} is too short: {len} bytes")]
    Short {
        /// Kind, 0 if even that is missing.
        kind: u16,
        /// Bytes there are.
        len: usize,
    },
    /// The length in the header is not that of the record.
    #[error("record of kind {kind} says it has {said} bytes and has {len}")]
    Length {
        /// Kind.
        kind: u16,
        /// What the header says.
        said: u32,
        /// Bytes there are.
        len: usize,
    },
    /// A kind that this version does not know.
    #[error("unknown kind of record: {0}")]
    Kind(u16),
    /// A field has a value that its kind does not allow.
    #[error("record of kind {kind}: {field} is {value}")]
    Value {
        /// Kind.
        kind: u16,
        /// Field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

/// Decodes one record, appending its observations to `out`: one, or for a record of names one for each cgroup, for one of a node
/// one for it and for each of its zones. `context` is what is known of the machine.
///
/// # Errors
/// When the bytes are not a record of a known kind; the caller counts and goes on with the next one.
pub fn decode(
    record: &[u8],
    context: &Context,
    out: &mut impl Extend<Observation>,
) -> Result<(), DecodeError> {
    let fields = Fields::new(record);
    let header = fields.header()?;
    if header.kind == kind::CGROUP {
        out.extend(cgroups(&fields.of_kind(header.kind))?.into_iter().map(Observation::Cgroup));
    } else if header.kind == kind::NODE {
        out.extend(evidence::node(&fields.of_kind(header.kind), stamp(&header), context)?);
    } else if header.kind == kind::TOP {
        out.extend(
            top(&fields.of_kind(header.kind), stamp(&header))?.into_iter().map(Observation::Candidates),
        );
    } else {
        out.extend([one(record, context)?]);
    }
    Ok(())
}

/// Decodes a record that holds one observation.
fn one(record: &[u8], context: &Context) -> Result<Observation, DecodeError> {
    let fields = Fields::new(record);
    let header = fields.header()?;
    let at = stamp(&header);
    let fields = fields.of_kind(header.kind);
    match header.kind {
        kind::OPENED => opened(&fields, at),
        kind::MEMCG_LEVEL => memcg_level(&fields, at, context.page_counter_max),
        kind::CANDIDATES => candidates(&fields, at),
        kind::CHOICE => choice(&fields, at),
        kind::KILL => Ok(Observation::Kill(Kill {
            at,
            victim: candidate(&fields, core::mem::offset_of!(wire::Subject, task))?,
            message: message(&fields, core::mem::offset_of!(wire::Subject, message))?,
        })),
        kind::SIGNAL => Ok(Observation::Signal(Signal {
            at,
            tid: fields.i32(core::mem::offset_of!(wire::Signal, tid))?,
            comm: fields.name(core::mem::offset_of!(wire::Signal, comm), wire::COMM_LEN)?,
            result: known_i32(fields.i32(core::mem::offset_of!(wire::Signal, result))?),
        })),
        kind::MARKED => Ok(Observation::Marked(Marked {
            at,
            pid: Some(fields.i32(core::mem::offset_of!(wire::TaskEvent, tgid))?),
            tid: fields.i32(core::mem::offset_of!(wire::TaskEvent, tid))?,
            comm: Some(fields.name(core::mem::offset_of!(wire::TaskEvent, comm), wire::COMM_LEN)?),
            ..Marked::default()
        })),
        kind::VICTIM => aftermath::victim(&fields, at, context.page_size),
        kind::EXITED => Ok(Observation::Exited(exited(&fields, at)?)),
        kind::RELEASED => Ok(Observation::Released(exited(&fields, at)?)),
        kind::REAPER => reaper_stage(&fields, at),
        kind::CLOSED => closed(&fields, at),
        kind::STACK => evidence::stack(&fields, at, context),
        kind::SITUATION => evidence::situation(&fields, at),
        kind::MEMCG_STAT => evidence::memcg_stat(&fields, at),
        kind::REAPED => aftermath::reaped(&fields, at),
        kind::OOM_GROUP => aftermath::oom_group(&fields, at),
        kind::ADJ_UPDATED => aftermath::adj_updated(&fields, at),
        other => Err(DecodeError::Kind(other)),
    }
}

/// When and in which episode a record was made.
fn stamp(header: &wire::Header) -> Stamp {
    Stamp { boot_ns: header.boot_ns, episode: header.episode }
}

fn opened(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    use core::mem::offset_of;
    let memcg = fields.u64(offset_of!(wire::Subject, memcg))?;
    let gfp_known = fields.u32(offset_of!(wire::Subject, gfp_mask_known))? == 1;
    Ok(Observation::Opened(Opened {
        at,
        trigger: trigger(fields, offset_of!(wire::Subject, task))?,
        gfp_mask: if gfp_known { Some(fields.u32(offset_of!(wire::Subject, gfp_mask))?) } else { None },
        order: known_i32(fields.i32(offset_of!(wire::Subject, order))?),
        memcg: if memcg == 0 { None } else { Some(cgroup_id(memcg)) },
        gfp_names: None,
    }))
}

/// The nodes of a record of names: a cgroup and its ancestors, each with its parent's id.
fn cgroups(fields: &Fields<'_>) -> Result<Vec<CgroupNode>, DecodeError> {
    use core::mem::offset_of;
    let count = fields.u32(offset_of!(wire::CgroupNames, count))? as usize;
    let len = fields.u32(offset_of!(wire::CgroupNames, len))? as usize;
    let most = wire::MAX_LEVELS as usize;
    if count > most || len > wire::CGROUP_NAMES_LEN {
        return Err(DecodeError::Value { kind: kind::CGROUP, field: "count", value: count as u64 });
    }
    let id = |i: usize| fields.u64(offset_of!(wire::CgroupNames, ids) + i * size_of::<u64>());
    let names = fields.slice(size_of::<wire::CgroupNames>(), len)?;
    let mut names = names.split_inclusive(|&byte| byte == 0);
    let mut nodes = Vec::with_capacity(count);
    for i in 0..count {
        let name =
            names.next().ok_or(DecodeError::Value { kind: kind::CGROUP, field: "len", value: len as u64 })?;
        // Beyond the levels that are captured there are parents whose ids are not known. Such a node is left out: it
        // would pass for a root.
        let parent = if i + 1 < count { Some(id(i + 1)?) } else { None };
        if parent.is_some() || count < most {
            nodes.push(CgroupNode { id: id(i)?, parent, name: Name::from_padded(name), path: None });
        }
    }
    Ok(nodes)
}

fn memcg_level(fields: &Fields<'_>, at: Stamp, page_counter_max: u64) -> Result<Observation, DecodeError> {
    use core::mem::offset_of;
    let failed = fields.u32(offset_of!(wire::MemcgLevel, read_failed))? != 0;
    let pages = |offset| fields.u64(offset).map(|raw| counter(raw).filter(|_| !failed));
    let limit = |offset| pages(offset).map(|found| found.filter(|&pages| pages < page_counter_max));
    Ok(Observation::MemcgLevel(MemcgLevel {
        at,
        level: fields.u32(offset_of!(wire::MemcgLevel, level))?,
        cgroup: cgroup_id(fields.u64(offset_of!(wire::MemcgLevel, cgroup))?),
        usage_pages: pages(offset_of!(wire::MemcgLevel, usage))?,
        max_pages: limit(offset_of!(wire::MemcgLevel, max))?,
        high_pages: limit(offset_of!(wire::MemcgLevel, high))?,
        swap_usage_pages: pages(offset_of!(wire::MemcgLevel, swap_usage))?,
        swap_max_pages: limit(offset_of!(wire::MemcgLevel, swap_max))?,
        failcnt: pages(offset_of!(wire::MemcgLevel, failcnt))?,
        swap_failcnt: pages(offset_of!(wire::MemcgLevel, swap_failcnt))?,
        min_pages: pages(offset_of!(wire::MemcgLevel, min))?,
        low_pages: pages(offset_of!(wire::MemcgLevel, low))?,
        oom_kills: pages(offset_of!(wire::MemcgLevel, oom_kills))?,
        oom_group: known_u32(fields.u32(offset_of!(wire::MemcgLevel, oom_group))?)
            .filter(|_| !failed)
            .map(|value| value != 0),
        kmem_usage_pages: pages(offset_of!(wire::MemcgLevel, kmem_usage))?,
    }))
}

fn candidates(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    use core::mem::offset_of;
    let count = fields.u32(offset_of!(wire::BatchHeader, count))? as usize;
    if count > wire::BATCH {
        return Err(DecodeError::Value { kind: kind::CANDIDATES, field: "count", value: count as u64 });
    }
    let tasks = (0..count)
        .map(|i| looked_at(fields, size_of::<wire::BatchHeader>() + i * size_of::<wire::Task>()))
        .collect::<Result<_, _>>()?;
    Ok(Observation::Candidates(Candidates {
        at,
        first: fields.u32(offset_of!(wire::BatchHeader, first))?,
        tasks,
    }))
}

/// Candidates that lie apart in the scan, each with its position.
fn top(fields: &Fields<'_>, at: Stamp) -> Result<Vec<Candidates>, DecodeError> {
    use core::mem::offset_of;
    let count = fields.u32(offset_of!(wire::Top, count))? as usize;
    if count > wire::TOP {
        return Err(DecodeError::Value { kind: kind::TOP, field: "count", value: count as u64 });
    }
    let one = |i: usize| {
        let task = looked_at(fields, offset_of!(wire::Top, tasks) + i * size_of::<wire::Task>())?;
        let first = fields.u32(offset_of!(wire::Top, positions) + i * size_of::<u32>())?;
        Ok(Candidates { at, first, tasks: vec![task] })
    };
    (0..count).map(one).collect()
}

/// A candidate of a scan. Those that are to be chosen before all others (swapoff and KSM put themselves there) are not scored,
/// but taken at once.
fn looked_at(fields: &Fields<'_>, offset: usize) -> Result<Candidate, DecodeError> {
    let mut candidate = candidate(fields, offset)?;
    let flags = &mut candidate.flags;
    if candidate.score == Score::NotScored && flags.has(TaskFlags::ORIGIN) && !flags.has(TaskFlags::VICTIM) {
        flags.0 |= TaskFlags::CHOSEN;
    }
    Ok(candidate)
}

fn choice(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    use core::mem::offset_of;
    let points = fields.i64(offset_of!(wire::Subject, chosen_points))?;
    Ok(Observation::Choice(Choice {
        at,
        chosen: candidate(fields, offset_of!(wire::Subject, task))?,
        chosen_points: if points == i64::MIN { None } else { Some(points) },
        totalpages: known_u64(fields.u64(offset_of!(wire::Subject, totalpages))?),
        constraint: constraint(fields.u32(offset_of!(wire::Subject, constraint))?),
        message: message(fields, offset_of!(wire::Subject, message))?,
    }))
}

fn exited(fields: &Fields<'_>, at: Stamp) -> Result<Exited, DecodeError> {
    Ok(Exited { at, pid: fields.i32(core::mem::offset_of!(wire::TaskEvent, tgid))? })
}

fn reaper_stage(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    use core::mem::offset_of;
    let stage = match fields.u32(offset_of!(wire::Reaper, stage))? {
        reaper::WAKE => ReaperStage::Wake,
        reaper::START => ReaperStage::Start,
        reaper::FINISH => ReaperStage::Finish,
        reaper::SKIP => ReaperStage::Skip,
        other => {
            return Err(DecodeError::Value { kind: kind::REAPER, field: "stage", value: u64::from(other) });
        }
    };
    Ok(Observation::Reaper(Reaper {
        at,
        stage,
        tid: fields.i32(offset_of!(wire::Reaper, tid))?,
        before: None,
        after: None,
    }))
}

fn closed(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    use core::mem::offset_of;
    let how = match fields.u32(offset_of!(wire::Closed, chosen))? {
        chosen::NOBODY => Some(Chosen::Nobody),
        chosen::TASK => Some(Chosen::Task),
        chosen::ABORTED => Some(Chosen::Aborted),
        _ => None,
    };
    // The kernel sets `totalpages`, to at least 1, and `constraint` when the scan is about to begin.
    let totalpages = known_u64(fields.u64(offset_of!(wire::Closed, totalpages))?).filter(|&pages| pages > 0);
    let constraint = constraint(fields.u32(offset_of!(wire::Closed, constraint))?);
    let blocker = fields.i32(offset_of!(wire::Closed, blocker))?;
    let time = |offset| fields.u64(offset).map(|ns| if ns == 0 { None } else { Some(ns) });
    let count = |offset| fields.u32(offset).map(u64::from);
    Ok(Observation::Closed(Closed {
        at,
        chosen: how,
        returned: Some(fields.u32(offset_of!(wire::Closed, returned))? != 0),
        totalpages,
        constraint: totalpages.and(constraint),
        evaluated: fields.u32(offset_of!(wire::Closed, evaluated))?,
        scored: fields.u32(offset_of!(wire::Closed, scored))?,
        blocker: if blocker == 0 { None } else { Some(blocker) },
        first_evaluated_ns: time(offset_of!(wire::Closed, first_evaluated_ns))?,
        last_evaluated_ns: time(offset_of!(wire::Closed, last_evaluated_ns))?,
        lost: Lost {
            candidates: count(offset_of!(wire::Closed, lost_candidates))?,
            records: count(offset_of!(wire::Closed, lost_records))?,
            reads: count(offset_of!(wire::Closed, failed_reads))?,
            victims: count(offset_of!(wire::Closed, lost_victims))?,
            unclosed: count(offset_of!(wire::Closed, unclosed))?,
            ..Lost::default()
        },
    }))
}

/// `enum oom_constraint` has had these values since 2.6. A new one is not known, and costs no more than itself.
fn constraint(value: u32) -> Option<Constraint> {
    match value {
        0 => Some(Constraint::None),
        1 => Some(Constraint::Cpuset),
        2 => Some(Constraint::MemoryPolicy),
        3 => Some(Constraint::Memcg),
        _ => None,
    }
}

/// The kernfs id of a cgroup that is there: 0 when it could not be read, which is no cgroup's id.
fn cgroup_id(raw: u64) -> u64 {
    known_u64(raw).unwrap_or(0)
}

fn message(fields: &Fields<'_>, offset: usize) -> Result<Option<Name>, DecodeError> {
    let message = fields.name(offset, wire::MESSAGE_LEN)?;
    Ok(if message.is_empty() { None } else { Some(message) })
}

#[cfg(test)]
mod tests;
