//! Made-up sessions: what a source would have seen, told step by step. Used by unit tests and by the tests of the built
//! program alike. The numbers are consistent with the kernel's formula; no machine ever had these processes.

#![allow(dead_code, missing_docs, unreachable_pub)]

#[path = "made_up/before.rs"]
pub mod before;
#[path = "made_up/evidence.rs"]
pub mod evidence;
#[path = "made_up/named.rs"]
pub mod named;

use oomtrace::assemble::Assembler;
use oomtrace::badness;
use oomtrace::model::observation::*;
use oomtrace::model::session::{GfpFlag, Hook, Settings};
use oomtrace::model::stats::{BufferStats, CollectorStats, ProgramStats};
use oomtrace::model::{Episode, Name, Observation, SessionEnd, SessionInfo, SourceKind, Stats};
use oomtrace::session::{Compression, Writer};

/// `GFP_KERNEL | __GFP_ACCOUNT` of the made-up kernel.
pub const GFP_KERNEL_ACCOUNT: u32 = 0x40_0cc0;
/// Without `__GFP_FS`.
pub const GFP_NOIO: u32 = 0xc00;
/// One millisecond, ns.
pub const MS: u64 = 1_000_000;
/// Boot clock at the start of every made-up session, ns.
pub const START: u64 = 5_000_000_000_000;

pub fn info() -> SessionInfo {
    let hook = |target: &str, kind: &str| Hook { target: target.into(), kind: kind.into(), missing: None };
    let flag = |bits, name: &str| GfpFlag { bits, name: name.into() };
    SessionInfo {
        tool_version: "0.1.0".into(),
        source: SourceKind::Fentry,
        host: Some("node-17".into()),
        kernel_release: Some("6.12.117".into()),
        kernel_version: Some("#1 SMP PREEMPT_DYNAMIC made up".into()),
        machine: Some("x86_64".into()),
        boot_id: Some("00000000-0000-4000-8000-000000000000".into()),
        page_size: 4096,
        cpus: Some(16),
        ram_bytes: Some(67_324_674_048),
        swap_bytes: Some(8_589_934_592),
        // 2026-08-14 12:03:00 UTC
        started_unix_ns: Some(1_786_708_980_000_000_000),
        started_boot_ns: START,
        utc_offset_seconds: 7200,
        ring_bytes: Some(8 << 20),
        hooks: vec![
            hook("out_of_memory", "fentry"),
            hook("oom_evaluate_task", "fexit"),
            hook("oom_badness", "fexit"),
            hook("oom_kill_process", "fentry"),
            hook("oom:start_task_reaping", "tracepoint"),
        ],
        settings: Settings {
            panic_on_oom: Some(0),
            oom_kill_allocating_task: Some(0),
            oom_dump_tasks: Some(1),
            overcommit_memory: Some(0),
            swappiness: Some(60),
        },
        gfp_flags: vec![
            flag(0xcc0, "GFP_KERNEL"),
            flag(0xc00, "GFP_NOIO"),
            flag(0x40, "__GFP_IO"),
            flag(0x80, "__GFP_FS"),
            flag(0x400, "__GFP_DIRECT_RECLAIM"),
            flag(0x800, "__GFP_KSWAPD_RECLAIM"),
            flag(0x40_0000, "__GFP_ACCOUNT"),
        ],
        cgroup_version: Some(2),
        rss_counters_percpu: true,
        node_stat_items: evidence::items(evidence::NODE_ITEMS),
        zone_stat_items: evidence::items(evidence::ZONE_ITEMS),
        memcg_stat_items: evidence::items(evidence::MEMCG_ITEMS),
        vmstat_oom_kills: None,
        tainted: Some(0x1000),
        log_clock: None,
        release_by_shape: None,
    }
}

pub fn task(pid: i32, comm: &str, adj: i16, cgroup: u64) -> Task {
    Task { pid, tid: pid, comm: comm.into(), uid: Some(1000), oom_score_adj: Some(adj), cgroup: Some(cgroup) }
}

pub fn memory(anon_pages: u64, file_pages: u64) -> Memory {
    Memory {
        rss_anon_pages: Some(anon_pages),
        rss_file_pages: Some(file_pages),
        rss_shmem_pages: Some(0),
        swap_entries: Some(0),
        pgtables_bytes: Some((anon_pages / 400 + 8) * 4096),
        total_vm_pages: Some(anon_pages * 2 + 5000),
        rss_pages: None,
    }
}

