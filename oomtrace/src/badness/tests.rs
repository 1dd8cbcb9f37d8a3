//! The engine over all eras: edges that more than one formula has, and properties.

use proptest::prelude::*;

use super::*;
use crate::model::episode::{Cause, Explained};
use crate::model::observation::Memory;

const ERAS: [&str; 6] = ["2.6.35", "3.4.0", "3.7.0", "4.4.0", "4.19.0", "6.1.0"];

fn kernel(release: &str) -> Kernel {
    let release = Release::parse(release).expect("it is a release");
    Kernel { release, page_size: 4096, cpus: Some(2), percpu: release.has_percpu_counters(), live: true }
}

fn subject(pages: u64, oom_score_adj: i16, sys_admin: bool) -> Subject {
    let memory = Memory {
        rss_anon_pages: Some(pages),
        rss_file_pages: Some(0),
        rss_shmem_pages: Some(0),
        swap_entries: Some(0),
        pgtables_bytes: Some(0),
        total_vm_pages: None,
        rss_pages: None,
    };
    Subject { memory, oom_score_adj, sys_admin: Some(sys_admin) }
}

fn points(release: &str, pages: u64, adj: i16, sys_admin: bool, totalpages: u64) -> i64 {
    match kernel(release).score(&subject(pages, adj, sys_admin), totalpages) {
        Some(Scored::Points(points)) => points,
        other => panic!("{release}: {other:?}"),
    }
}

#[test]
fn the_formula_of_today_is_that_of_5_9_and_later() {
    for release in ["5.9.0", "5.10.0-45-cloud-amd64", "6.12.117", "7.0", "10.1", "6"] {
        assert!(applies_to(release), "{release}");
    }
    for release in ["5.8.18", "4.19.0", "5", "", "rolling", "99999999999.1"] {
        assert!(!applies_to(release), "{release}");
    }
}

#[test]
fn each_era_scores_the_same_root_process_its_own_way() {
    // 10,000 pages, adjusted by 10, with CAP_SYS_ADMIN, in 512 MiB.
    let of = |release| kernel(release).score(&subject(10_000, 10, true), 131_072);
    assert_eq!(of("2.6.35"), Some(Scored::NotComparable));
    assert_eq!(of("3.4.0"), Some(Scored::Points(76 - 30 + 10)));
    assert_eq!(of("3.7.0"), Some(Scored::Points(10_000 - 20 * 131)));
    assert_eq!(of("4.4.0"), Some(Scored::Points(9700 + 10 * 131)));
    assert_eq!(of("4.19.0"), Some(Scored::Points(10_000 + 10 * 131)));
    assert_eq!(of("6.1.0"), Some(Scored::Points(10_000 + 10 * 131)));
}

#[test]
fn minus_1000_protects_and_minus_999_does_not() {
    for release in &ERAS[1..] {
        let of = |adj| kernel(release).score(&subject(u64::MAX, adj, false), 131_072);
        assert_eq!(of(-1000), Some(Scored::Unkillable), "{release}");
        assert!(matches!(of(-999), Some(Scored::Points(_))), "{release}");
    }
    // Protection does not depend on what else is known.
    let unknown = Subject { memory: Memory::default(), oom_score_adj: -1000, sys_admin: None };
    assert_eq!(kernel("3.7.0").score(&unknown, 1), Some(Scored::Unkillable));
}

#[test]
fn the_floor_is_1_before_5_9() {
    for release in &ERAS[1..5] {
        assert_eq!(points(release, 10, -999, false, 1_000_000), 1, "{release}");
        assert_eq!(points(release, 0, 0, true, 1_000_000), 1, "{release}");
    }
    assert_eq!(points("6.1.0", 10, -999, false, 1_000_000), 10 - 999_000);
    assert_eq!(points("6.1.0", 0, 0, true, 1_000_000), 0);
}

#[test]
fn below_1000_pages_adjustments_weigh_nothing_but_in_thousandths() {
    for release in &ERAS[2..] {
        assert_eq!(points(release, 500, 1000, false, 999), 500, "{release}");
        assert_eq!(points(release, 500, -999, false, 999), 500, "{release}");
        assert_eq!(points(release, 500, 1, false, 1000), 501, "{release}");
    }
    assert_eq!(points("3.4.0", 500, 1000, false, 999), 1000);
    assert_eq!(points("3.4.0", 500, -999, false, 999), 1);
}

#[test]
fn what_a_formula_needs_and_does_not_know_gives_no_points() {
    let unknown = Subject { sys_admin: None, ..subject(10_000, 0, false) };
    for (release, known) in
        [("3.4.0", false), ("3.7.0", false), ("4.4.0", false), ("4.19.0", true), ("6.1.0", true)]
    {
        assert_eq!(kernel(release).score(&unknown, 131_072).is_some(), known, "{release}");
    }
    let without_swap = Memory { swap_entries: None, ..subject(1, 0, false).memory };
    for release in &ERAS[1..] {
        let subject = Subject { memory: without_swap, oom_score_adj: 0, sys_admin: Some(false) };
        assert_eq!(kernel(release).score(&subject, 131_072), None, "{release}");
        assert_eq!(kernel(release).explain(1, &subject, 131_072), None, "{release}");
    }
}

#[test]
fn nothing_is_explained_of_the_old_heuristic() {
    assert_eq!(kernel("2.6.27").explain(50_000, &subject(10_000, 0, false), 131_072), None);
}

fn cause(kernel: &Kernel, difference: i64) -> Option<Cause> {
    let subject = subject(10_000, 0, false);
    let Explained { difference: told, cause, .. } =
        kernel.explain(10_000 + difference, &subject, 131_072).expect("all parts are there");
    assert_eq!(told, difference);
    cause
}

