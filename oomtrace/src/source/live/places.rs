//! Where the situation around a choice is: [`Places`] for the programs, [`ZoneLayout`] for the decoder, names of items for the
//! head of the session. From BTF and the addresses of variables.
//!
//! Nothing here is required: what is not found is not captured, and is named in [`Found::missing`].

use oomtrace_common::{
    config::ABSENT,
    evidence::{NODE_BITS, Places, RAW_MOST, ZONES},
};

use super::{
    btf::{Type, Types},
    symbols::Addresses,
};
use crate::decode::context::{Run, ZoneLayout};

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// For the programs; addresses are not filled in.
    pub places: Places,
    /// For the decoder.
    pub zone: ZoneLayout,
    /// Names of `enum node_stat_item`.
    pub node_items: Vec<String>,
    /// Names of `enum zone_stat_item`.
    pub zone_items: Vec<String>,
    /// Names of the counters of a memcg: those of nodes, then `enum memcg_stat_item`.
    pub memcg_items: Vec<String>,
    /// Members that are not there, as `struct.member`.
    pub missing: Vec<String>,
    /// `node_states[N_ONLINE]`: bytes from the array's start.
    online: Option<u32>,
}

/// Looks everything up in `types`.
pub(super) fn find(types: &Types) -> Found {
    let mut missing = Vec::new();
    let mut note = |name: &str, found: Option<u32>| {
        if found.is_none() {
            missing.push(name.to_owned());
        }
        found.unwrap_or(ABSENT)
    };
    let mut places = Places::UNSET;
    let offset = |structure: &str, path: &str| types.member(structure, path).map(|found| found.offset);
    places.oc_nodemask = note("oom_control.nodemask", offset("oom_control", "nodemask"));
    let mems_allowed = types.member("task_struct", "mems_allowed");
    places.nodemask_len = mems_allowed
        .as_ref()
        .and_then(|found| types.size(found.kind))
        .filter(|&len| len as usize <= NODE_BITS / 8)
        .unwrap_or(ABSENT);
    places.task_mems_allowed = note("task_struct.mems_allowed", mems_allowed.map(|found| found.offset));
    places.css_set_cpuset = note("css_set.subsys[cpuset_cgrp_id]", css_set_cpuset(types));

    let mut zone = ZoneLayout::default();
    let node_items = items(types, "node_stat_item", "NR_VM_NODE_STAT_ITEMS");
    let found = nodes(types, &mut places, &mut zone);
    note("pglist_data.node_zones", found);
    let found = memcg_stat(types, &mut places);
    note("mem_cgroup.vmstats", found);
    let mut memcg_items = node_items.clone();
    memcg_items.resize(items_end(types, "memcg_stat_item", "MEMCG_NR_STAT"), String::new());
    for (name, value) in types.all_enumerators("memcg_stat_item") {
        if let Some(item) = memcg_items.get_mut(value as usize) {
            *item = name;
        }
    }
    if let Ok(len) = u32::try_from(memcg_items.len()) {
        places.stats_index_len = len;
    }
    let online = types.enumerators(Some("node_states"), ["N_ONLINE"]).map(|[online]| online);
    Found {
        online: online.and_then(|online| online.checked_mul(places.nodemask_len)),
        places,
        zone,
        zone_items: items(types, "zone_stat_item", "NR_VM_ZONE_STAT_ITEMS"),
        node_items,
        memcg_items,
        missing,
    }
}

impl Found {
    /// For the programs, with the addresses of this boot.
    pub(super) fn at(&self, addresses: &Addresses) -> Places {
        let at = |name: &str| addresses.of(name).unwrap_or(0);
        Places {
            tainted_mask: at("tainted_mask"),
            nr_swap_pages: at("nr_swap_pages"),
            total_swap_pages: at("total_swap_pages"),
            totalcma_pages: at("totalcma_pages"),
            num_poisoned_pages: at("num_poisoned_pages"),
            panic_on_oom: at("sysctl_panic_on_oom"),
            oom_kill_allocating_task: at("sysctl_oom_kill_allocating_task"),
            oom_dump_tasks: at("sysctl_oom_dump_tasks"),
            overcommit_memory: at("sysctl_overcommit_memory"),
            swappiness: at("vm_swappiness"),
            node_data: at("node_data"),
            contig_page_data: at("contig_page_data"),
            online: match (addresses.of("node_states"), self.online) {
                (Some(address), Some(offset)) => address + u64::from(offset),
                _ => 0,
            },
            stats_index: at("mem_cgroup_stats_index"),
            ..self.places
        }
    }
}

