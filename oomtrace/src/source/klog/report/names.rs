//! Names: of counters, as the kernel's enumerators have them; of cgroups, whose paths get numbers; of zones.

use std::collections::HashMap;

use crate::model::Name;
use crate::model::evidence::Counter;

/// Words of the report and the enumerators that they stand for. Those that are not here keep their word.
const COUNTERS: [(&[u8], &str); 33] = [
    (b"active_anon", "NR_ACTIVE_ANON"),
    (b"inactive_anon", "NR_INACTIVE_ANON"),
    (b"isolated_anon", "NR_ISOLATED_ANON"),
    (b"isolated(anon)", "NR_ISOLATED_ANON"),
    (b"active_file", "NR_ACTIVE_FILE"),
    (b"inactive_file", "NR_INACTIVE_FILE"),
    (b"isolated_file", "NR_ISOLATED_FILE"),
    (b"isolated(file)", "NR_ISOLATED_FILE"),
    (b"unevictable", "NR_UNEVICTABLE"),
    (b"dirty", "NR_FILE_DIRTY"),
    (b"writeback", "NR_WRITEBACK"),
    (b"writeback_tmp", "NR_WRITEBACK_TEMP"),
    (b"unstable", "NR_UNSTABLE_NFS"),
    (b"slab_reclaimable", "NR_SLAB_RECLAIMABLE"),
    (b"slab_unreclaimable", "NR_SLAB_UNRECLAIMABLE"),
    (b"mapped", "NR_FILE_MAPPED"),
    (b"shmem", "NR_SHMEM"),
    (b"shmem_thp", "NR_SHMEM_THPS"),
    (b"shmem_pmdmapped", "NR_SHMEM_PMDMAPPED"),
    (b"anon_thp", "NR_ANON_THPS"),
    (b"pagetables", "NR_PAGETABLE"),
    (b"sec_pagetables", "NR_SECONDARY_PAGETABLE"),
    (b"bounce", "NR_BOUNCE"),
    (b"kernel_misc_reclaimable", "NR_KERNEL_MISC_RECLAIMABLE"),
    (b"kernel_stack", "NR_KERNEL_STACK_KB"),
    (b"free", "NR_FREE_PAGES"),
    (b"free_cma", "NR_FREE_CMA_PAGES"),
    (b"mlocked", "NR_MLOCK"),
    (b"writepending", "NR_ZONE_WRITE_PENDING"),
    (b"zspages", "NR_ZSPAGES"),
    // Before 2.6.28 there was one list for both kinds.
    (b"active", "NR_ACTIVE"),
    (b"Active", "NR_ACTIVE"),
    (b"inactive", "NR_INACTIVE"),
];

/// A sum over the machine, pages.
pub(super) fn of_machine(counter: &Counter) -> Counter {
    Counter { name: enumerator(&counter.name), value: counter.value }
}

/// A counter of a node or zone: kB there, pages here, unless it is kept in kB.
pub(super) fn of_node(counter: &Counter, page_kb: u64) -> Counter {
    let name = enumerator(&counter.name);
    let value = if name.ends_with(b"_KB") { counter.value } else { counter.value / page_kb };
    Counter { name, value }
}

fn enumerator(word: &Name) -> Name {
    match COUNTERS.iter().find(|(known, _)| *known == &**word) {
        Some((_, name)) => Name::from(*name),
        None => word.clone(),
    }
}

/// Position of a zone among those of its node, as machines with that architecture have them.
pub(super) fn zone_index(name: &[u8], highmem: bool) -> u32 {
    match (name, highmem) {
        (b"DMA", _) => 0,
        (b"DMA32", _) | (b"Normal", true) => 1,
        (b"Normal", false) | (b"HighMem", _) => 2,
        (b"Movable", _) => 3,
        _ => 4,
    }
}

/// Paths that are remembered; beyond that all are forgotten, and told anew.
const MOST: usize = 1 << 16;

/// Numbers for paths, which stand where other sources have ids of kernfs.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    ids: HashMap<Name, u64>,
    last: u64,
}

impl Cgroups {
    /// The number of a path, and whether it is new.
    pub(super) fn id(&mut self, path: &Name) -> (u64, bool) {
        if let Some(&id) = self.ids.get(path) {
            return (id, false);
        }
        if self.ids.len() >= MOST {
            self.ids.clear();
        }
        self.last += 1;
        self.ids.insert(path.clone(), self.last);
        (self.last, true)
    }
}
