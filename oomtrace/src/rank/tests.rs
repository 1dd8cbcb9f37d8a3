//! Rankings of made-up processes, and the kernel's scores held against them.

use super::*;
use crate::badness::Release;
use crate::model::episode::Cause;

const TOTAL: u64 = 131_072;

fn kernel(release: &str) -> Kernel {
    let release = Release::parse(release).expect("it is a release");
    Kernel { release, page_size: 4096, cpus: Some(2), percpu: release.has_percpu_counters(), live: true }
}

fn process(pid: i32, pages: u64, adj: i16) -> Process {
    let memory = Memory {
        rss_anon_pages: Some(pages),
        rss_file_pages: Some(0),
        rss_shmem_pages: Some(0),
        swap_entries: Some(0),
        pgtables_bytes: Some(0),
        total_vm_pages: Some(pages),
        rss_pages: None,
    };
    Process {
        pid,
        tid: pid,
        comm: Name::from("some"),
        uid: Some(1000),
        oom_score_adj: Some(adj),
        cgroup: None,
        memory: Some(memory),
        rss_pages: None,
        init: false,
        kthread: false,
        exiting: false,
        sys_admin: Some(false),
        oom_score: None,
    }
}

fn ranked(release: &str, processes: &[Process]) -> Vec<(i32, Verdict)> {
    let ranking = rank(&kernel(release), None, TOTAL, processes);
    ranking.candidates.iter().map(|it| (it.task.pid, it.verdict)).collect()
}

#[test]
fn everyone_has_the_place_that_the_scan_gives_it() {
    let mut init = process(1, 900, 0);
    init.init = true;
    let mut kthread = process(2, 0, 0);
    (kthread.kthread, kthread.memory) = (true, None);
    let mut zombie = process(14, 0, 0);
    zombie.memory = None;
    let mut unknown = process(15, 999_999, 0);
    unknown.oom_score_adj = None;
    let processes = [
        init,
        kthread,
        process(10, 500, 0),
        process(11, 50_000, -1000),
        process(12, 10, 500),
        process(13, 2000, -999),
        zombie,
        unknown,
    ];
    assert_eq!(
        ranked("6.1.0", &processes),
        [
            (12, Verdict::Chosen),
            (10, Verdict::Outscored),
            (13, Verdict::Outscored),
            (15, Verdict::Outscored),
            (11, Verdict::Unkillable(Reason::AdjMin)),
            (14, Verdict::Unkillable(Reason::NoMm)),
            (1, Verdict::PassedOver(Reason::Init)),
            (2, Verdict::PassedOver(Reason::Kthread)),
        ]
    );
    let ranking = rank(&kernel("6.1.0"), None, TOTAL, &processes);
    assert_eq!(ranking.next().and_then(RankedCandidate::points), Some(10 + 500 * 131));
    assert_eq!(ranking.margin().map(|(points, second)| (points, second.task.pid)), Some((65_010, 10)));
}

#[test]
fn equals_go_by_the_kernels_rule() {
    let processes = [process(10, 500, 0), process(30, 500, 0), process(20, 500, 0)];
    assert_eq!(ranked("6.1.0", &processes)[0], (20, Verdict::Chosen));
    assert_eq!(ranked("4.19.0", &processes)[0], (10, Verdict::Chosen));
    let mut leaderless = processes.clone();
    leaderless[0].tid = 11;
    assert_eq!(ranked("4.19.0", &leaderless)[0], (30, Verdict::Chosen));
    assert_eq!(ranked("3.7.0", &leaderless)[0], (10, Verdict::Chosen));
}

#[test]
fn nobody_may_be_left() {
    let protected = [process(10, 500, -1000)];
    let ranking = rank(&kernel("6.1.0"), Some("/a".to_owned()), TOTAL, &protected);
    assert_eq!((ranking.next(), ranking.margin()), (None, None));
    assert_eq!(rank(&kernel("6.1.0"), None, TOTAL, &[]).next(), None);
    // Alone there is nothing to be ahead of.
    let alone = rank(&kernel("6.1.0"), None, TOTAL, &[process(10, 500, 0)]);
    assert!(alone.next().is_some() && alone.margin().is_none());
    // The old heuristic has no points.
    let old = rank(&kernel("2.6.30"), None, TOTAL, &[process(10, 500, 0)]);
    assert_eq!((old.next(), old.candidates[0].score), (None, Score::Unknown));
}

#[test]
fn capabilities_count_where_they_did() {
    let mut root = process(10, 10_000, 0);
    root.sys_admin = Some(true);
    let other = process(20, 9800, 0);
    assert_eq!(ranked("4.4.0", &[root.clone(), other.clone()])[0].0, 20);
    assert_eq!(ranked("6.1.0", &[root, other])[0].0, 10);
}

#[test]
fn the_scorers_own_counters_are_taken_where_they_are_told() {
    let with = |rss_pages| Process { rss_pages, ..process(10, 500, 0) };
    let points = |release, rss| rank(&kernel(release), None, TOTAL, &[with(rss)]).candidates[0].points();
    for release in ["6.2.0", "6.12.0", "6.19.0"] {
        assert_eq!((points(release, Some(470)), points(release, None)), (Some(470), Some(500)), "{release}");
    }
    for release in ["6.1.0", "7.0.0"] {
        assert_eq!(points(release, Some(470)), Some(500), "{release}");
    }
}

fn verified(release: &str, processes: &[Process]) -> Verification {
    verify(&kernel(release), TOTAL, processes)
}

#[test]
fn scores_are_those_of_the_whole_machine() {
    let with = |mut process: Process, score| {
        process.oom_score = Some(score);
        process
    };
    let mut init = with(process(1, 900, 0), 0);
    init.init = true;
    let mut without = with(process(2, 0, 0), 0);
    without.memory = None;
    let unread = process(3, 500, 0);
    let processes = [
        init,
        without,
        unread,
        with(process(10, 0, 0), 666),
        with(process(11, 500, -1000), 0),
        with(process(12, 65_536, 0), 1000),
    ];
    assert_eq!(verified("6.1.0", &processes), Verification { checked: 5, agreed: 5, differing: Vec::new() });
    let differing = |release, pages, score| {
        let found = verified(release, &[with(process(10, pages, 0), score)]);
        assert_eq!((found.checked, found.agreed), (1, 0));
        (found.differing[0].computed, found.differing[0].cause)
    };
    // 256 pages may be elsewhere on two CPUs: one step of the score.
    assert_eq!(differing("7.0.0", 131, 667), (666, Cause::PerCpuCounters));
    assert_eq!(differing("7.0.0", 131, 670), (666, Cause::Changed));
    assert_eq!(differing("6.1.0", 131, 667), (666, Cause::TaskLocalCounters));
    let protected = verified("6.1.0", &[with(process(10, 131, -1000), 666)]);
    assert_eq!(protected.differing[0].cause, Cause::Changed);
}
