//! Records of the situation around a choice.

use core::mem::offset_of;

use oomtrace_common::{
    UNKNOWN_U64,
    evidence::{self as wire, NODE_WORDS, NODES, STACK_DEPTH, ZONE_NAME_LEN, ZONES, variable},
    record::{CGROUP_NAME_LEN, kind},
};

use super::{
    DecodeError,
    bytes::{Fields, known_u64},
    context::{Context, Run, ZoneLayout},
    symbols::Symbolizer,
};
use crate::model::{
    Name,
    evidence::{Frame, MemcgStat, NodeMemory, Situation, Stack, ZoneMemory},
    observation::{Observation, Stamp},
    session::Settings,
};

/// Frames that are kept of a call path.
const FRAMES: usize = 48;

/// The function that a pass is made of.
const OUT_OF_MEMORY: &[u8] = b"out_of_memory";

pub(super) fn stack(fields: &Fields<'_>, at: Stamp, context: &Context) -> Result<Observation, DecodeError> {
    let count = fields.u32(offset_of!(wire::Stack, count))? as usize;
    if count > STACK_DEPTH {
        return Err(DecodeError::Value { kind: kind::STACK, field: "count", value: count as u64 });
    }
    let address = |i: usize| fields.u64(offset_of!(wire::Stack, addresses) + i * size_of::<u64>());
    let addresses = (0..count).map(address).collect::<Result<Vec<_>, _>>()?;
    let (frames, cut) = frames(&addresses, context.symbols.as_deref());
    Ok(Observation::Stack(Stack { at, frames, cut: cut || count == STACK_DEPTH }))
}

/// The frames from the caller of `out_of_memory()` outwards, and whether some were left out at the far end.
///
/// What comes before is the probe's own: its program and the code that calls it, then `out_of_memory()` itself.
fn frames(addresses: &[u64], symbols: Option<&dyn Symbolizer>) -> (Vec<Frame>, bool) {
    // The first one of a kprobe is no return address but where it is, which may be the function's first byte.
    let address = |(i, &address): (usize, &u64)| address.saturating_add(u64::from(i == 0));
    let addresses: Vec<u64> = addresses.iter().enumerate().map(address).collect();
    let mut frames =
        symbols.map_or_else(|| vec![Frame::default(); addresses.len()], |symbols| symbols.frames(&addresses));
    let is_it = |frame: &Frame| frame.function.as_ref().is_some_and(|name| name[..] == *OUT_OF_MEMORY);
    if let Some(last) = frames.iter().rposition(is_it) {
        frames.drain(..=last);
    }
    // Code of BPF is in no table; nothing else that comes before a known function is in none. Kernels differ in whether the
    // hooked function itself is on the path of an fentry program.
    if let Some(first) = frames.iter().position(|frame| frame.function.is_some()) {
        frames.drain(..first);
    }
    let cut = frames.len() > FRAMES;
    frames.truncate(FRAMES);
    (frames, cut)
}

pub(super) fn situation(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    let failed = fields.u32(offset_of!(wire::Situation, read_failed))? != 0;
    let absent = fields.u32(offset_of!(wire::Situation, absent))?;
    let at_variable = |index: usize| offset_of!(wire::Situation, variables) + index * size_of::<u64>();
    // A read that failed left zero behind, and which one it was is not known.
    let known = |index: usize, zero: bool| absent & 1 << index == 0 && !(zero && failed);
    let long = |index| fields.u64(at_variable(index)).map(|raw| known(index, raw == 0).then_some(raw));
    // Free swap can be a little below zero for a moment.
    let pages = |index| long(index).map(|found| found.map(|n| if n > UNKNOWN_U64 { 0 } else { n }));
    let int = |index| fields.i32(at_variable(index)).map(|raw| known(index, raw == 0).then_some(raw));
    let nodemask_set = match fields.u32(offset_of!(wire::Situation, nodemask_set))? {
        0 if !failed => Some(false),
        1 => Some(true),
        _ => None,
    };
    let is = |offset| fields.u32(offset).map(|known| known == 1 && !failed);
    let online = nodes_in(fields, offset_of!(wire::Situation, online))?;
    let mems_allowed = nodes_in(fields, offset_of!(wire::Situation, mems_allowed))?;
    let cpuset = fields.name(offset_of!(wire::Situation, cpuset), CGROUP_NAME_LEN)?;
    let left_out = online.iter().filter(|&&node| node >= NODES).count();
    Ok(Observation::Situation(Situation {
        at,
        cpu: Some(fields.u32(offset_of!(wire::Situation, cpu))?),
        tainted: long(variable::TAINTED)?,
        settings: Settings {
            panic_on_oom: int(variable::PANIC_ON_OOM)?,
            oom_kill_allocating_task: int(variable::OOM_KILL_ALLOCATING_TASK)?,
            oom_dump_tasks: int(variable::OOM_DUMP_TASKS)?,
            overcommit_memory: int(variable::OVERCOMMIT_MEMORY)?,
            swappiness: int(variable::SWAPPINESS)?,
        },
        nodemask_set,
        nodemask: nodes_in(fields, offset_of!(wire::Situation, nodemask))?,
        mems_allowed: is(offset_of!(wire::Situation, mems_allowed_known))?.then_some(mems_allowed),
        cpuset: is(offset_of!(wire::Situation, cpuset_known))?.then(|| {
            // The kernel's word for a root, whose own name is empty.
            if cpuset.is_empty() { Name::from_padded(b"/") } else { cpuset }
        }),
        swap_free_pages: pages(variable::SWAP_FREE)?,
        swap_total_pages: pages(variable::SWAP_TOTAL)?,
        cma_pages: pages(variable::CMA)?,
        hwpoisoned_pages: pages(variable::HWPOISONED)?,
        nodes_left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        zones_left_out: 0,
        ..Situation::default()
    }))
}

