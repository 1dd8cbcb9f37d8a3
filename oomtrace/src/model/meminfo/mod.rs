//! The state of memory at the choice, in the words of the kernel's report: what its Mem-Info lines say, derived from the
//! counters as captured.
//!
//! - here: sums over nodes and zones;
//! - [`memcg_stat`]: a memcg's counters as its `memory.stat` has them.
//!
//! Counters are found by the names that the captured kernel has for them. A name that it does not have, a node that could
//! not be captured: then a sum is not known.

pub mod memcg_stat;
#[cfg(test)]
mod tests;

use super::episode::Episode;
use super::evidence::{Counter, NodeMemory, Situation, ZoneMemory};
use super::session::SessionInfo;

/// The nodes and zones of one episode. All sums are pages; per-CPU parts that the kernel has not folded in are in none of
/// them, as in the kernel's own report.
#[derive(Clone, Copy, Debug)]
pub struct MemInfo<'a> {
    info: &'a SessionInfo,
    nodes: &'a [NodeMemory],
    zones: &'a [ZoneMemory],
    /// What a log has of the machine.
    situation: Option<&'a Situation>,
    /// Whether there were more nodes or zones than were captured.
    nodes_cut: bool,
    zones_cut: bool,
}

/// A counter of nodes or zones, by the enumerators that it has had: they moved from one to the other, and got suffixes.
pub type Item = &'static [&'static str];

/// Counters that the report tells of the whole machine, in its order, and a few of nodes that say what memory was used for.
pub mod item {
    use super::Item;

    /// Free.
    pub const FREE: Item = &["NR_FREE_PAGES"];
    /// Anonymous and shmem, recently used.
    pub const ACTIVE_ANON: Item = &["NR_ACTIVE_ANON"];
    /// Anonymous and shmem, not recently used. The first of the LRU lists has two names, and types may give either.
    pub const INACTIVE_ANON: Item = &["NR_INACTIVE_ANON", "NR_LRU_BASE"];
    /// Taken off those lists for a moment.
    pub const ISOLATED_ANON: Item = &["NR_ISOLATED_ANON"];
    /// Page cache, recently used.
    pub const ACTIVE_FILE: Item = &["NR_ACTIVE_FILE"];
    /// Page cache, not recently used.
    pub const INACTIVE_FILE: Item = &["NR_INACTIVE_FILE"];
    /// Taken off those lists for a moment.
    pub const ISOLATED_FILE: Item = &["NR_ISOLATED_FILE"];
    /// `mlock()`ed and the like.
    pub const UNEVICTABLE: Item = &["NR_UNEVICTABLE"];
    /// Page cache that waits to be written.
    pub const DIRTY: Item = &["NR_FILE_DIRTY"];
    /// Page cache being written.
    pub const WRITEBACK: Item = &["NR_WRITEBACK"];
    /// Slab caches that can shrink. Of a node it is pages, whatever the `_B` says.
    pub const SLAB_RECLAIMABLE: Item = &["NR_SLAB_RECLAIMABLE_B", "NR_SLAB_RECLAIMABLE"];
    /// Slab caches that cannot.
    pub const SLAB_UNRECLAIMABLE: Item = &["NR_SLAB_UNRECLAIMABLE_B", "NR_SLAB_UNRECLAIMABLE"];
    /// Page cache that is mapped.
    pub const MAPPED: Item = &["NR_FILE_MAPPED"];
    /// tmpfs and shared memory.
    pub const SHMEM: Item = &["NR_SHMEM"];
    /// Page tables; a counter of zones up to Linux 5.10.
    pub const PAGETABLES: Item = &["NR_PAGETABLE"];
    /// Page tables of KVM and IOMMUs; from Linux 6.1 on.
    pub const SEC_PAGETABLES: Item = &["NR_SECONDARY_PAGETABLE"];
    /// Bounce buffers.
    pub const BOUNCE: Item = &["NR_BOUNCE"];
    /// Kernel memory outside of slab that can shrink.
    pub const KERNEL_MISC_RECLAIMABLE: Item = &["NR_KERNEL_MISC_RECLAIMABLE"];
    /// Free within CMA.
    pub const FREE_CMA: Item = &["NR_FREE_CMA_PAGES"];
    /// Anonymous memory that is mapped.
    pub const ANON: Item = &["NR_ANON_MAPPED"];
    /// Page cache, shmem and swap cache included: "total pagecache pages".
    pub const PAGECACHE: Item = &["NR_FILE_PAGES"];
    /// Swap cache: "pages in swap cache"; a counter since Linux 5.12.
    pub const SWAPCACHE: Item = &["NR_SWAPCACHE"];
}

