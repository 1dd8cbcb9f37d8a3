//! Scenarios with everything that can be seen around a choice: call path, situation, memory, counters, adjustments.

use oomtrace::model::evidence::*;
use oomtrace::model::observation::*;
use oomtrace::model::session::Settings;
use oomtrace::model::{Name, Observation};

use super::{HALF_GIB, MS, Pass, ROOT, START, kthread, memory, scored, task, unkillable};

/// Counters of the made-up kernel's nodes, in its order.
pub const NODE_ITEMS: &str = "NR_INACTIVE_ANON NR_ACTIVE_ANON NR_INACTIVE_FILE NR_ACTIVE_FILE NR_UNEVICTABLE \
     NR_SLAB_RECLAIMABLE_B NR_SLAB_UNRECLAIMABLE_B NR_ISOLATED_ANON NR_ISOLATED_FILE NR_ANON_MAPPED NR_FILE_MAPPED \
     NR_FILE_PAGES NR_FILE_DIRTY NR_WRITEBACK NR_SHMEM NR_KERNEL_MISC_RECLAIMABLE NR_KERNEL_STACK_KB NR_PAGETABLE \
     NR_SECONDARY_PAGETABLE NR_SWAPCACHE";
/// Of zones.
pub const ZONE_ITEMS: &str = "NR_FREE_PAGES NR_ZONE_INACTIVE_ANON NR_ZONE_ACTIVE_ANON NR_ZONE_INACTIVE_FILE \
     NR_ZONE_ACTIVE_FILE NR_ZONE_UNEVICTABLE NR_ZONE_WRITE_PENDING NR_MLOCK NR_BOUNCE NR_FREE_CMA_PAGES";
/// Of memcgs.
pub const MEMCG_ITEMS: &str = "NR_INACTIVE_ANON NR_ACTIVE_ANON NR_INACTIVE_FILE NR_ACTIVE_FILE NR_SLAB_RECLAIMABLE_B \
     NR_SLAB_UNRECLAIMABLE_B NR_ANON_MAPPED NR_FILE_PAGES NR_SHMEM NR_KERNEL_STACK_KB NR_PAGETABLE NR_ANON_THPS \
     MEMCG_SOCK MEMCG_PERCPU_B WORKINGSET_REFAULT_FILE PGFAULT PGMAJFAULT NR_THROTTLED_WRITTEN";

const SLICE: u64 = 60;
const KUBEPODS_SLICE: u64 = 61;
const BURSTABLE: u64 = 62;
const POD_SLICE: u64 = 63;
pub const SCOPE: u64 = 64;
const POSTGRES: u64 = 65;
const SESSION: u64 = 66;

/// A page fault that charges a cgroup.
const FAULT: &str = "try_charge_memcg charge_memcg __mem_cgroup_charge alloc_anon_folio do_anonymous_page \
     __handle_mm_fault handle_mm_fault do_user_addr_fault exc_page_fault asm_exc_page_fault";
/// A read of a file that is not in the page cache.
const READ: &str = "__alloc_pages_slowpath.constprop.0 __alloc_pages_noprof alloc_pages_mpol_noprof folio_alloc_noprof \
     page_cache_ra_unbounded filemap_get_pages filemap_read vfs_read ksys_read do_syscall_64 \
     entry_SYSCALL_64_after_hwframe";

pub fn items(names: &str) -> Vec<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

fn cgroups() -> Vec<Observation> {
    let node = |id, parent, name: &str| {
        Observation::Cgroup(CgroupNode { id, parent, name: name.into(), path: None })
    };
    vec![
        node(ROOT, None, ""),
        node(SLICE, Some(ROOT), "system.slice"),
        node(POSTGRES, Some(SLICE), "postgresql@16-main.service"),
        node(SESSION, Some(ROOT), "session-3.scope"),
        node(KUBEPODS_SLICE, Some(ROOT), "kubepods.slice"),
        node(BURSTABLE, Some(KUBEPODS_SLICE), "kubepods-burstable.slice"),
        node(POD_SLICE, Some(BURSTABLE), "kubepods-burstable-pod3f0e1c7a_5d8b_4f6e_9a43_1f2e8d9b7c60.slice"),
        node(
            SCOPE,
            Some(POD_SLICE),
            "cri-containerd-9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01.scope",
        ),
    ]
}

pub fn stack(functions: &str) -> Vec<Frame> {
    let frame = |(i, name): (usize, &str)| Frame {
        function: Some(name.into()),
        offset: Some(0x1c + i as u32 * 0x10),
        size: Some(0x200),
        module: None,
    };
    functions.split_whitespace().enumerate().map(frame).collect()
}

