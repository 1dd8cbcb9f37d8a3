//! Large made-up sessions: a machine with thousands of containers that runs out of memory again and again. For
//! measurements; deterministic, and made one observation at a time, so that their size does not matter.
//!
//! Sizes and names vary as on a real machine: a few kinds of processes, most of them small, some large; their memory
//! differs from episode to episode, and a tenth of the processes is replaced in between. Points follow the formula.

#![allow(dead_code, missing_docs, unreachable_pub)]

use oomtrace::model::observation::*;
use oomtrace::model::{Observation, SessionEnd, SessionInfo};

use super::made_up::{self, CONTAINER, MS, Pass, ROOT, kthread, scored, unkillable};

/// Processes of one container.
const PER_CONTAINER: usize = 8;
/// Candidates of one run, as the kernel side hands them over.
const RUN: usize = 512;
/// Of 1 TiB.
const TOTALPAGES: u64 = 268_435_456;
/// Ids of the containers' cgroups begin here; two for each, the pod's and its own.
const FIRST_CGROUP: u64 = 1000;

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub episodes: u64,
    pub candidates: usize,
}

/// Name, typical anonymous and file pages (as powers of two), `oom_score_adj`.
const KINDS: [(&str, u32, u32, i16); 16] = [
    ("pause", 4, 6, -998),
    ("nginx", 10, 10, 936),
    ("gunicorn", 14, 11, 936),
    ("postgres", 12, 13, 0),
    ("java", 18, 12, 872),
    ("node", 15, 12, 936),
    ("redis-server", 14, 9, 996),
    ("containerd-shim", 11, 11, -998),
    ("python3", 14, 12, 1000),
    ("envoy", 13, 13, 936),
    ("kworker-agent", 9, 9, 0),
    ("sh", 7, 8, 936),
    ("prometheus", 17, 12, 800),
    ("fluent-bit", 11, 11, 1000),
    ("runc:[2:INIT]", 9, 10, 0),
    ("rustc", 16, 13, 0),
];

/// A stream of numbers, the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Around `2^log2`, from a quarter of it to four times as much.
    fn around(&mut self, log2: u32) -> u64 {
        let log2 = (log2 + self.below(4) as u32).max(2);
        (1 << log2 >> 2) + self.below(1 << log2 >> 2)
    }
}

/// Calls `give` with each observation of the session, in order.
pub fn each(shape: Shape, mut give: impl FnMut(Observation)) {
    let mut numbers = Numbers(4);
    made_up::cgroups().into_iter().for_each(&mut give);
    containers(shape, &mut numbers, &mut give);
    let mut tasks = machine(shape, &mut numbers);
    for episode in 1..=shape.episodes {
        for observation in pass(episode, &mut tasks, &mut numbers) {
            give(observation);
        }
    }
}

/// Cgroups of a session with that many candidates.
pub fn cgroups(candidates: usize) -> usize {
    made_up::cgroups().len() + 2 * candidates.div_ceil(PER_CONTAINER)
}

/// The end that belongs to it.
pub fn end(shape: Shape) -> SessionEnd {
    made_up::end(&[made_up::clock((shape.episodes + 2) * 10_000)])
}

pub fn info() -> SessionInfo {
    made_up::info()
}

fn containers(shape: Shape, numbers: &mut Numbers, give: &mut impl FnMut(Observation)) {
    for i in 0..shape.candidates.div_ceil(PER_CONTAINER) as u64 {
        let id = FIRST_CGROUP + 2 * i;
        let (a, b) = (numbers.next(), numbers.next());
        let pod = format!(
            "kubepods-burstable-pod{:08x}_{:04x}_4{:03x}_9{:03x}_{:012x}.slice",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b & 0xfff,
            b >> 16
        );
        let words: String = (0..4).map(|_| format!("{:016x}", numbers.next())).collect();
        for (id, parent, name) in
            [(id, made_up::KUBEPODS, pod), (id + 1, id, format!("cri-containerd-{words}.scope"))]
        {
            let node = CgroupNode { id, parent: Some(parent), name: name.as_str().into(), path: None };
            give(Observation::Cgroup(node));
        }
    }
}

/// Kernel threads first, as their pids are the lowest, then containers.
fn machine(shape: Shape, numbers: &mut Numbers) -> Vec<Candidate> {
    let kthreads = shape.candidates / 20;
    let mut pid = 1;
    (0..shape.candidates)
        .map(|i| {
            pid += 1 + numbers.below(12) as i32;
            if i < kthreads {
                return kthread(pid, &format!("kworker/{}:{}", i % 64, numbers.below(9)));
            }
            process(pid, FIRST_CGROUP + 1 + 2 * (i / PER_CONTAINER) as u64, numbers)
        })
        .collect()
}

fn process(pid: i32, cgroup: u64, numbers: &mut Numbers) -> Candidate {
    let (name, anon, file, adj) = KINDS[numbers.below(KINDS.len() as u64) as usize];
    let task = Task { uid: Some(numbers.below(3) as u32 * 1000), ..made_up::task(pid, name, adj, cgroup) };
    let memory = Memory {
        rss_anon_pages: Some(numbers.around(anon)),
        rss_file_pages: Some(numbers.around(file)),
        rss_shmem_pages: Some(if numbers.below(4) == 0 { numbers.around(6) } else { 0 }),
        swap_entries: Some(if numbers.below(3) == 0 { numbers.around(8) } else { 0 }),
        pgtables_bytes: Some(numbers.around(anon.saturating_sub(7)) * 4096),
        total_vm_pages: Some(numbers.around(anon + 2)),
        rss_pages: None,
    };
    judged(Candidate { memory: Some(memory), ..unkillable(task, memory) })
}

/// What the scorer says of it.
fn judged(candidate: Candidate) -> Candidate {
    match (candidate.memory, candidate.task.oom_score_adj) {
        (Some(memory), Some(adj)) if adj > -1000 => scored(candidate.task, memory, TOTALPAGES),
        _ => candidate,
    }
}

/// One global OOM.
fn pass(episode: u64, tasks: &mut [Candidate], numbers: &mut Numbers) -> Vec<Observation> {
    for candidate in tasks.iter_mut().filter(|candidate| candidate.memory.is_some()) {
        if numbers.below(10) == 0 {
            let cgroup = candidate.task.cgroup.unwrap_or(CONTAINER);
            *candidate = process(candidate.task.pid + numbers.below(2) as i32, cgroup, numbers);
        } else if let Some(memory) = &mut candidate.memory {
            for pages in [&mut memory.rss_anon_pages, &mut memory.rss_file_pages].into_iter().flatten() {
                *pages = *pages * (90 + numbers.below(21)) / 100;
            }
            *candidate = judged(candidate.clone());
        }
    }
    let points = |candidate: &Candidate| match candidate.score {
        Score::Points(points) => points,
        _ => i64::MIN,
    };
    let chosen = tasks.iter().max_by_key(|candidate| points(candidate)).expect("there are tasks").clone();
    let trigger = Task { cgroup: Some(ROOT), ..tasks[tasks.len() / 2].task.clone() };
    let mut pass = Pass::global(episode, episode * 10_000, trigger, TOTALPAGES);
    for run in tasks.chunks(RUN) {
        pass = pass.scan(run.to_vec());
    }
    let pid = chosen.task.pid;
    pass = pass.choose(&chosen).kill(&chosen).close(Chosen::Task, true).exit(pid, 40);
    debug_assert!(pass.observations.iter().all(|o| o.boot_ns().is_none_or(|ns| ns >= episode * 10_000 * MS)));
    pass.observations
}
