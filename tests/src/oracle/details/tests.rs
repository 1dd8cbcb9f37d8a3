//! Lines as Debian's 5.10 and 6.12 printed them.

use super::{Details, TraceLine};

fn read(log: &[&str]) -> Details {
    let mut details = Details::default();
    for message in log {
        details.take(message.as_bytes());
    }
    details
}

#[test]
fn the_state_of_memory_is_read_in_both_forms() {
    let details = read(&[
        "Mem-Info:",
        "active_anon:71833 inactive_anon:0 isolated_anon:0\n unevictable:3 dirty:0 writeback:0\n free:10981 free_pcp:6734 free_cma:0",
        "Node 0 active_anon:287332kB isolated(anon):4kB shmem_thp: 8kB anon_thp: 0kB all_unreclaimable? yes",
        "Node 0 DMA free:4368kB boost:0kB min:708kB reserved_highatomic:12KB present:15992kB",
        "lowmem_reserve[]: 0 935 935 935 935",
        "Node 0 DMA32 free:39556kB min:44344kB low:55428kB",
        "lowmem_reserve[]: 0 0 0 0 0",
        "Node 0 DMA: 1*4kB (M) 0*8kB 3*16kB (UM) = 52kB",
        "Node 0 hugepages_total=300 hugepages_free=300 hugepages_surp=0 hugepages_size=2048kB",
        "2639 total pagecache pages",
        "Free swap  = 16kB",
        "262005 pages RAM",
        "Tasks state (memory values in pages):",
        "7 pages of something else",
    ]);
    assert_eq!(details.machine["active_anon"], 71833);
    assert_eq!((details.machine["unevictable"], details.machine["free_pcp"]), (3, 6734));
    let node = &details.nodes[&0];
    assert_eq!((node["active_anon"], node["isolated(anon)"], node["shmem_thp"]), (287_332, 4, 8));
    assert_eq!(details.zones.len(), 2);
    let dma = &details.zones[0];
    assert_eq!((dma.node, dma.name.as_str(), dma.values["reserved_highatomic"]), (0, "DMA", 12));
    assert_eq!((dma.lowmem_reserve.len(), dma.blocks.as_slice()), (5, [1, 0, 3].as_slice()));
    assert_eq!(details.zones[1].values["low"], 55428);
    assert_eq!(details.totals["total pagecache pages"], 2639);
    assert_eq!((details.totals["Free swap"], details.totals["pages RAM"]), (16, 262_005));
    assert_eq!(details.totals.len(), 3);
}

#[test]
fn a_trace_ends_with_its_last_frame() {
    let details = read(&[
        "CPU: 1 UID: 0 PID: 144 Comm: CPU: 9 Not tainted 6.12.117+deb13-cloud-amd64 #1",
        "Call Trace:",
        " <TASK>",
        " dump_stack_lvl+0x44/0x5c",
        " ? shmem_alloc_folio+0x82/0xd0",
        " ext4_read+0x1/0x2 [ext4]",
        " </TASK>",
        "RIP: 0033:0x7f1898469270",
        " not_a_frame+0x1/0x2",
    ]);
    assert_eq!((details.cpu, details.tainted), (Some(1), Some(false)));
    let line = |place: &str, reliable| TraceLine { place: place.to_owned(), reliable };
    assert_eq!(
        details.trace,
        [
            line("dump_stack_lvl+0x44/0x5c", true),
            line("shmem_alloc_folio+0x82/0xd0", false),
            line("ext4_read+0x1/0x2", true),
        ]
    );
}

#[test]
fn counters_and_masks() {
    let details = read(&[
        "Memory cgroup stats for /a b:",
        "anon 901120\nfile 4014080",
        "pgfault 453",
        "Tasks state (memory values in pages):",
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=0-1,3,cpuset=a b,mems_allowed=0,2-3,oom_memcg=/a b,task_memcg=/a b,task=x,pid=1,uid=0",
    ]);
    assert_eq!(
        (details.memcg["anon"], details.memcg["file"], details.memcg["pgfault"]),
        (901_120, 4_014_080, 453)
    );
    assert_eq!(details.nodemask.as_deref(), Some("0-1,3"));
    assert_eq!(details.cpuset.as_deref(), Some("a b"));
    assert_eq!(details.mems_allowed.as_deref(), Some("0,2-3"));
    let details = read(&[
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/",
    ]);
    assert_eq!((details.nodemask.as_deref(), details.mems_allowed.as_deref()), (Some("(null)"), Some("0")));
}