/// Names of the items of an enum that ends with `end`. Of several with one value the last is the item, those before begin a
/// group of them.
fn items(types: &Types, name: &str, end: &str) -> Vec<String> {
    let mut items = vec![String::new(); items_end(types, name, end)];
    for (name, value) in types.all_enumerators(name) {
        if let Some(item) = items.get_mut(value as usize) {
            *item = name;
        }
    }
    items
}

/// The value of the enumerator that ends an enum of items; 0 without one that can be.
fn items_end(types: &Types, name: &str, end: &str) -> usize {
    match types.enumerators(Some(name), [end]) {
        Some([end]) if end <= 4096 => end as usize,
        _ => 0,
    }
}

fn css_set_cpuset(types: &Types) -> Option<u32> {
    let [cpuset] = types.enumerators(Some("cgroup_subsys_id"), ["cpuset_cgrp_id"])?;
    let subsys = types.member("css_set", "subsys")?;
    let (_, size) = types.element(subsys.kind)?;
    Some(subsys.offset + cpuset * size)
}

/// Nodes and zones: bytes of a node's zones, `None` when something that is needed for them is not there.
fn nodes(types: &Types, places: &mut Places, layout: &mut ZoneLayout) -> Option<u32> {
    let stat = types.member("pglist_data", "vm_stat")?;
    let zones = types.member("pglist_data", "node_zones")?;
    let (_, each, items) = types.array(stat.kind)?;
    let (zone, zone_len, count) = types.array(zones.kind)?;
    let name = types.member_of(zone, "name")?.offset;
    let bytes = count.min(ZONES).checked_mul(zone_len)?;
    // What the programs have no room for is not there for them either.
    bytes.checked_add(items.checked_mul(each)?).filter(|&bytes| bytes <= RAW_MOST)?;
    places.node_stat = stat.offset;
    places.node_stat_len = items * each;
    places.node_zones = zones.offset;
    places.zones = count;
    places.zone_len = zone_len;
    places.zone_name = name;

    let long = |path: &str| types.member_of(zone, path).map(|found| found.offset);
    let run = |path: &str| {
        let found = types.member_of(zone, path)?;
        let (_, stride, count) = types.array(found.kind)?;
        (stride == 8).then_some(Run { start: found.offset, stride, count })
    };
    let watermarks = run("_watermark");
    let watermark = |name: &str| {
        let [index] = types.enumerators(Some("zone_watermarks"), [name])?;
        watermarks.filter(|run| index < run.count).map(|run| run.start + index * run.stride)
    };
    *layout = ZoneLayout {
        min: watermark("WMARK_MIN"),
        low: watermark("WMARK_LOW"),
        high: watermark("WMARK_HIGH"),
        boost: long("watermark_boost"),
        managed: long("managed_pages"),
        present: long("present_pages"),
        spanned: long("spanned_pages"),
        reserved_highatomic: long("nr_reserved_highatomic"),
        lowmem_reserve: run("lowmem_reserve"),
        free_blocks: free_blocks(types, zone),
        stats: run("vm_stat"),
    };
    Some(bytes)
}

fn free_blocks(types: &Types, zone: Type) -> Option<Run> {
    let areas = types.member_of(zone, "free_area")?;
    let (area, stride, count) = types.array(areas.kind)?;
    let free = types.member_of(area, "nr_free")?;
    Some(Run { start: areas.offset + free.offset, stride, count })
}

/// Counters of a memcg: their bytes, `None` when they are in no shape that is known.
fn memcg_stat(types: &Types, places: &mut Places) -> Option<u32> {
    let vmstats = types.member("mem_cgroup", "vmstats")?;
    let behind = types.pointee(vmstats.kind);
    let pointer = behind.is_some();
    let container = behind.unwrap_or(vmstats.kind);
    let (state, array) = match types.array(container) {
        Some(array) => (0, array),
        None => {
            let state = types.member_of(container, "state")?;
            (state.offset, types.array(state.kind)?)
        }
    };
    let (_, each, count) = array;
    let bytes = count.checked_mul(each).filter(|&bytes| each == 8 && bytes <= RAW_MOST / 2)?;
    places.memcg_vmstats = vmstats.offset;
    places.memcg_vmstats_pointer = u32::from(pointer);
    places.memcg_state = state;
    places.memcg_state_len = bytes;
    Some(bytes)
}