#[test]
fn differences_have_the_cause_that_their_kernel_allows() {
    // Two CPUs: four counters, a batch of 32 (before 6.2: 64 events) each.
    for (release, small, most) in [
        ("7.0.0", Cause::PerCpuCounters, 256),
        ("6.19.0", Cause::Changed, 0),
        ("6.2.0", Cause::Changed, 0),
        ("6.1.0", Cause::TaskLocalCounters, 512),
        ("4.19.0", Cause::TaskLocalCounters, 512),
    ] {
        let kernel = kernel(release);
        assert_eq!(cause(&kernel, 0), None, "{release}");
        for sign in [1, -1] {
            assert_eq!(cause(&kernel, sign), Some(small), "{release}");
            assert_eq!(cause(&kernel, sign * most.max(1)), Some(small), "{release}");
            assert_eq!(cause(&kernel, sign * (most + 1)), Some(Cause::Changed), "{release}");
        }
    }
    let many = Kernel { cpus: Some(64), ..kernel("7.0.0") };
    assert_eq!(cause(&many, 64 * 128 * 4), Some(Cause::PerCpuCounters));
    assert_eq!(cause(&many, 64 * 128 * 4 + 1), Some(Cause::Changed));
    let unknown = Kernel { cpus: None, ..kernel("7.0.0") };
    assert_eq!(cause(&unknown, i64::MAX / 2), Some(Cause::PerCpuCounters));
    assert_eq!(cause(&Kernel { live: false, ..kernel("7.0.0") }, 1), Some(Cause::Changed));
    assert_eq!(cause(&Kernel { percpu: false, ..kernel("7.0.0") }, 1), Some(Cause::Unknown));
    assert_eq!(cause(&Kernel { percpu: true, ..kernel("5.14.0") }, 1), Some(Cause::Unknown));
}

#[test]
fn a_bonus_that_was_there_or_not_is_recognised() {
    for release in ["3.4.0", "3.7.0", "4.4.0"] {
        let kernel = kernel(release);
        for assumed in [true, false] {
            let theirs = points(release, 20_000, 0, !assumed, 131_072);
            let explained = kernel.explain(theirs, &subject(20_000, 0, assumed), 131_072);
            assert_eq!(explained.and_then(|it| it.cause), Some(Cause::RootBonus), "{release}");
        }
    }
    assert_eq!(cause(&kernel("4.19.0"), -300), Some(Cause::TaskLocalCounters));
}

proptest! {
    #[test]
    fn no_kernel_overflows(
        era in 0..ERAS.len(),
        parts in prop::array::uniform5(any::<u64>()),
        adj in any::<i16>(),
        sys_admin in any::<Option<bool>>(),
        total in any::<u64>(),
        page_size in any::<u32>(),
        theirs in any::<i64>(),
    ) {
        let [a, b, c, d, e] = parts.map(Some);
        let memory = Memory {
            rss_anon_pages: a,
            rss_file_pages: b,
            rss_shmem_pages: c,
            swap_entries: d,
            pgtables_bytes: e,
            total_vm_pages: None,
            rss_pages: None,
        };
        let kernel = Kernel { page_size, ..kernel(ERAS[era]) };
        let subject = Subject { memory, oom_score_adj: adj, sys_admin };
        let _ = kernel.explain(theirs, &subject, total);
        if let Some(scored) = kernel.score(&subject, total) {
            let _ = oom_score(kernel.release, scored, total);
        }
        let _ = logged_score(kernel.release, theirs, total);
    }

    #[test]
    fn more_memory_and_a_higher_adjustment_never_lower_a_score(
        era in 1..ERAS.len(),
        memory in 0..1u64 << 40,
        more in 0..1u64 << 30,
        adj in -999i16..1000,
        sys_admin in any::<bool>(),
        total in 0..1u64 << 40,
    ) {
        let of = |memory, adj, sys_admin| points(ERAS[era], memory, adj, sys_admin, total);
        let score = of(memory, adj, sys_admin);
        prop_assert!(of(memory + more, adj, sys_admin) >= score);
        prop_assert!(of(memory, adj + 1, sys_admin) >= score);
        prop_assert!(of(memory, adj, true) <= of(memory, adj, false));
    }

    #[test]
    fn today_is_5_8_without_its_floor(
        memory in 0..1u64 << 40,
        adj in -999i16..=1000,
        total in 0..1u64 << 40,
    ) {
        let signed = points("5.9.0", memory, adj, false, total);
        prop_assert_eq!(points("5.8.0", memory, adj, false, total), signed.max(1));
        prop_assert_eq!(super::points(&subject(memory, adj, false).memory, adj, total, 4096), Some(signed));
        let explained = kernel("5.9.0").explain(signed, &subject(memory, adj, false), total);
        let memory_pages = i64::try_from(memory).expect("it is small");
        prop_assert_eq!(explained, Some(Explained { points: signed, difference: 0, memory_pages, cause: None }));
    }

    #[test]
    fn equals_are_told_apart_by_place_only(scores in prop::collection::vec((-3i64..3, any::<bool>()), 1..12)) {
        let scored = || scores.iter().enumerate().map(|(at, &(points, leads))| (at, points, leads));
        let most = scores.iter().map(|it| it.0).max().expect("there is one");
        let equals: Vec<usize> = (0..scores.len()).filter(|&at| scores[at].0 == most).collect();
        prop_assert_eq!(select(Ties::First, scored()), Some((equals[0], most)));
        prop_assert_eq!(select(Ties::Last, scored()), Some((equals[equals.len() - 1], most)));
        let leader = equals.iter().copied().find(|&at| scores[at].1);
        prop_assert_eq!(select(Ties::FirstLeader, scored()), Some((leader.unwrap_or(equals[equals.len() - 1]), most)));
    }
}