/// A scored candidate: points by the formula.
pub fn scored(task: Task, memory: Memory, totalpages: u64) -> Candidate {
    let adj = task.oom_score_adj.unwrap_or(0);
    let points = badness::points(&memory, adj, totalpages, 4096).unwrap_or(0);
    Candidate { task, score: Score::Points(points), memory: Some(memory), flags: TaskFlags(0) }
}

pub fn unkillable(task: Task, memory: Memory) -> Candidate {
    Candidate { task, score: Score::Unkillable, memory: Some(memory), flags: TaskFlags(0) }
}

pub fn kthread(pid: i32, comm: &str) -> Candidate {
    let task = Task { uid: Some(0), ..task(pid, comm, 0, ROOT) };
    Candidate {
        task,
        score: Score::NotScored,
        memory: None,
        flags: TaskFlags(TaskFlags::KTHREAD | TaskFlags::NO_MM),
    }
}

pub const ROOT: u64 = 1;
pub const KUBEPODS: u64 = 40;
pub const POD: u64 = 41;
pub const CONTAINER: u64 = 42;
pub const SYSTEM: u64 = 50;

/// The cgroups that all scenarios use.
pub fn cgroups() -> Vec<Observation> {
    let node = |id, parent, name: &str| {
        Observation::Cgroup(CgroupNode { id, parent, name: name.into(), path: None })
    };
    vec![
        node(ROOT, None, ""),
        node(KUBEPODS, Some(ROOT), "kubepods"),
        node(POD, Some(KUBEPODS), "pod3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60"),
        node(CONTAINER, Some(POD), "cri-containerd-9a1c55e0b7d3.scope"),
        node(SYSTEM, Some(ROOT), "system.slice"),
    ]
}

/// One pass through `out_of_memory()`, told step by step; `now` moves on with each.
pub struct Pass {
    pub observations: Vec<Observation>,
    episode: u64,
    now: u64,
    entered: u64,
    totalpages: Option<u64>,
    constraint: Option<Constraint>,
    evaluated: u32,
    scored: u32,
}

impl Pass {
    pub fn memcg(episode: u64, at_ms: u64, trigger: Task, totalpages: u64) -> Self {
        let mut pass = Self::enter(episode, at_ms, trigger, GFP_KERNEL_ACCOUNT, 0, Some(CONTAINER));
        pass.totalpages = Some(totalpages);
        pass.constraint = Some(Constraint::Memcg);
        let at = pass.stamp();
        let level = |level, cgroup, usage, max| {
            Observation::MemcgLevel(MemcgLevel {
                at,
                level,
                cgroup,
                usage_pages: usage,
                max_pages: max,
                high_pages: None,
                swap_usage_pages: usage.map(|_| 0),
                swap_max_pages: None,
                ..MemcgLevel::default()
            })
        };
        pass.observations.extend([
            level(0, CONTAINER, Some(totalpages), Some(totalpages)),
            level(1, POD, Some(totalpages + 4710), Some(262_144)),
            level(2, KUBEPODS, Some(2_936_012), None),
            level(3, ROOT, None, None),
        ]);
        pass
    }

    pub fn global(episode: u64, at_ms: u64, trigger: Task, totalpages: u64) -> Self {
        let mut pass = Self::enter(episode, at_ms, trigger, GFP_KERNEL_ACCOUNT & 0xfff, 2, None);
        pass.totalpages = Some(totalpages);
        pass.constraint = Some(Constraint::None);
        pass
    }

    pub fn enter(
        episode: u64,
        at_ms: u64,
        trigger: Task,
        gfp_mask: u32,
        order: i32,
        memcg: Option<u64>,
    ) -> Self {
        let now = START + at_ms * MS;
        let opened = Opened {
            at: Stamp { boot_ns: now, episode },
            trigger,
            gfp_mask: Some(gfp_mask),
            order: Some(order),
            memcg,
            gfp_names: None,
        };
        Self {
            observations: vec![Observation::Opened(opened)],
            episode,
            now,
            entered: now,
            totalpages: None,
            constraint: None,
            evaluated: 0,
            scored: 0,
        }
    }

    fn stamp(&mut self) -> Stamp {
        self.now += MS / 20;
        Stamp { boot_ns: self.now, episode: self.episode }
    }