impl<'a> MemInfo<'a> {
    /// `None` when neither nodes nor zones were captured, nor sums over them.
    #[must_use]
    pub fn new(info: &'a SessionInfo, episode: &'a Episode) -> Option<Self> {
        let (nodes, zones) = (&episode.nodes[..], &episode.zones[..]);
        let left_out = |number: fn(&Situation) -> u32| {
            episode.situation.as_ref().is_none_or(|situation| number(situation) > 0)
        };
        let situation = episode.situation.as_ref();
        let totals =
            situation.is_some_and(|situation| !situation.totals.is_empty() || situation.ram_pages.is_some());
        (!nodes.is_empty() || !zones.is_empty() || totals).then(|| Self {
            info,
            situation,
            nodes,
            zones,
            nodes_cut: nodes.is_empty() || left_out(|situation| situation.nodes_left_out),
            zones_cut: zones.is_empty() || left_out(|situation| situation.zones_left_out),
        })
    }

    /// The sum of a counter over the machine, pages: of a node's counter, or else of a zone's, of the first of these names
    /// that the kernel has. A counter that is negative for a moment counts as 0, as the kernel shows it.
    #[must_use]
    pub fn total(&self, names: Item) -> Option<u64> {
        if let Some(situation) = self.situation
            && let Some(told) = names.iter().find_map(|name| value(&situation.totals, name))
        {
            return Some(told);
        }
        names.iter().find_map(|name| {
            let of_nodes = (!self.nodes_cut)
                .then(|| {
                    sum(
                        position(&self.info.node_stat_items, name)?,
                        self.nodes.iter().map(|node| &node.stats),
                    )
                })
                .flatten();
            of_nodes.or_else(|| {
                (!self.zones_cut)
                    .then(|| {
                        sum(
                            position(&self.info.zone_stat_items, name)?,
                            self.zones.iter().map(|zone| &zone.stats),
                        )
                    })
                    .flatten()
            })
        })
    }

    /// Free, of the whole machine.
    #[must_use]
    pub fn free_pages(&self) -> Option<u64> {
        self.total(item::FREE)
    }

    /// Free, of one zone.
    #[must_use]
    pub fn zone_free_pages(&self, zone: &ZoneMemory) -> Option<u64> {
        let told = item::FREE.first().and_then(|name| value(&zone.counters, name));
        told.or_else(|| {
            sum(position(&self.info.zone_stat_items, item::FREE.first()?)?, std::iter::once(&zone.stats))
        })
    }

    /// "pages RAM": present in all zones.
    #[must_use]
    pub fn ram_pages(&self) -> Option<u64> {
        self.told(|situation| situation.ram_pages).or_else(|| self.zone_sum(|zone| zone.present_pages))
    }

    /// "pages reserved": present, but not managed by the page allocator.
    #[must_use]
    pub fn reserved_pages(&self) -> Option<u64> {
        let told = self.told(|situation| situation.reserved_pages);
        told.or_else(|| self.zone_sum(|zone| zone.present_pages?.checked_sub(zone.managed_pages?)))
    }

    /// "pages HighMem/MovableOnly": present in zones of high memory, which 64-bit machines do not have.
    #[must_use]
    pub fn highmem_pages(&self) -> Option<u64> {
        let told = self.told(|situation| situation.highmem_pages);
        told.or_else(|| {
            self.zone_sum(|zone| if &*zone.name == b"HighMem" { zone.present_pages } else { Some(0) })
        })
    }

    fn told(&self, pages: fn(&Situation) -> Option<u64>) -> Option<u64> {
        self.situation.and_then(pages)
    }

    fn zone_sum(&self, pages: impl Fn(&ZoneMemory) -> Option<u64>) -> Option<u64> {
        if self.zones_cut {
            return None;
        }
        self.zones.iter().map(pages).try_fold(0_u64, |sum, pages| Some(sum.saturating_add(pages?)))
    }
}

fn value(counters: &[Counter], name: &str) -> Option<u64> {
    counters.iter().find(|counter| &*counter.name == name.as_bytes()).map(|counter| counter.value)
}

fn position(items: &[String], name: &str) -> Option<usize> {
    items.iter().position(|item| item == name)
}

fn sum<'a>(position: usize, mut stats: impl Iterator<Item = &'a Vec<i64>>) -> Option<u64> {
    stats.try_fold(0_u64, |sum, stats| {
        let value = u64::try_from((*stats.get(position)?).max(0)).unwrap_or(0);
        Some(sum.saturating_add(value))
    })
}

impl ZoneMemory {
    /// What an ordinary allocation may not go below, pages: the min watermark, boost included.
    #[must_use]
    pub fn min_with_boost_pages(&self) -> Option<u64> {
        Some(self.min_pages?.saturating_add(self.boost_pages.unwrap_or(0)))
    }
}
