//! A memcg's counters under the names of its `memory.stat`, which users know, in bytes or as counts.

use crate::model::evidence::MemcgStat;
use crate::model::session::SessionInfo;

/// One line of `memory.stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Name in `memory.stat`; for a counter that it does not show the kernel's enumerator; without either the position.
    pub name: std::borrow::Cow<'a, str>,
    /// Bytes, or how many. A counter that is negative for a moment is 0, as the kernel shows it.
    pub value: u64,
    /// Whether it is bytes.
    pub bytes: bool,
}

/// What one step of a counter is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Pages,
    Bytes,
    Kib,
    /// Pages from Linux 5.12 on, huge pages before.
    HugePages,
    Count,
}

/// Enumerators whose name in `memory.stat` is not just theirs in lower case, or that are sizes. The units are those of
/// `memcg_page_state_unit()`.
const ITEMS: [(&str, &str, Unit); 33] = [
    ("NR_ANON_MAPPED", "anon", Unit::Pages),
    ("NR_FILE_PAGES", "file", Unit::Pages),
    ("MEMCG_KMEM", "kernel", Unit::Pages),
    ("NR_KERNEL_STACK_KB", "kernel_stack", Unit::Kib),
    ("NR_PAGETABLE", "pagetables", Unit::Pages),
    ("NR_SECONDARY_PAGETABLE", "sec_pagetables", Unit::Pages),
    ("MEMCG_PERCPU_B", "percpu", Unit::Bytes),
    ("MEMCG_SOCK", "sock", Unit::Pages),
    ("MEMCG_VMALLOC", "vmalloc", Unit::Pages),
    ("MEMCG_SWAP", "swap", Unit::Pages),
    ("NR_SHMEM", "shmem", Unit::Pages),
    ("MEMCG_ZSWAP_B", "zswap", Unit::Bytes),
    ("MEMCG_ZSWAPPED", "zswapped", Unit::Pages),
    ("MEMCG_ZSWAP_INCOMP", "zswap_incomp", Unit::Pages),
    ("NR_FILE_MAPPED", "file_mapped", Unit::Pages),
    ("NR_FILE_DIRTY", "file_dirty", Unit::Pages),
    ("NR_WRITEBACK", "file_writeback", Unit::Pages),
    ("NR_SWAPCACHE", "swapcached", Unit::Pages),
    ("NR_ANON_THPS", "anon_thp", Unit::HugePages),
    ("NR_FILE_THPS", "file_thp", Unit::HugePages),
    ("NR_SHMEM_THPS", "shmem_thp", Unit::HugePages),
    ("NR_INACTIVE_ANON", "inactive_anon", Unit::Pages),
    // The first of the LRU lists has two names, and types may give either.
    ("NR_LRU_BASE", "inactive_anon", Unit::Pages),
    ("NR_ACTIVE_ANON", "active_anon", Unit::Pages),
    ("NR_INACTIVE_FILE", "inactive_file", Unit::Pages),
    ("NR_ACTIVE_FILE", "active_file", Unit::Pages),
    ("NR_UNEVICTABLE", "unevictable", Unit::Pages),
    ("NR_SLAB_RECLAIMABLE_B", "slab_reclaimable", Unit::Bytes),
    ("NR_SLAB_UNRECLAIMABLE_B", "slab_unreclaimable", Unit::Bytes),
    ("NR_SLAB_RECLAIMABLE", "slab_reclaimable", Unit::Pages),
    ("NR_SLAB_UNRECLAIMABLE", "slab_unreclaimable", Unit::Pages),
    ("NR_HUGETLB", "hugetlb", Unit::Pages),
    ("NUMA_PAGE_MIGRATE", "numa_pages_migrated", Unit::Count),
];

/// Enumerators that count events; `memory.stat` has them in lower case.
const COUNTS: [&str; 6] = ["WORKINGSET_", "PG", "THP_", "ZSWP", "SWP", "NUMA_"];

/// What was captured, in the order of the session's `memcg_stat_items`. Counters that the kernel does not keep for memcgs
/// are left out, and those whose unit is not known: they have no value that could be told.
pub fn lines<'a>(stat: &'a MemcgStat, info: &'a SessionInfo) -> impl Iterator<Item = Line<'a>> {
    let told = stat.counters.iter().map(|counter| {
        let name = String::from_utf8_lossy(&counter.name);
        let bytes = ITEMS.iter().any(|(_, known, unit)| *known == name && *unit != Unit::Count);
        Line { bytes, name, value: counter.value }
    });
    let captured = stat.stats.iter().enumerate().filter_map(|(position, value)| {
        let value = u64::try_from((*value)?.max(0)).unwrap_or(0);
        let Some(item) = info.memcg_stat_items.get(position).filter(|item| !item.is_empty()) else {
            return Some(Line { name: position.to_string().into(), value, bytes: false });
        };
        let known = ITEMS.iter().find(|(enumerator, _, _)| enumerator == item);
        Some(match known {
            Some((_, name, unit)) => {
                let value = value.saturating_mul(step(*unit, info)?);
                Line { name: (*name).into(), value, bytes: *unit != Unit::Count }
            }
            None if COUNTS.iter().any(|prefix| item.starts_with(prefix)) => {
                Line { name: item.to_ascii_lowercase().into(), value, bytes: false }
            }
            None => Line { name: item.as_str().into(), value, bytes: false },
        })
    });
    captured.chain(told)
}

/// Bytes in a step of a counter, or 1.
fn step(unit: Unit, info: &SessionInfo) -> Option<u64> {
    let page = u64::from(info.page_size);
    Some(match unit {
        Unit::Bytes | Unit::Count => 1,
        Unit::Kib => 1024,
        Unit::Pages => page,
        Unit::HugePages if info.kernel_at_least(5, 12)? => page,
        // A table of 8-byte entries fills a page and maps one huge page.
        Unit::HugePages => page.saturating_mul(page / 8),
    })
}