    pub fn scan(mut self, tasks: Vec<Candidate>) -> Self {
        let first = self.evaluated;
        self.evaluated += tasks.len() as u32;
        self.scored +=
            tasks.iter().filter(|c| matches!(c.score, Score::Points(_) | Score::Unkillable)).count() as u32;
        let at = self.stamp();
        self.observations.push(Observation::Candidates(Candidates { at, first, tasks }));
        self
    }

    pub fn choose(self, chosen: &Candidate) -> Self {
        let points = match chosen.score {
            Score::Points(points) => points,
            _ => 0,
        };
        let memcg = self.constraint == Some(Constraint::Memcg);
        let message = if memcg { "Memory cgroup out of memory" } else { "Out of memory" };
        self.choose_as(chosen, points, message)
    }

    pub fn choose_as(mut self, chosen: &Candidate, points: i64, message: &str) -> Self {
        let at = self.stamp();
        self.observations.push(Observation::Choice(Choice {
            at,
            chosen: chosen.clone(),
            chosen_points: Some(points),
            totalpages: self.totalpages,
            constraint: self.constraint,
            message: Some(message.into()),
        }));
        self
    }

    /// `__oom_kill_process()`: the record, the signal, the mark.
    pub fn kill(mut self, victim: &Candidate) -> Self {
        let at = self.stamp();
        self.observations.push(Observation::Kill(Kill { at, victim: victim.clone(), message: None }));
        self = self.signal(victim.task.tid, &victim.task.comm.to_string(), 0);
        self.mark(&victim.task)
    }

    pub fn signal(mut self, tid: i32, comm: &str, result: i32) -> Self {
        let at = self.stamp();
        self.observations.push(Observation::Signal(Signal {
            at,
            tid,
            comm: comm.into(),
            result: Some(result),
        }));
        self
    }

    pub fn mark(mut self, task: &Task) -> Self {
        let at = self.stamp();
        let (pid, tid) = (Some(task.pid), task.tid);
        self.observations.push(Observation::Marked(Marked {
            at,
            pid,
            tid,
            comm: Some(task.comm.clone()),
            ..Marked::default()
        }));
        self
    }

    pub fn close(self, chosen: Chosen, returned: bool) -> Self {
        self.close_as(|closed| {
            closed.chosen = Some(chosen);
            closed.returned = Some(returned);
        })
    }

    pub fn close_as(mut self, set: impl FnOnce(&mut Closed)) -> Self {
        let at = self.stamp();
        let scanned = self.evaluated > 0;
        let mut closed = Closed {
            at,
            chosen: Some(Chosen::Nobody),
            returned: Some(true),
            totalpages: self.totalpages,
            constraint: self.constraint,
            evaluated: self.evaluated,
            scored: self.scored,
            blocker: None,
            first_evaluated_ns: scanned.then_some(self.entered + MS / 20),
            last_evaluated_ns: scanned.then_some(self.entered + MS / 4),
            lost: Lost::default(),
        };
        set(&mut closed);
        self.observations.push(Observation::Closed(closed));
        self
    }

    /// The address space is let go and the last thread exits, `after_ms` after the entry.
    pub fn exit(mut self, pid: i32, after_ms: u64) -> Self {
        self.now = self.now.max(self.entered + after_ms * MS);
        let at = self.stamp();
        self.observations.push(Observation::Released(Exited { at, pid }));
        let at = self.stamp();
        self.observations.push(Observation::Exited(Exited { at, pid }));
        self
    }

    pub fn reaper(mut self, stage: ReaperStage, tid: i32, after_ms: u64) -> Self {
        self.now = self.now.max(self.entered + after_ms * MS);
        let at = Stamp { episode: 0, ..self.stamp() };
        self.observations.push(Observation::Reaper(Reaper { at, stage, tid, before: None, after: None }));
        self
    }

    /// Puts `other` before the last `keep` observations: a pass that happened in between.
    pub fn interleave(mut self, other: Vec<Observation>, keep: usize) -> Self {
        let at = self.observations.len().saturating_sub(keep);
        self.observations.splice(at..at, other);
        self
    }
}

pub fn clock(at_ms: u64) -> Observation {
    Observation::Clock(Clock { boot_ns: START + at_ms * MS })
}

/// Totalpages of a cgroup with a limit of 512 MiB.
pub const HALF_GIB: u64 = 131_072;

