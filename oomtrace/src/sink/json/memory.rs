//! The state of memory at the choice, and a memcg's counters.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::model::SessionInfo;
use crate::model::episode::Episode;
use crate::model::evidence::{Counter, MemcgStat, NodeMemory, Situation, ZoneMemory};
use crate::model::meminfo::{MemInfo, item, memcg_stat};

use super::NameJson;

#[derive(Serialize)]
pub(super) struct MachineJson<'a> {
    free_pages: Option<u64>,
    active_anon_pages: Option<u64>,
    inactive_anon_pages: Option<u64>,
    isolated_anon_pages: Option<u64>,
    active_file_pages: Option<u64>,
    inactive_file_pages: Option<u64>,
    isolated_file_pages: Option<u64>,
    unevictable_pages: Option<u64>,
    dirty_pages: Option<u64>,
    writeback_pages: Option<u64>,
    slab_reclaimable_pages: Option<u64>,
    slab_unreclaimable_pages: Option<u64>,
    mapped_pages: Option<u64>,
    shmem_pages: Option<u64>,
    pagetables_pages: Option<u64>,
    sec_pagetables_pages: Option<u64>,
    bounce_pages: Option<u64>,
    kernel_misc_reclaimable_pages: Option<u64>,
    free_cma_pages: Option<u64>,
    anon_pages: Option<u64>,
    pagecache_pages: Option<u64>,
    swapcache_pages: Option<u64>,
    swap_free_pages: Option<u64>,
    swap_total_pages: Option<u64>,
    ram_pages: Option<u64>,
    highmem_pages: Option<u64>,
    reserved_pages: Option<u64>,
    cma_pages: Option<u64>,
    hwpoisoned_pages: Option<u64>,
    nodes_left_out: Option<u32>,
    zones_left_out: Option<u32>,
    sums: Counters<'a>,
    nodes: Vec<NodeJson<'a>>,
    zones: Vec<ZoneJson<'a>>,
}

#[derive(Serialize)]
struct NodeJson<'a> {
    node: u32,
    stats: Counters<'a>,
}

#[derive(Serialize)]
struct ZoneJson<'a> {
    node: u32,
    zone: NameJson<'a>,
    free_pages: Option<u64>,
    boost_pages: Option<u64>,
    min_pages: Option<u64>,
    low_pages: Option<u64>,
    high_pages: Option<u64>,
    reserved_highatomic_pages: Option<u64>,
    spanned_pages: Option<u64>,
    present_pages: Option<u64>,
    managed_pages: Option<u64>,
    lowmem_reserve_pages: &'a [i64],
    free_blocks: &'a [u64],
    stats: Counters<'a>,
}

/// `null` when nothing of it was captured.
pub(super) fn machine<'a>(episode: &'a Episode, info: &'a SessionInfo) -> Option<MachineJson<'a>> {
    let memory = MemInfo::new(info, episode);
    let situation = episode.situation.as_ref();
    if memory.is_none() && situation.is_none() {
        return None;
    }
    let total = |names| memory.and_then(|memory| memory.total(names));
    let of = |pages: fn(&Situation) -> Option<u64>| situation.and_then(pages);
    Some(MachineJson {
        free_pages: total(item::FREE),
        active_anon_pages: total(item::ACTIVE_ANON),
        inactive_anon_pages: total(item::INACTIVE_ANON),
        isolated_anon_pages: total(item::ISOLATED_ANON),
        active_file_pages: total(item::ACTIVE_FILE),
        inactive_file_pages: total(item::INACTIVE_FILE),
        isolated_file_pages: total(item::ISOLATED_FILE),
        unevictable_pages: total(item::UNEVICTABLE),
        dirty_pages: total(item::DIRTY),
        writeback_pages: total(item::WRITEBACK),
        slab_reclaimable_pages: total(item::SLAB_RECLAIMABLE),
        slab_unreclaimable_pages: total(item::SLAB_UNRECLAIMABLE),
        mapped_pages: total(item::MAPPED),
        shmem_pages: total(item::SHMEM),
        pagetables_pages: total(item::PAGETABLES),
        sec_pagetables_pages: total(item::SEC_PAGETABLES),
        bounce_pages: total(item::BOUNCE),
        kernel_misc_reclaimable_pages: total(item::KERNEL_MISC_RECLAIMABLE),
        free_cma_pages: total(item::FREE_CMA),
        anon_pages: total(item::ANON),
        pagecache_pages: total(item::PAGECACHE),
        swapcache_pages: total(item::SWAPCACHE),
        swap_free_pages: of(|situation| situation.swap_free_pages),
        swap_total_pages: of(|situation| situation.swap_total_pages),
        ram_pages: memory.and_then(|memory| memory.ram_pages()),
        highmem_pages: memory.and_then(|memory| memory.highmem_pages()),
        reserved_pages: memory.and_then(|memory| memory.reserved_pages()),
        cma_pages: of(|situation| situation.cma_pages),
        hwpoisoned_pages: of(|situation| situation.hwpoisoned_pages),
        nodes_left_out: situation.map(|situation| situation.nodes_left_out),
        zones_left_out: situation.map(|situation| situation.zones_left_out),
        sums: Counters {
            items: &[],
            values: &[],
            told: situation.map_or(&[], |situation| &situation.totals),
        },
        nodes: episode.nodes.iter().map(|node| node_json(node, info)).collect(),
        zones: episode.zones.iter().map(|zone| zone_json(zone, memory, info)).collect(),
    })
}

