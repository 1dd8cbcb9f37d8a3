//! The comparison itself: it accepts the same numbers and notices each that differs.

use serde_json::{Value, json};

use super::{Basis, with_report};
use crate::harness::view::Episode;
use crate::oracle::report::Reports;

const LOG: &[&str] = &[
    "hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=100",
    "CPU: 0 PID: 12 Comm: hog Not tainted",
    "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name",
    "[     11]     0    11      900       60       50        4        6    40960        2         -1000 idle",
    "[     12]     0    12     9000     4000     3990        3        7    81920        0           100 hog",
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a,\
     task=hog,pid=12,uid=0",
    "Memory cgroup out of memory: Killed process 12 (hog) total-vm:36000kB, anon-rss:15960kB, file-rss:12kB, \
     shmem-rss:28kB, UID:0 pgtables:80kB oom_score_adj:100",
];

/// What oomtrace should say of it with 5000 totalpages: 4000 + 20 pages of memory, 100 · 5 for the adjustment.
fn episode() -> Value {
    let idle = json!({
        "pid": 11, "tid": 11, "comm": "idle", "uid": 0, "oom_score_adj": -1000, "cgroup": "/a",
        "scan_index": 0, "verdict": "unkillable", "reason": "adj_min", "points": null, "total_vm_pages": 900,
        "rss_anon_pages": 50, "rss_file_pages": 4, "rss_shmem_pages": 6, "swap_entries": 2, "pgtables_bytes": 40960,
        "memory_exact": null, "explained": null,
    });
    let hog = json!({
        "pid": 12, "tid": 12, "comm": "hog", "uid": 0, "oom_score_adj": 100, "cgroup": "/a",
        "scan_index": 1, "verdict": "chosen", "reason": null, "points": 4520, "total_vm_pages": 9000,
        "rss_anon_pages": 3990, "rss_file_pages": 3, "rss_shmem_pages": 7, "swap_entries": 0, "pgtables_bytes": 81920,
        "memory_exact": true, "explained": {"points": 4520, "difference": 0, "memory_pages": 4020},
    });
    let mut victim = hog.clone();
    victim["why"] = json!("chosen");
    victim["exited_boot_ns"] = json!(7);
    json!({
        "type": "episode", "id": 1, "outcome": "killed", "constraint": "memcg", "memcg": {"path": "/a", "chain": []},
        "gfp_mask": {"raw": 0xcc0}, "order": 0, "totalpages": 5000, "trigger": hog, "chosen_points": 4520,
        "candidates": [hog, idle], "victims": [victim],
    })
}

fn compare(episode: &Value, tolerance: i64) -> Result<(), String> {
    let mut reports = Reports::parse(LOG.iter().map(|line| line.as_bytes())).unwrap();
    let report = reports.reports.pop().unwrap();
    let episode = Episode::read(episode).unwrap();
    let basis = Basis { totalpages: 5000, tolerance, bystanders: Vec::new(), dying: Vec::new() };
    with_report(&episode, &report, &basis).map_err(|error| error.to_string())
}

#[test]
fn the_same_is_accepted() {
    assert_eq!(compare(&episode(), 0), Ok(()));
}

#[test]
fn each_number_that_differs_is_noticed() {
    let wrong: &[(&str, Value)] = &[
        ("/order", json!(1)),
        ("/totalpages", json!(5001)),
        ("/gfp_mask/raw", json!(0)),
        ("/trigger/tid", json!(13)),
        ("/trigger/comm", json!("other")),
        ("/constraint", json!("none")),
        ("/memcg/path", json!("/b")),
        ("/chosen_points", json!(4521)),
        ("/victims", json!([])),
        ("/victims/0/pid", json!(11)),
        ("/candidates/0/points", json!(4521)),
        ("/candidates/0/points", json!(null)),
        ("/candidates/0/verdict", json!("outscored")),
        ("/candidates/0/explained/memory_pages", json!(4021)),
        ("/candidates/0/rss_anon_pages", json!(3991)),
        ("/candidates/0/rss_file_pages", json!(null)),
        ("/candidates/0/tid", json!(13)),
        ("/candidates/0/comm", json!("gog")),
        ("/candidates/1/rss_shmem_pages", json!(5)),
        ("/candidates/1/swap_entries", json!(0)),
        ("/candidates/1/pgtables_bytes", json!(4096)),
        ("/candidates/1/oom_score_adj", json!(-999)),
        ("/candidates/1/total_vm_pages", json!(901)),
        ("/candidates/1/uid", json!(1)),
        ("/candidates/1/points", json!(-4000)),
        ("/candidates/1/reason", json!("unknown")),
        ("/candidates/1/pid", json!(99)),
    ];
    for (pointer, value) in wrong {
        let mut changed = episode();
        *changed.pointer_mut(pointer).unwrap() = value.clone();
        assert!(compare(&changed, 0).is_err(), "{pointer} = {value} went unnoticed");
    }
}