fn gunicorns() -> Vec<Candidate> {
    let worker = |pid, anon| scored(task(pid, "gunicorn", 936, CONTAINER), memory(anon, 540), HALF_GIB);
    let mut tasks = vec![
        unkillable(task(48001, "pause", -1000, CONTAINER), memory(12, 100)),
        worker(48119, 7_700),
        worker(48121, 105_270),
        worker(48122, 7_500),
        worker(48125, 7_100),
    ];
    tasks[2].flags.0 |= TaskFlags::CHOSEN;
    tasks
}

/// A worker of a container with a limit of 512 MiB.
pub fn one_kill() -> Vec<Observation> {
    let tasks = gunicorns();
    let victim = tasks[2].clone();
    let pass = Pass::memcg(1, 22_418, victim.task.clone(), HALF_GIB)
        .scan(tasks)
        .choose(&victim)
        .kill(&victim)
        .close(Chosen::Task, true)
        .exit(48121, 9);
    [cgroups(), pass.observations].concat()
}

/// As many of these, a second apart.
pub fn many_kills(count: u64) -> Vec<Observation> {
    let passes = (0..count).map(|i| {
        let tasks = gunicorns();
        let victim = tasks[2].clone();
        let pass = Pass::memcg(1 + i, 22_418 + 1000 * i, victim.task.clone(), HALF_GIB);
        pass.scan(tasks).choose(&victim).kill(&victim).close(Chosen::Task, true).exit(48121, 9).observations
    });
    std::iter::once(cgroups()).chain(passes).flatten().collect()
}

/// The same as the first, with scans of other workers that were aborted while the victim was dying.
pub fn storm() -> Vec<Observation> {
    let tasks = gunicorns();
    let victim = tasks[2].clone();
    let mut between = Vec::new();
    for i in 0..12 {
        let waiting = Pass::memcg(2 + i, 22_420 + i, task(48119, "gunicorn", 936, CONTAINER), HALF_GIB);
        let waiting = waiting.close_as(|closed| {
            closed.chosen = Some(Chosen::Aborted);
            closed.evaluated = 3;
            closed.scored = 2;
            closed.blocker = Some(48121);
        });
        between.extend(waiting.observations);
    }
    let pass = Pass::memcg(1, 22_418, victim.task.clone(), HALF_GIB)
        .scan(tasks)
        .choose(&victim)
        .kill(&victim)
        .close(Chosen::Task, true)
        .exit(48121, 19)
        .interleave(between, 2);
    [cgroups(), pass.observations].concat()
}

/// `memory.oom.group` with five workers; the chosen one is visited twice.
pub fn group_kill() -> Vec<Observation> {
    let tasks = gunicorns();
    let victim = tasks[2].clone();
    let mut pass = Pass::memcg(1, 60_000, task(48125, "gunicorn", 936, CONTAINER), HALF_GIB)
        .scan(tasks.clone())
        .choose(&victim)
        .kill(&victim);
    for member in &tasks[1..] {
        pass = pass.kill(member);
    }
    pass = pass.close(Chosen::Task, true);
    for (i, member) in tasks[1..].iter().enumerate() {
        pass = pass.exit(member.task.pid, 12 + i as u64 * 3);
    }
    [cgroups(), pass.observations].concat()
}

/// The machine: kernel threads, protected daemons, a linker that took everything; a sharer of its memory; the reaper.
pub fn global() -> Vec<Observation> {
    let total = 18_536_000;
    let mut tasks = vec![Candidate {
        task: Task { uid: Some(0), ..task(1, "systemd", 0, ROOT) },
        score: Score::NotScored,
        memory: Some(memory(1_200, 2_100)),
        flags: TaskFlags(0),
    }];
    tasks.extend((2..90).map(|pid| kthread(pid, "kworker/u32:3-events_unbound")));
    tasks.push(unkillable(task(611, "systemd-udevd", -1000, SYSTEM), memory(900, 1_300)));
    tasks.push(unkillable(task(702, "sshd", -1000, SYSTEM), memory(300, 1_500)));
    tasks.extend((0..24).map(|i| {
        scored(task(2000 + i, "rustc", 0, SYSTEM), memory(220_000 + i as u64 * 1000, 9_000), total)
    }));
    tasks.push(scored(task(3100, "postgres", -500, SYSTEM), memory(1_900_000, 120_000), total));
    let mut linker = scored(task(3207, "ld.lld", 0, SYSTEM), memory(8_212_000, 4_100), total);
    linker.task.tid = 3211;
    linker.flags.0 |= TaskFlags::CHOSEN;
    tasks.push(linker.clone());
    let pass = Pass::global(1, 120_000, task(2003, "rustc", 0, SYSTEM), total)
        .scan(tasks)
        .choose(&linker)
        .kill(&linker)
        .signal(3300, "ld.lld-helper", 0)
        .close(Chosen::Task, true)
        .reaper(ReaperStage::Wake, 3211, 2_004)
        .reaper(ReaperStage::Start, 3211, 2_005)
        .reaper(ReaperStage::Finish, 3211, 2_260)
        .exit(3207, 2_300)
        .exit(3300, 2_310);
    [cgroups(), pass.observations].concat()
}