pub fn adjusted(at_ms: u64, tid: i32, comm: &str, adj: i16, by: Option<(i32, &str)>) -> Observation {
    Observation::AdjUpdated(AdjUpdated {
        at: Stamp { boot_ns: START + at_ms * MS, episode: 0 },
        tid,
        comm: comm.into(),
        oom_score_adj: adj,
        by_pid: by.map(|(pid, _)| pid),
        by_comm: by.map(|(_, comm)| comm.into()),
    })
}

fn situation() -> Situation {
    Situation {
        at: Stamp::default(),
        cpu: Some(5),
        tainted: Some(0x1000),
        settings: Settings {
            panic_on_oom: Some(0),
            oom_kill_allocating_task: Some(0),
            oom_dump_tasks: Some(1),
            overcommit_memory: Some(0),
            swappiness: Some(60),
        },
        nodemask_set: Some(false),
        nodemask: Vec::new(),
        mems_allowed: Some(vec![0]),
        cpuset: Some("/".into()),
        swap_free_pages: Some(12),
        swap_total_pages: Some(2_097_152),
        cma_pages: Some(0),
        hwpoisoned_pages: Some(0),
        nodes_left_out: 0,
        zones_left_out: 0,
        ..Situation::default()
    }
}

fn node(node: u32, stats: [i64; 20]) -> NodeMemory {
    NodeMemory { at: Stamp::default(), node, stats: stats.to_vec(), counters: Vec::new() }
}

/// `free`, the min watermark and what is managed, pages.
fn zone(node: u32, index: u32, name: &str, free: u64, min: u64, managed: u64) -> ZoneMemory {
    let mut stats = vec![0; 10];
    stats[0] = free as i64;
    ZoneMemory {
        at: Stamp::default(),
        node,
        index,
        name: name.into(),
        stats,
        min_pages: Some(min),
        low_pages: Some(min + min / 4),
        high_pages: Some(min + min / 2),
        boost_pages: Some(0),
        managed_pages: Some(managed),
        present_pages: Some(managed + managed / 50),
        spanned_pages: Some(managed + managed / 40),
        reserved_highatomic_pages: Some(0),
        lowmem_reserve_pages: vec![0, 1968, 64_000, 64_000, 64_000],
        free_blocks: vec![free / 4, free / 8, free / 16, 0, 0, 0, 0, 0, 0, 0, 0],
        counters: Vec::new(),
    }
}

/// Memory of a worker, with swap and shared memory.
fn worker(pid: i32, anon: u64, adj: i16) -> Candidate {
    let memory = Memory { rss_shmem_pages: Some(320), swap_entries: Some(64), ..memory(anon, 540) };
    scored(task(pid, "gunicorn", adj, SCOPE), memory, HALF_GIB)
}

fn level(level: u32, cgroup: u64, usage: u64, max: Option<u64>) -> Observation {
    Observation::MemcgLevel(MemcgLevel {
        at: Stamp::default(),
        level,
        cgroup,
        usage_pages: Some(usage),
        max_pages: max,
        high_pages: max.map(|max| max - max / 10),
        swap_usage_pages: Some(64 * u64::from(level + 1)),
        swap_max_pages: max.map(|max| max / 8),
        failcnt: Some(1_204 >> level),
        swap_failcnt: Some(0),
        min_pages: Some(0),
        low_pages: Some(if level == 0 { 8192 } else { 0 }),
        oom_kills: Some(3 + u64::from(level)),
        oom_group: Some(level == 0),
        kmem_usage_pages: None,
    })
}

impl Pass {
    /// An observation of this pass, stamped.
    fn see(mut self, observation: Observation) -> Self {
        let at = self.stamp();
        self.observations.push(match observation {
            Observation::MemcgLevel(o) => Observation::MemcgLevel(MemcgLevel { at, ..o }),
            Observation::Situation(o) => Observation::Situation(Situation { at, ..o }),
            Observation::NodeMemory(o) => Observation::NodeMemory(NodeMemory { at, ..o }),
            Observation::ZoneMemory(o) => Observation::ZoneMemory(ZoneMemory { at, ..o }),
            Observation::MemcgStat(o) => Observation::MemcgStat(MemcgStat { at, ..o }),
            Observation::OomGroup(o) => Observation::OomGroup(OomGroup { at, ..o }),
            other => other,
        });
        self
    }

    pub fn stack(mut self, frames: Vec<Frame>, cut: bool) -> Self {
        let at = self.stamp();
        self.observations.push(Observation::Stack(Stack { at, frames, cut }));
        self
    }

    fn reaped(mut self, tid: i32, after_ms: u64, before: Memory, after: Memory) -> Self {
        self.now = self.now.max(self.entered + after_ms * MS);
        let at = Stamp { episode: 0, ..self.stamp() };
        let (before, after) = (Some(before), Some(after));
        self.observations.push(Observation::Reaper(Reaper {
            at,
            stage: ReaperStage::Finish,
            tid,
            before,
            after,
        }));
        self
    }
}

