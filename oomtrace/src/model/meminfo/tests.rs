//! Sums and units on made-up counters, sane and not.

use super::memcg_stat::lines;
use super::*;
use crate::made_up;
use crate::model::evidence::{MemcgStat, Situation};
use crate::model::observation::Stamp;

fn names(names: &str) -> Vec<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

fn session() -> SessionInfo {
    SessionInfo {
        node_stat_items: names("NR_INACTIVE_ANON NR_FILE_PAGES"),
        zone_stat_items: names("NR_FREE_PAGES NR_PAGETABLE"),
        memcg_stat_items: names(
            "NR_ANON_MAPPED NR_KERNEL_STACK_KB NR_SLAB_RECLAIMABLE_B NR_ANON_THPS PGFAULT NR_NEW",
        ),
        ..made_up::info()
    }
}

fn episode() -> Episode {
    let at = Stamp::default();
    let mut episode = made_up::assemble(&made_up::info(), &made_up::one_kill()).remove(0);
    episode.situation = Some(Situation::default());
    episode.nodes = vec![
        NodeMemory { at, node: 0, stats: vec![5, -3], counters: Vec::new() },
        NodeMemory { at, node: 1, stats: vec![7, 100], counters: Vec::new() },
    ];
    let zone = |index, name: &str, stats| ZoneMemory {
        node: 0,
        index,
        name: name.into(),
        stats,
        present_pages: Some(1000),
        managed_pages: Some(990),
        ..ZoneMemory::default()
    };
    episode.zones = vec![zone(1, "DMA32", vec![30, 4]), zone(2, "Normal", vec![12, 6])];
    episode
}

#[test]
fn sums_are_of_the_whole_machine() {
    let (info, episode) = (session(), episode());
    let memory = MemInfo::new(&info, &episode).expect("there is some");
    assert_eq!(memory.total(&["NR_INACTIVE_ANON"]), Some(12));
    assert_eq!(memory.total(&["NR_FILE_PAGES"]), Some(100), "negative counts as nothing");
    assert_eq!(
        memory.total(&["NR_MOVED", "NR_PAGETABLE"]),
        Some(10),
        "a counter of zones, by its second name"
    );
    assert_eq!(memory.total(&["NR_SWAPCACHE"]), None);
    assert_eq!((memory.free_pages(), memory.zone_free_pages(&episode.zones[1])), (Some(42), Some(12)));
    assert_eq!(
        (memory.ram_pages(), memory.reserved_pages(), memory.highmem_pages()),
        (Some(2000), Some(20), Some(0))
    );
}

#[test]
fn a_part_is_not_the_whole() {
    let info = session();
    let total = |episode: &Episode, item| MemInfo::new(&info, episode).and_then(|memory| memory.total(item));
    let mut cut = episode();
    cut.situation = Some(Situation { nodes_left_out: 1, ..Situation::default() });
    assert_eq!((total(&cut, item::INACTIVE_ANON), total(&cut, item::FREE)), (None, Some(42)));
    cut.situation = Some(Situation { zones_left_out: 2, ..Situation::default() });
    assert_eq!((total(&cut, item::INACTIVE_ANON), total(&cut, item::FREE)), (Some(12), None));
    assert_eq!(MemInfo::new(&info, &cut).and_then(|memory| memory.ram_pages()), None);
    // Without the record that says how many there were.
    cut.situation = None;
    assert_eq!(total(&cut, item::FREE), None);

    let mut short = episode();
    short.nodes[1].stats.truncate(1);
    assert_eq!(total(&short, item::PAGECACHE), None);
    short.zones[0].present_pages = None;
    assert_eq!(MemInfo::new(&info, &short).and_then(|memory| memory.ram_pages()), None);
    short.nodes.clear();
    short.zones.clear();
    assert!(MemInfo::new(&info, &short).is_none());
}

#[test]
fn huge_numbers_do_not_overflow() {
    let (info, mut episode) = (session(), episode());
    episode.nodes.iter_mut().for_each(|node| node.stats = vec![i64::MAX; 9]);
    episode.zones.iter_mut().for_each(|zone| {
        zone.present_pages = Some(u64::MAX);
        zone.stats = vec![i64::MIN; 3];
        zone.min_pages = Some(u64::MAX);
        zone.boost_pages = Some(u64::MAX);
    });
    let memory = MemInfo::new(&info, &episode).expect("there is some");
    assert_eq!(memory.total(&["NR_FILE_PAGES"]), Some(i64::MAX as u64 * 2));
    assert_eq!((memory.free_pages(), memory.ram_pages()), (Some(0), Some(u64::MAX)));
    assert_eq!(episode.zones[0].min_with_boost_pages(), Some(u64::MAX));
}

#[test]
fn memory_stat_has_its_names_and_units() {
    let info = session();
    let told = |stats, info: &SessionInfo| -> Vec<(String, u64, bool)> {
        let stat = MemcgStat { at: Stamp::default(), cgroup: 1, stats, counters: Vec::new() };
        lines(&stat, info).map(|line| (line.name.into_owned(), line.value, line.bytes)).collect()
    };
    let line = |name: &str, value, bytes| (name.to_owned(), value, bytes);
    assert_eq!(
        told(vec![Some(3), Some(5), Some(4097), Some(512), Some(9), Some(7), Some(8)], &info),
        [
            line("anon", 12_288, true),
            line("kernel_stack", 5120, true),
            line("slab_reclaimable", 4097, true),
            line("anon_thp", 2 << 20, true),
            line("pgfault", 9, false),
            line("NR_NEW", 7, false),
            line("6", 8, false),
        ]
    );
    let old = SessionInfo { kernel_release: Some("5.10.0-46-amd64".into()), ..session() };
    assert_eq!(
        told(vec![None, None, Some(-1), Some(1)], &old),
        [line("slab_reclaimable", 0, true), line("anon_thp", 2 << 20, true)]
    );
    let unknown = SessionInfo { kernel_release: None, ..session() };
    assert_eq!(told(vec![None, None, None, Some(1)], &unknown), []);
    assert_eq!(told(vec![Some(i64::MAX)], &info), [line("anon", u64::MAX, true)]);
}