/// A cgroup of protected processes only: the same search three times.
pub fn none_killable() -> Vec<Observation> {
    let trigger = task(48001, "pause", -1000, CONTAINER);
    let mut all = cgroups();
    for i in 0..3 {
        let pass = Pass::memcg(1 + i, 30_000 + i * 2, trigger.clone(), 5120)
            .scan(vec![
                unkillable(trigger.clone(), memory(5_000, 80)),
                unkillable(task(48002, "sh", -1000, CONTAINER), memory(40, 10)),
            ])
            .close(Chosen::Nobody, false);
        all.extend(pass.observations);
    }
    all.push(clock(31_100));
    all
}

/// The trigger is dying already.
pub fn already_exiting() -> Vec<Observation> {
    let trigger = task(48121, "gunicorn", 936, CONTAINER);
    let mut pass = Pass::memcg(1, 33_000, trigger.clone(), HALF_GIB).mark(&trigger).close_as(|closed| {
        closed.totalpages = None;
        closed.constraint = None;
    });
    pass = pass.exit(48121, 4);
    [cgroups(), pass.observations].concat()
}

/// A notifier made room; then a request that may not enter a file system.
pub fn without_scans() -> Vec<Observation> {
    let trigger = task(900, "qemu-system-x86", 0, SYSTEM);
    let mut all = cgroups();
    for (episode, gfp_mask) in [(1, GFP_KERNEL_ACCOUNT), (2, GFP_NOIO)] {
        let pass = Pass::enter(episode, 40_000 + episode, trigger.clone(), gfp_mask, 0, None)
            .close(Chosen::Nobody, true);
        all.extend(pass.observations);
    }
    all
}

/// sysrq-f on a kernel whose scorer cannot be probed.
pub fn sysrq_with_silent_scorer() -> Vec<Observation> {
    let silent = |mut candidate: Candidate| {
        candidate.score = Score::NotScored;
        candidate
    };
    let total = 18_536_000;
    let victim = silent(scored(task(3207, "ld.lld", 0, SYSTEM), memory(8_212_000, 4_100), total));
    let tasks = vec![
        kthread(2, "kthreadd"),
        silent(unkillable(task(702, "sshd", -1000, SYSTEM), memory(300, 1_500))),
        silent(scored(task(2001, "rustc", 0, SYSTEM), memory(220_000, 9_000), total)),
        victim.clone(),
    ];
    let worker = Task { uid: Some(0), ..task(77, "kworker/3:1", 0, ROOT) };
    let mut pass = Pass::enter(1, 70_000, worker, GFP_KERNEL_ACCOUNT & 0xfff, -1, None);
    pass.totalpages = Some(total);
    pass.constraint = Some(Constraint::None);
    let pass = pass
        .scan(tasks)
        .choose_as(&victim, 8_236_638, "Out of memory")
        .kill(&victim)
        .close(Chosen::Task, true)
        .exit(3207, 140);
    [cgroups(), pass.observations].concat()
}

/// `vm.oom_kill_allocating_task`.
pub fn allocating_task() -> Vec<Observation> {
    let trigger = task(2003, "rustc", 0, SYSTEM);
    let victim =
        Candidate { score: Score::NotScored, ..scored(trigger.clone(), memory(220_000, 9_000), 18_536_000) };
    let pass = Pass::global(1, 80_000, trigger, 18_536_000)
        .choose_as(&victim, 0, "Out of memory (oom_kill_allocating_task)")
        .kill(&victim)
        .close(Chosen::Task, true)
        .exit(2003, 60);
    [cgroups(), pass.observations].concat()
}