/// A container with `memory.oom.group` in a pod; its worker was adjusted twice; the reaper had to help.
pub fn whole_pod() -> Vec<Observation> {
    let tasks = vec![
        unkillable(task(48001, "pause", -1000, SCOPE), memory(12, 100)),
        worker(48119, 7_700, 936),
        worker(48121, 105_270, 936),
        worker(48122, 7_500, 936),
    ];
    let victim = tasks[2].clone();
    let mut pass = Pass::enter(1, 22_418, victim.task.clone(), super::GFP_KERNEL_ACCOUNT, 0, Some(SCOPE));
    pass.totalpages = Some(HALF_GIB);
    pass.constraint = Some(Constraint::Memcg);
    pass = pass
        .stack(stack(FAULT), false)
        .see(level(0, SCOPE, HALF_GIB, Some(HALF_GIB)))
        .see(level(1, POD_SLICE, HALF_GIB + 4710, Some(HALF_GIB * 2)))
        .see(level(2, BURSTABLE, 1_936_012, None))
        .see(level(3, KUBEPODS_SLICE, 2_936_012, None))
        .scan(tasks.clone())
        .choose(&victim)
        .see(Observation::Situation(situation()));
    pass = memory_of_the_machine(pass)
        .see(Observation::OomGroup(OomGroup { at: Stamp::default(), cgroup: SCOPE }));
    let stats = [
        101_000, 19_500, 240, 310, 1_843_200, 1_228_800, 120_400, 870, 320, 512, 310, 20_480, 12, 98_304,
        18_211, 1_204_311, 402, 77,
    ];
    pass = pass.kill(&victim).see(Observation::MemcgStat(MemcgStat {
        at: Stamp::default(),
        cgroup: SCOPE,
        stats: stats.into_iter().map(Some).collect(),
        counters: Vec::new(),
    }));
    for member in &tasks[1..] {
        pass = pass.kill(member);
    }
    let left = Memory { rss_anon_pages: Some(0), ..victim.memory.unwrap_or_default() };
    pass = pass
        .close(Chosen::Task, true)
        .exit(48119, 12)
        .exit(48122, 15)
        .reaper(ReaperStage::Wake, 48121, 2_004)
        .reaper(ReaperStage::Start, 48121, 2_005)
        .reaped(48121, 2_031, victim.memory.unwrap_or_default(), left)
        .exit(48121, 2_040);
    let before = vec![
        adjusted(4_000, 48121, "runc:[2:INIT]", 0, Some((48_100, "runc"))),
        adjusted(4_020, 48121, "runc:[2:INIT]", 936, Some((812, "kubelet"))),
        adjusted(9_000, 777, "elsewhere", 500, None),
    ];
    [cgroups(), before, pass.observations].concat()
}

fn memory_of_the_machine(pass: Pass) -> Pass {
    let stats = [
        91_000, 14_208_400, 900, 1_250, 3_070, 18_000, 212_400, 12, 0, 14_290_000, 2_210, 8_900, 14, 3,
        5_600, 0, 21_120, 41_000, 0, 1_150,
    ];
    pass.see(Observation::NodeMemory(node(0, stats)))
        .see(Observation::ZoneMemory(zone(0, 0, "DMA", 3_840, 3, 3_840)))
        .see(Observation::ZoneMemory(zone(0, 1, "DMA32", 187_000, 401, 503_000)))
        .see(Observation::ZoneMemory(zone(0, 2, "Normal", 12_600, 16_490, 15_930_000)))
}

/// The machine: a read in a service found no block of eight pages; a service was the largest.
pub fn whole_machine() -> Vec<Observation> {
    let total = 18_536_000;
    let root = |pid, comm: &str| Task { uid: Some(0), ..task(pid, comm, 0, ROOT) };
    let postgres = scored(task(3100, "postgres", 200, POSTGRES), memory(9_900_000, 120_000), total);
    let tasks = vec![
        Candidate {
            task: root(1, "systemd"),
            score: Score::NotScored,
            ..unkillable(root(1, "systemd"), memory(1_200, 2_100))
        },
        kthread(2, "kthreadd"),
        kthread(77, "kswapd0"),
        unkillable(task(702, "sshd", -1000, SLICE), memory(300, 1_500)),
        scored(task(2001, "rustc", 0, SESSION), memory(220_000, 9_000), total),
        postgres.clone(),
    ];
    let mut pass = Pass::global(1, 120_000, task(2001, "rustc", 0, SESSION), total);
    if let Some(Observation::Opened(opened)) = pass.observations.first_mut() {
        opened.order = Some(3);
    }
    let pass =
        pass.stack(stack(READ), true).scan(tasks).choose(&postgres).see(Observation::Situation(Situation {
            mems_allowed: Some(vec![0, 1]),
            nodemask_set: Some(true),
            nodemask: vec![1],
            cpuset: Some("user.slice".into()),
            ..situation()
        }));
    let mut second = zone(1, 2, "Normal", 15_800, 16_490, 15_930_000);
    second.boost_pages = Some(2_048);
    let pass = memory_of_the_machine(pass)
        .see(Observation::NodeMemory(node(1, [5; 20])))
        .see(Observation::ZoneMemory(second))
        .kill(&postgres)
        .close(Chosen::Task, true)
        .exit(3100, 310);
    let before = vec![adjusted(100_000, 3100, "postgres", 200, Some((990, "systemd")))];
    [cgroups(), before, pass.observations].concat()
}

