//! Counters of the NUMA nodes and their zones, raw: one read each for a node's counters and for all of its zones.
//!
//! Zones are carried as `struct zone` has them. To pick members here would take a read for each of some 30 of every zone,
//! and as much of the verifier's time; user space has the same BTF.

use oomtrace_common::{
    config::ABSENT,
    evidence::{NODES, Node, RAW_MOST, ZONES},
    record::kind,
};

use super::{FIXED_MOST, RAW, place};
use crate::{
    emit::header,
    episode::State,
    read::{Errors, copy_bytes, copy_str, pointer, zero},
};

const _: () = assert!(size_of::<Node>() <= FIXED_MOST);

/// Sends the next node of the pass, if it is online; whether there may be more.
#[inline(always)]
pub(crate) fn next(state: *mut State) -> bool {
    let stats = place!(node_stat_len);
    let zone_len = place!(zone_len);
    // More zones than there is room for are left out; no kernel has them.
    let zones = if place!(zones) > ZONES { ZONES } else { place!(zones) };
    if place!(node_stat) == ABSENT || place!(node_zones) == ABSENT || place!(zone_name) == ABSENT {
        return false;
    }
    // Each by itself first: the product must not wrap.
    if stats > RAW_MOST || zone_len > RAW_MOST || stats + zones * zone_len > RAW_MOST {
        return false;
    }
    // SAFETY: this thread owns the state.
    let id = unsafe { (*state).node };
    let online = if place!(node_data) == 0 { 1 } else { pointer(place!(online), 0) };
    if id >= NODES || online >> id == 0 {
        return false;
    }
    // SAFETY: as above.
    unsafe { (*state).node = id + 1 };
    let node =
        if place!(node_data) == 0 { place!(contig_page_data) } else { pointer(place!(node_data), id * 8) };
    if node != 0 && online & (1 << id) != 0 {
        one(id, node, stats, zones, zone_len, state);
    }
    true
}

/// Sends the node at `node`.
#[inline(always)]
fn one(id: u32, node: u64, stats: u32, zones: u32, zone_len: u32, state: *mut State) {
    let Some(raw) = RAW.get_ptr_mut(0) else { return };
    let mut errors = Errors::NONE;
    // SAFETY: this thread owns the episode, and with it the map's only element, which holds a fixed part and, as the caller
    // has seen to, `stats + zones * zone_len` bytes more.
    unsafe {
        let record: *mut Node = raw.cast();
        (*record).header = header::<Node>(kind::NODE, (*state).episode);
        (*record).node = id;
        (*record).stats = stats;
        (*record).zones = zones;
        (*record).zone_len = zone_len;
        (*record).reserved = 0;
        let names = &raw mut (*record).names;
        zero(names);
        let first = node + u64::from(place!(node_zones));
        for zone in 0..zones {
            let name = pointer(first + u64::from(zone * zone_len), place!(zone_name));
            copy_str(names.cast::<[u8; 16]>().add(zone as usize), name);
        }
        let counters = raw.cast::<u8>().add(size_of::<Node>());
        copy_bytes(counters, stats, node + u64::from(place!(node_stat)), &mut errors);
        copy_bytes(counters.add(stats as usize), zones * zone_len, first, &mut errors);
        (*record).read_failed = u32::from(errors.any());
        if errors.any() {
            (*state).failed_reads += 1;
        }
        let len = size_of::<Node>() + (stats + zones * zone_len) as usize;
        super::output(&raw mut (*record).header, len, state);
    }
}