#[test]
fn phantoms_and_duplicates_are_noticed() {
    for pid in [12, 77] {
        let mut changed = episode();
        let mut extra = changed["candidates"][0].clone();
        extra["pid"] = json!(pid);
        extra["verdict"] = json!("outscored");
        changed["candidates"].as_array_mut().unwrap().push(extra);
        assert!(compare(&changed, 0).is_err(), "a second candidate {pid} went unnoticed");
    }
}

#[test]
fn the_memory_of_bystanders_may_change_and_nothing_else_of_them() {
    let mut reports = Reports::parse(LOG.iter().map(|line| line.as_bytes())).unwrap();
    let report = reports.reports.pop().unwrap();
    let basis = Basis { totalpages: 5000, tolerance: 0, bystanders: vec![11], dying: Vec::new() };
    let compare = |key: &str, value: Value| {
        let mut changed = episode();
        changed["candidates"][1][key] = value;
        with_report(&Episode::read(&changed).unwrap(), &report, &basis)
    };
    assert!(compare("rss_file_pages", json!(5)).is_ok());
    assert!(compare("uid", json!(5)).is_err());
}

#[test]
fn one_that_dies_unmarked_may_have_left_before_the_table() {
    let mut reports = Reports::parse(LOG.iter().map(|line| line.as_bytes())).unwrap();
    let report = reports.reports.pop().unwrap();
    let mut changed = episode();
    let mut gone = changed["candidates"][0].clone();
    gone["pid"] = json!(77);
    gone["verdict"] = json!("outscored");
    changed["candidates"].as_array_mut().unwrap().push(gone);
    let compare = |dying: Vec<i32>| {
        let basis = Basis { totalpages: 5000, tolerance: 0, bystanders: Vec::new(), dying };
        with_report(&Episode::read(&changed).unwrap(), &report, &basis)
    };
    assert!(compare(Vec::new()).is_err());
    assert!(compare(vec![77]).is_ok());
}

#[test]
fn kernel_threads_have_no_row() {
    let mut changed = episode();
    let kthread = json!({
        "pid": 2, "tid": 2, "comm": "kthreadd", "uid": 0, "oom_score_adj": 0, "cgroup": "/",
        "scan_index": 2, "verdict": "passed_over", "reason": "kthread", "points": null, "total_vm_pages": null,
        "rss_anon_pages": null, "rss_file_pages": null, "rss_shmem_pages": null, "swap_entries": null,
        "pgtables_bytes": null, "memory_exact": null, "explained": null,
    });
    changed["candidates"].as_array_mut().unwrap().push(kthread);
    assert_eq!(compare(&changed, 0), Ok(()));
}

#[test]
fn only_parts_that_are_approximate_may_differ_and_only_by_a_batch() {
    let mut changed = episode();
    changed["candidates"][0]["rss_anon_pages"] = json!(3950);
    assert!(compare(&changed, 0).is_err(), "before 7.0 they are what the kernel prints");
    assert_eq!(compare(&changed, 64), Ok(()));
    assert!(compare(&changed, 39).is_err());
    changed["candidates"][0]["points"] = json!(4480);
    assert!(compare(&changed, 64).is_err(), "the points are exact on every kernel");
}