/// The numbers of the bits that are set in a node mask.
fn nodes_in(fields: &Fields<'_>, offset: usize) -> Result<Vec<u32>, DecodeError> {
    let mut nodes = Vec::new();
    for word in 0..NODE_WORDS {
        let mut bits = fields.u64(offset + word * size_of::<u64>())?;
        while bits != 0 {
            nodes.push(word as u32 * 64 + bits.trailing_zeros());
            bits &= bits - 1;
        }
    }
    Ok(nodes)
}

/// A node and its populated zones.
pub(super) fn node(
    fields: &Fields<'_>,
    at: Stamp,
    context: &Context,
) -> Result<Vec<Observation>, DecodeError> {
    let number = |offset| fields.u32(offset).map(|n| n as usize);
    let node = fields.u32(offset_of!(wire::Node, node))?;
    let stats_len = number(offset_of!(wire::Node, stats))?;
    let zones = number(offset_of!(wire::Node, zones))?;
    let zone_len = number(offset_of!(wire::Node, zone_len))?;
    if zones > ZONES as usize {
        return Err(DecodeError::Value { kind: kind::NODE, field: "zones", value: zones as u64 });
    }
    let start = size_of::<wire::Node>();
    let stats = values(fields.slice(start, stats_len)?);
    // The counters and the zones are two reads; which one failed is not known.
    if fields.u32(offset_of!(wire::Node, read_failed))? != 0 {
        return Ok(Vec::new());
    }
    let mut found = vec![Observation::NodeMemory(NodeMemory { at, node, stats, counters: Vec::new() })];
    for index in 0..zones {
        let name = fields.name(offset_of!(wire::Node, names) + index * ZONE_NAME_LEN, ZONE_NAME_LEN)?;
        let bytes = fields.slice(start + stats_len + index * zone_len, zone_len)?;
        let zone = zone(bytes, &context.zone);
        // The kernel's own word for it is populated: it has pages.
        if zone.present_pages != Some(0) {
            found.push(Observation::ZoneMemory(ZoneMemory { at, node, index: index as u32, name, ..zone }));
        }
    }
    Ok(found)
}

/// What `layout` finds in a `struct zone`.
fn zone(bytes: &[u8], layout: &ZoneLayout) -> ZoneMemory {
    let at = |offset: usize| {
        let bytes = bytes.get(offset..)?.first_chunk()?;
        Some(i64::from_le_bytes(*bytes))
    };
    let pages = |offset: Option<u32>| at(offset? as usize).map(i64::cast_unsigned);
    let run = |run: Option<Run>| {
        let Run { start, stride, count } = run.unwrap_or(Run { start: 0, stride: 0, count: 0 });
        let offsets = (0..count as usize).map(move |i| start as usize + i * stride as usize);
        offsets.map_while(at).collect::<Vec<i64>>()
    };
    ZoneMemory {
        stats: run(layout.stats),
        min_pages: pages(layout.min),
        low_pages: pages(layout.low),
        high_pages: pages(layout.high),
        boost_pages: pages(layout.boost),
        managed_pages: pages(layout.managed),
        present_pages: pages(layout.present),
        spanned_pages: pages(layout.spanned),
        reserved_highatomic_pages: pages(layout.reserved_highatomic),
        lowmem_reserve_pages: run(layout.lowmem_reserve),
        free_blocks: run(layout.free_blocks).into_iter().map(i64::cast_unsigned).collect(),
        ..ZoneMemory::default()
    }
}

/// Counters of 8 bytes.
fn values(bytes: &[u8]) -> Vec<i64> {
    bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
}

pub(super) fn memcg_stat(fields: &Fields<'_>, at: Stamp) -> Result<Observation, DecodeError> {
    let stats_len = fields.u32(offset_of!(wire::MemcgStat, stats))? as usize;
    let index_len = fields.u32(offset_of!(wire::MemcgStat, index))? as usize;
    let start = size_of::<wire::MemcgStat>();
    let stats = values(fields.slice(start, stats_len)?);
    let index = fields.slice(start + stats_len, index_len)?;
    let failed = fields.u32(offset_of!(wire::MemcgStat, read_failed))? != 0;
    let stats = match () {
        () if failed => Vec::new(),
        () if index.is_empty() => stats.into_iter().map(Some).collect(),
        () => indexed(&stats, index),
    };
    let cgroup = known_u64(fields.u64(offset_of!(wire::MemcgStat, cgroup))?).unwrap_or(0);
    Ok(Observation::MemcgStat(MemcgStat { at, cgroup, stats, counters: Vec::new() }))
}

/// Counters in the order of the items. In 6.10 an item's entry is its position and one, and 0 for an item that is not kept;
/// later it is the position, and 255. Some items are never kept, so that 255 tells which.
fn indexed(stats: &[i64], index: &[u8]) -> Vec<Option<i64>> {
    let first = usize::from(!index.contains(&u8::MAX));
    let position = |&entry: &u8| usize::from(entry).checked_sub(first);
    index.iter().map(|entry| stats.get(position(entry)?).copied()).collect()
}

#[cfg(test)]
mod tests;