/// Names that are no text, or would drive the terminal; losses; unknown parts; a return that was lost.
pub fn odd() -> Vec<Observation> {
    let mut hostile = scored(task(666, "x", 0, CONTAINER), memory(90_000, 10), HALF_GIB);
    hostile.task.comm = Name::from(&b"a\x1b[31m\n\xff b"[..]);
    hostile.task.uid = None;
    let mut unknown = scored(task(667, "half", 0, 4711), memory(70_000, 10), HALF_GIB);
    unknown.memory = Some(Memory { rss_anon_pages: Some(70_000), ..Memory::default() });
    unknown.flags.0 |= TaskFlags::READ_FAILED;
    let lossy = Pass::memcg(1, 90_000, hostile.task.clone(), HALF_GIB)
        .scan(vec![hostile.clone(), unknown])
        .choose(&hostile)
        .kill(&hostile)
        .close_as(|closed| {
            closed.chosen = Some(Chosen::Task);
            closed.evaluated = 5;
            closed.lost = Lost { candidates: 3, reads: 1, ..Lost::default() };
        })
        .exit(666, 11);
    let unclosed = Pass::memcg(2, 95_000, task(668, "late", 0, CONTAINER), HALF_GIB);
    [cgroups(), lossy.observations, unclosed.observations].concat()
}

/// All scenarios by name; each is a session of its own.
pub fn scenarios() -> Vec<(&'static str, Vec<Observation>)> {
    let mut all = vec![
        ("one-kill", one_kill()),
        ("storm", storm()),
        ("group-kill", group_kill()),
        ("global", global()),
        ("none-killable", none_killable()),
        ("already-exiting", already_exiting()),
        ("without-scans", without_scans()),
        ("sysrq-silent-scorer", sysrq_with_silent_scorer()),
        ("allocating-task", allocating_task()),
        ("odd", odd()),
        ("minutes-before", before::minutes_before()),
        ("named-places", named::named_places()),
    ];
    all.extend(evidence::scenarios());
    all
}

/// What a capture may have cost.
pub fn stats() -> Stats {
    let program = |name: &str, runs, time_ns| ProgramStats {
        name: name.into(),
        runs,
        time_ns,
        skipped_runs: Some(0),
        verified_instructions: None,
    };
    Stats {
        programs: vec![
            program("out_of_memory_fentry", Some(3), Some(9_300)),
            program("oom_badness_fexit", Some(1_002), Some(1_234_567)),
            program("mark_oom_victim_kprobe", Some(0), Some(0)),
        ],
        uncounted_because: None,
        ring: Some(BufferStats { bytes: 1 << 20, high_water_bytes: 12_345 }),
        candidate_log: Some(BufferStats { bytes: 1 << 18, high_water_bytes: 128 * 1002 }),
        collector: CollectorStats {
            wake_ups: 3,
            user_ns: Some(700_000),
            system_ns: Some(500_000),
            peak_rss_bytes: Some(8 << 20),
        },
    }
}

/// The end that a source would give: losses are those of the passes.
pub fn end(observations: &[Observation]) -> SessionEnd {
    let mut lost = Lost::default();
    for observation in observations {
        if let Observation::Closed(closed) = observation {
            lost.add(closed.lost);
        }
    }
    SessionEnd { boot_ns: START + 200_000 * MS, lost, completed: None, ..SessionEnd::default() }
}

/// All episodes of a session.
pub fn assemble(info: &SessionInfo, observations: &[Observation]) -> Vec<Episode> {
    let mut assembler = Assembler::new(info);
    let mut episodes: Vec<Episode> = observations.iter().flat_map(|o| assembler.push(o.clone())).collect();
    episodes.extend(assembler.finish());
    episodes
}

/// A whole session file.
pub fn file(info: &SessionInfo, observations: &[Observation]) -> Vec<u8> {
    file_as(info, observations, Compression::None)
}

/// The same, compressed or not.
pub fn file_as(info: &SessionInfo, observations: &[Observation], compression: Compression) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), info, compression).expect("memory takes everything");
    for observation in observations {
        writer.observation(observation).expect("memory takes everything");
    }
    writer.end(&end(observations)).expect("memory takes everything")
}