/// What a damaged or hostile recording can have of it: huge and negative counters, more of them than names, functions that
/// are unknown or drive the terminal, nodes that were left out, nobody who adjusted.
pub fn odd() -> Vec<Observation> {
    let hostile = Name::from(&b"x\x1b[2J\xff"[..]);
    let victim = scored(task(48121, "gunicorn", 0, SCOPE), memory(105_270, 540), HALF_GIB);
    let mut pass = Pass::enter(1, 500, victim.task.clone(), super::GFP_KERNEL_ACCOUNT & 0xfff, 0, None);
    pass.totalpages = Some(HALF_GIB);
    pass.constraint = Some(Constraint::None);
    let frames = vec![
        Frame::default(),
        Frame {
            function: Some(hostile.clone()),
            offset: Some(u32::MAX),
            size: None,
            module: Some(hostile.clone()),
        },
        Frame { function: Some(Name::default()), ..Frame::default() },
        Frame { function: Some("a".repeat(200).as_str().into()), ..Frame::default() },
    ];
    let zone = ZoneMemory {
        name: hostile.clone(),
        node: u32::MAX,
        index: u32::MAX,
        stats: vec![i64::MIN, i64::MAX],
        min_pages: Some(u64::MAX),
        boost_pages: Some(u64::MAX),
        lowmem_reserve_pages: vec![i64::MIN; 3],
        free_blocks: vec![u64::MAX; 70],
        ..ZoneMemory::default()
    };
    let huge = Memory {
        rss_anon_pages: Some(u64::MAX),
        rss_file_pages: Some(u64::MAX),
        rss_shmem_pages: Some(1),
        ..Memory::default()
    };
    let pass = pass
        .stack(frames, true)
        .scan(vec![victim.clone()])
        .choose(&victim)
        .see(Observation::Situation(Situation {
            cpu: Some(u32::MAX),
            tainted: Some(u64::MAX),
            nodemask_set: Some(true),
            cpuset: Some(hostile.clone()),
            swap_free_pages: Some(u64::MAX),
            swap_total_pages: Some(1),
            nodes_left_out: 7,
            ..Situation::default()
        }))
        .see(Observation::NodeMemory(NodeMemory {
            at: Stamp::default(),
            node: 3,
            stats: vec![i64::MIN; 25],
            counters: Vec::new(),
        }))
        .see(Observation::NodeMemory(NodeMemory {
            at: Stamp::default(),
            node: 1,
            stats: vec![],
            counters: Vec::new(),
        }))
        .see(Observation::ZoneMemory(zone.clone()))
        .see(Observation::ZoneMemory(ZoneMemory { index: 0, stats: vec![], free_blocks: vec![], ..zone }))
        .see(Observation::OomGroup(OomGroup { at: Stamp::default(), cgroup: 0 }))
        .kill(&victim)
        .see(Observation::MemcgStat(MemcgStat {
            at: Stamp::default(),
            cgroup: 0,
            stats: [vec![None, Some(i64::MIN)], vec![Some(i64::MAX); 18]].concat(),
            counters: Vec::new(),
        }))
        .close(Chosen::Task, true)
        .reaper(ReaperStage::Start, 48121, 40)
        .reaped(48121, 50, huge, huge)
        .exit(48121, 60);
    let mut before = vec![adjusted(1, 48121, "", 0, None)];
    if let Some(Observation::AdjUpdated(change)) = before.first_mut() {
        (change.comm, change.by_comm) = (hostile.clone(), Some(hostile));
    }
    [cgroups(), before, pass.observations].concat()
}

/// The scenarios of this file by name.
pub fn scenarios() -> Vec<(&'static str, Vec<Observation>)> {
    vec![("whole-pod", whole_pod()), ("whole-machine", whole_machine()), ("odd-evidence", odd())]
}