fn node_json<'a>(node: &'a NodeMemory, info: &'a SessionInfo) -> NodeJson<'a> {
    let stats = Counters { items: &info.node_stat_items, values: &node.stats, told: &node.counters };
    NodeJson { node: node.node, stats }
}

fn zone_json<'a>(zone: &'a ZoneMemory, memory: Option<MemInfo<'a>>, info: &'a SessionInfo) -> ZoneJson<'a> {
    ZoneJson {
        node: zone.node,
        zone: NameJson::from(&zone.name),
        free_pages: memory.and_then(|memory| memory.zone_free_pages(zone)),
        boost_pages: zone.boost_pages,
        min_pages: zone.min_pages,
        low_pages: zone.low_pages,
        high_pages: zone.high_pages,
        reserved_highatomic_pages: zone.reserved_highatomic_pages,
        spanned_pages: zone.spanned_pages,
        present_pages: zone.present_pages,
        managed_pages: zone.managed_pages,
        lowmem_reserve_pages: &zone.lowmem_reserve_pages,
        free_blocks: &zone.free_blocks,
        stats: Counters { items: &info.zone_stat_items, values: &zone.stats, told: &zone.counters },
    }
}

/// An object of counters under the kernel's own names; those without a name under their position. Of two with the same name,
/// which a damaged head can have, the first: JSON has no use for a second.
struct Counters<'a> {
    items: &'a [String],
    values: &'a [i64],
    told: &'a [Counter],
}

impl Serialize for Counters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.values.iter().enumerate().map(|(position, value)| {
            let name = self.items.get(position).filter(|name| !name.is_empty());
            (name.map_or_else(|| Cow::from(position.to_string()), |name| Cow::from(name.as_str())), *value)
        });
        let told = self.told.iter().map(|counter| {
            (String::from_utf8_lossy(&counter.name), i64::try_from(counter.value).unwrap_or(i64::MAX))
        });
        object(serializer, names.chain(told))
    }
}

/// `memcg.stat`: names and units of `memory.stat`.
pub(super) struct MemcgStatJson<'a> {
    pub(super) stat: &'a MemcgStat,
    pub(super) info: &'a SessionInfo,
}

impl Serialize for MemcgStatJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object(serializer, memcg_stat::lines(self.stat, self.info).map(|line| (line.name, line.value)))
    }
}

fn object<'a, S: Serializer, V: Serialize>(
    serializer: S,
    entries: impl Iterator<Item = (Cow<'a, str>, V)>,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    let mut seen = HashSet::new();
    for (name, value) in entries {
        if !seen.contains(&name) {
            map.serialize_entry(&name, &value)?;
            seen.insert(name);
        }
    }
    map.end()
}
