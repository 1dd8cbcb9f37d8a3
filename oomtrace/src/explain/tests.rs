//! The engine against the made-up sessions, and against brute force.

use proptest::prelude::*;

use super::change::{Change, Who};
use super::what_if::{Doubt, Mistake, Spared, Supposed, WhatIf};
use super::*;
use crate::badness;
use crate::made_up::{self, Pass};
use crate::model::Observation;
use crate::model::observation::{Candidate, Chosen, Lost, Memory, Score, TaskFlags};
use crate::sink::{json, terminal};

/// A scan of tasks `(memory, adj)` with process ids from 1000 on; the first asks. Chosen by the plainest form of the rule.
fn scan(tasks: &[(u64, i16)], total: u64) -> Vec<Observation> {
    let candidates: Vec<Candidate> = (1000..)
        .zip(tasks)
        .map(|(pid, &(pages, adj))| {
            let memory = Memory { pgtables_bytes: Some(0), ..made_up::memory(pages, 0) };
            let task = made_up::task(pid, "task", adj, made_up::CONTAINER);
            match adj {
                -1000 => made_up::unkillable(task, memory),
                _ => made_up::scored(task, memory, total),
            }
        })
        .collect();
    let trigger = candidates[0].task.clone();
    let pass = Pass::memcg(1, 1000, trigger, total).scan(candidates.clone());
    let pass = match victim(tasks, total) {
        Some(place) => pass.choose(&candidates[place]).kill(&candidates[place]).close(Chosen::Task, true),
        None => pass.close(Chosen::Nobody, false),
    };
    [made_up::cgroups(), pass.observations].concat()
}

/// Who dies, by place: points compared one after the other, as in the kernel's loop.
fn victim(tasks: &[(u64, i16)], total: u64) -> Option<usize> {
    let mut best: Option<(usize, i64)> = None;
    for (place, &(pages, adj)) in tasks.iter().enumerate().filter(|(_, (_, adj))| *adj != -1000) {
        let points = pages as i64 + i64::from(adj) * (total / 1000) as i64;
        if best.is_none_or(|(_, most)| points >= most) {
            best = Some((place, points));
        }
    }
    best.map(|(place, _)| place)
}

fn episode(observations: &[Observation]) -> Episode {
    made_up::assemble(&made_up::info(), observations).remove(0)
}

fn what_if<'a>(episode: &'a Episode, session: &'a SessionInfo, changes: &[&str]) -> WhatIf<'a> {
    let changes: Vec<Change> = changes.iter().map(|text| text.parse().expect("it is one")).collect();
    explain(episode, session, &changes).expect("it can be supposed").what_if.expect("it was asked")
}

fn killed(answer: &WhatIf<'_>) -> Option<i32> {
    match &answer.result {
        Supposed::Kill(fall) => Some(fall.person.pid),
        _ => None,
    }
}

fn then(answer: &WhatIf<'_>) -> Option<(i32, i64)> {
    let fall = answer.then.as_ref()?.fall.as_ref()?;
    Some((fall.person.pid, fall.points?))
}

#[test]
fn the_rule_names_the_kernels_choice_in_every_made_up_session() {
    let info = made_up::info();
    let (mut same, mut cannot) = (Vec::new(), Vec::new());
    for (name, observations) in made_up::scenarios() {
        for episode in made_up::assemble(&info, &observations) {
            match explain(&episode, &info, &[]).expect("nothing is supposed").check {
                Some(Check::Same | Check::SameNobody) => same.push(name),
                Some(Check::CannotTell) => cannot.push(name),
                Some(Check::Differs { named }) => panic!("{name}: {named:?}"),
                None => {}
            }
        }
    }
    // Candidates lost; a scorer that was silent.
    assert_eq!(cannot, ["sysrq-silent-scorer", "odd"]);
    assert!(same.len() >= 8, "{same:?}");
}

#[test]
fn a_choice_that_is_not_the_rules_is_not_hidden() {
    let total = 100_000;
    let mut observations = scan(&[(500, 0), (900, 0), (100, 0)], total);
    for observation in &mut observations {
        if let Observation::Choice(choice) = observation {
            choice.chosen = made_up::scored(
                made_up::task(1000, "task", 0, made_up::CONTAINER),
                Memory { pgtables_bytes: Some(0), ..made_up::memory(500, 0) },
                total,
            );
        }
    }
    let (episode, info) = (episode(&observations), made_up::info());
    let explanation = explain(&episode, &info, &[]).expect("nothing is supposed");
    assert!(
        matches!(explanation.check, Some(Check::Differs { named: Some(named) }) if named.task.pid == 1001),
        "{:?}",
        explanation.check
    );
    let text = terminal::explanation(&explanation, OPTIONS);
    assert!(text.contains("names task[1001] instead"), "{text}");
}

const OPTIONS: terminal::Options = terminal::Options { width: 80, color: false, verbose: false };

#[test]
fn room_for_the_request_is_no_kill_and_the_trigger_uses_it() {
    // The trigger is 1000; 1001 is ahead until the trigger has 401 pages more.
    let (episode, info) = (episode(&scan(&[(600, 0), (1000, 0)], 131_072)), made_up::info());
    let more = |pages: u64| format!("limit={}", (131_072 + pages) * 4096);
    let answer = what_if(&episode, &info, &[&more(400)]);
    assert!(matches!(answer.result, Supposed::NoKill(Spared::Room { pages: 400 })), "{answer:?}");
    assert_eq!(then(&answer), Some((1001, 1000)), "a tie: the later one");
    assert_eq!(then(&what_if(&episode, &info, &[&more(401)])), Some((1000, 1001)));
    // One page was wanted.
    assert_eq!(killed(&what_if(&episode, &info, &[&more(0)])), Some(1001));
    assert!(then(&what_if(&episode, &info, &[&more(0)])).is_none());
}

#[test]
fn a_lower_limit_is_met_when_the_trigger_is_smaller() {
    let (episode, info) = (episode(&scan(&[(5000, 0), (1000, 0)], 131_072)), made_up::info());
    let less = |pages: u64| format!("limit={}", (131_072 - pages) * 4096);
    let answer = what_if(&episode, &info, &[&less(3999)]);
    assert_eq!((killed(&answer), then(&answer)), (Some(1000), Some((1000, 1001))));
    assert_eq!(then(&what_if(&episode, &info, &[&less(4000)])), Some((1001, 1000)));
    let answer = what_if(&episode, &info, &[&less(6000)]);
    assert_eq!(then(&answer), Some((1001, 1000)));
    assert!(matches!(answer.doubts[..], [Doubt::TriggerTooSmall { pages: 1000 }]), "{answer:?}");
}

#[test]
fn the_scale_of_the_adjustment_follows_the_limit() {
    // 100 steps are 13,100 pages of 131,072; at three times that, 39,300.
    let (episode, info) = (episode(&scan(&[(20_000, 0), (4000, 100)], 131_072)), made_up::info());
    assert_eq!(killed(&what_if(&episode, &info, &["adj:1000=0"])), Some(1000));
    let answer = what_if(&episode, &info, &["kill:1000"]);
    assert!(matches!(answer.result, Supposed::NoKill(Spared::NotAsked)), "{answer:?}");
    // Of the pod's room of 126,362 pages.
    let limit = format!("limit={}", (131_072 + 126_362) * 4096_u64);
    assert_eq!(then(&what_if(&episode, &info, &[&limit])), Some((1000, 20_000 + 126_362)));
    let beyond = format!("limit={}", (131_072 + 126_363) * 4096_u64);
    let answer = what_if(&episode, &info, &[&beyond]);
    assert!(answer.then.is_none());
    assert!(matches!(answer.doubts[..], [Doubt::AncestorNext { .. }]), "{answer:?}");
}

/// A scan on cgroup v1, with `usage` and `max` of memory and swap together.
fn with_memsw(
    tasks: &[(u64, i16)],
    memory_max: u64,
    usage: u64,
    max: u64,
    swap: u64,
) -> (Episode, SessionInfo) {
    let info = SessionInfo { cgroup_version: Some(1), ..made_up::info() };
    let mut observations = scan(tasks, memory_max + swap);
    for observation in &mut observations {
        if let Observation::MemcgLevel(level) = observation
            && level.level == 0
        {
            (level.max_pages, level.usage_pages) = (Some(memory_max), Some(memory_max));
            (level.swap_usage_pages, level.swap_max_pages) = (Some(usage), Some(max));
        }
    }
    (made_up::assemble(&info, &observations).remove(0), info)
}

#[test]
fn memory_and_swap_together_have_a_limit_of_their_own_on_version_1() {
    let tasks = [(20_000, 0), (4000, 100)];
    let limit = |pages: u64| format!("limit={}", pages * 4096);
    // 10,000 pages of swap within 110,000 of both: 10,000 pages of memory more are as many of swap less.
    let (episode, info) = with_memsw(&tasks, 100_000, 100_000, 110_000, 10_000);
    let answer = what_if(&episode, &info, &[&limit(110_000)]);
    assert!(matches!(answer.doubts[..], []), "{answer:?}");
    let runner_up = answer.then.and_then(|then| then.fall?.runner_up).map(|(_, margin)| margin);
    assert_eq!(runner_up, Some(30_000 - (4000 + 100 * 110)));
    let text = terminal::explanation(&explain(&episode, &info, &[]).expect("nothing is supposed"), OPTIONS);
    assert!(text.contains("a higher limit would have mattered"), "{text}");

    // Both are full: a higher limit on memory alone is none.
    let (episode, info) = with_memsw(&tasks, 100_000, 110_000, 110_000, 10_000);
    let answer = what_if(&episode, &info, &[&limit(110_000)]);
    assert!(matches!(answer.doubts[..], [Doubt::MemswToo { max_pages: 110_000 }]), "{answer:?}");
    let text = terminal::explanation(&explain(&episode, &info, &[]).expect("nothing is supposed"), OPTIONS);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("raising memory.limit_in_bytes alone would have changed nothing"), "{text}");
    assert!(text.contains("both limits higher would have mattered"), "{text}");
    assert!(!text.contains("a higher limit would have mattered"), "{text}");
}

#[test]
fn memory_of_the_gone_is_room() {
    let (episode, info) = (episode(&scan(&[(600, 0), (1000, 0), (300, 0)], 131_072)), made_up::info());
    let answer = what_if(&episode, &info, &["kill:1002"]);
    assert!(matches!(answer.result, Supposed::NoKill(Spared::Room { pages: 300 })), "{answer:?}");
    assert_eq!(then(&answer), Some((1001, 1000)));
    assert_eq!(then(&what_if(&episode, &info, &["kill:1001"])), Some((1000, 1600)));
}

#[test]
fn protection_that_is_taken_away_is_scored_from_the_parts() {
    let (episode, info) = (episode(&scan(&[(600, 0), (9000, -1000)], 131_072)), made_up::info());
    assert_eq!(killed(&what_if(&episode, &info, &["adj:1001=0"])), Some(1001));
    assert_eq!(killed(&what_if(&episode, &info, &["adj:1001=-65"])), Some(1000));
    assert_eq!(killed(&what_if(&episode, &info, &["adj:1001=-64"])), Some(1001));
    let answer = what_if(&episode, &info, &["adj:task=-1000"]);
    assert!(matches!(answer.result, Supposed::NoneKillable), "{answer:?}");
}

#[test]
fn lost_candidates_leave_only_what_they_cannot_change() {
    let mut observations = scan(&[(600, 0), (1000, 0), (300, 0)], 131_072);
    for observation in &mut observations {
        if let Observation::Closed(closed) = observation {
            closed.evaluated += 2;
            closed.lost = Lost { candidates: 2, ..Lost::default() };
        }
    }
    let (episode, info) = (episode(&observations), made_up::info());
    // Nobody had more points than the chosen one.
    assert_eq!(killed(&what_if(&episode, &info, &["adj:1000=10"])), Some(1000));
    assert_eq!(killed(&what_if(&episode, &info, &["adj:1002=1"])), Some(1001));
    for change in ["adj:1001=-500", "adj:1001=-1000"] {
        let answer = what_if(&episode, &info, &[change]);
        assert!(
            matches!(&answer.result, Supposed::Unknown(Some(fall)) if fall.person.pid == 1000),
            "{answer:?}"
        );
        assert!(matches!(answer.doubts[..], [Doubt::Missing { count: 2 }]), "{answer:?}");
    }
}

#[test]
fn who_is_before_all_others_stays_so() {
    let total = 131_072;
    let mut tasks: Vec<Candidate> = [(1000, 600), (1001, 9000)]
        .map(|(pid, pages)| {
            made_up::scored(
                made_up::task(pid, "task", 0, made_up::CONTAINER),
                made_up::memory(pages, 0),
                total,
            )
        })
        .into();
    tasks[0].score = Score::NotScored;
    tasks[0].flags = TaskFlags(TaskFlags::ORIGIN | TaskFlags::CHOSEN);
    let chosen = tasks[0].clone();
    let pass = Pass::memcg(1, 1000, chosen.task.clone(), total)
        .scan(tasks)
        .choose_as(&chosen, i64::MAX, "Memory cgroup out of memory")
        .kill(&chosen)
        .close(Chosen::Task, true);
    let (episode, info) = (episode(&[made_up::cgroups(), pass.observations].concat()), made_up::info());
    let explanation = explain(&episode, &info, &[]).expect("nothing is supposed");
    assert_eq!(explanation.basis, Basis::Origin);
    assert!(matches!(explanation.check, Some(Check::Same)), "{:?}", explanation.check);
    assert_eq!(killed(&what_if(&episode, &info, &["adj:1000=-1000"])), Some(1000));
    assert!(explanation.top.iter().all(|row| row.turn == Turn::Never), "{:?}", explanation.top);
}

#[test]
fn changes_that_cannot_be_supposed() {
    let (episode, info) = (episode(&made_up::sysrq_with_silent_scorer()), made_up::info());
    let mistake = |change: &str| {
        explain(&episode, &info, &[change.parse().expect("it is one")]).expect_err("it is a mistake")
    };
    assert!(matches!(mistake("limit=1G"), Mistake::NoLimitMet));
    let Mistake::NoSuch { who, among } = mistake("kill:9") else { panic!("it exists") };
    assert_eq!((who, among[0].0.pid, among.len()), (Who::Pid(9), 3207, 4));
}

/// Sizes and adjustments where ties, cut-offs and signs meet.
fn tasks() -> impl Strategy<Value = Vec<(u64, i16)>> {
    let pages = prop_oneof![0..40_u64, 0..200_000_u64];
    let adj = prop_oneof![-1000..=1000_i16, Just(0), Just(-1000), Just(1000), Just(-999)];
    prop::collection::vec((pages, adj), 1..8)
}

fn totals() -> impl Strategy<Value = u64> {
    prop_oneof![1..1000_u64, 1000..3000_u64, Just(131_072), 1000..30_000_000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each candidate's turn, held against all 2001 adjustments tried one after the other.
    #[test]
    fn turns_are_exact(tasks in tasks(), total in totals()) {
        let (episode, info) = (episode(&scan(&tasks, total)), made_up::info());
        let contest = Contest::new(&episode, &info);
        let chosen = victim(&tasks, total);
        for place in 0..tasks.len() {
            let pid = 1000 + i32::try_from(place).expect("few");
            let turn = contest.turn(pid);
            for adj in -1000..=1000 {
                let mut changed = tasks.clone();
                changed[place].1 = adj;
                let dies = victim(&changed, total) == Some(place);
                let told = match turn {
                    Turn::Spared { at, .. } => adj > at,
                    Turn::Chosen { at } => adj >= at,
                    Turn::Never => false,
                    Turn::InGroup | Turn::Unknown => return Err(TestCaseError::fail(format!("{turn:?}"))),
                };
                prop_assert_eq!(told, dies, "{} at {}: {:?}", pid, adj, turn);
            }
            if let Turn::Spared { at, instead } = turn {
                prop_assert_eq!(chosen, Some(place));
                let mut changed = tasks.clone();
                changed[place].1 = at;
                let other = victim(&changed, total).map(|other| 1000 + i32::try_from(other).expect("few"));
                prop_assert_eq!(other, instead);
            }
        }
    }

    /// The engine's answers about adjustments and the gone, held against the rule applied anew.
    #[test]
    fn choices_are_those_of_the_rule(
        tasks in tasks(),
        total in totals(),
        who in any::<prop::sample::Index>(),
        adj in -1000..=1000_i16,
    ) {
        let (episode, info) = (episode(&scan(&tasks, total)), made_up::info());
        let explanation = explain(&episode, &info, &[]).expect("nothing is supposed");
        prop_assert!(matches!(explanation.check, Some(Check::Same | Check::SameNobody)));
        let place = who.index(tasks.len());
        let mut changed = tasks.clone();
        changed[place].1 = adj;
        let answer = what_if(&episode, &info, &[&format!("adj:{}={adj}", 1000 + place)]);
        let expected = victim(&changed, total).map(|place| 1000 + i32::try_from(place).expect("few"));
        prop_assert_eq!(killed(&answer), expected);
        prop_assert_eq!(matches!(answer.result, Supposed::NoneKillable), expected.is_none());
        if place > 0 {
            let answer = what_if(&episode, &info, &[&format!("kill:{}", 1000 + place)]);
            let mut grown = tasks.clone();
            grown[0].0 += tasks[place].0;
            grown.remove(place);
            let grown = victim(&grown, total);
            let expected = grown.map(|other| 1000 + i32::try_from(other + usize::from(other >= place)).expect("few"));
            let told = match tasks[place].0 {
                0 => killed(&answer),
                _ => then(&answer).map(|(pid, _)| pid),
            };
            prop_assert_eq!(told, expected);
        }
    }

    /// The trigger uses the room of a higher limit, and lacks that of a lower one; the scale of adjustments follows.
    #[test]
    fn limits_are_met_by_the_trigger(tasks in tasks(), total in 2000..200_000_u64, change in -1500..1500_i64) {
        let (episode, info) = (episode(&scan(&tasks, total)), made_up::info());
        let limit = total.checked_add_signed(change).expect("it is less");
        let answer = what_if(&episode, &info, &[&format!("limit={}", limit * 4096)]);
        let at = |tasks: &[(u64, i16)]| {
            victim(tasks, limit).map(|place| 1000 + i32::try_from(place).expect("few"))
        };
        if change < 1 {
            prop_assert_eq!(killed(&answer), at(&tasks));
        } else {
            let room = matches!(answer.result, Supposed::NoKill(Spared::Room { pages }) if pages == change);
            prop_assert!(room, "{:?}", answer.result);
        }
        let mut later = tasks.clone();
        later[0].0 = later[0].0.saturating_add_signed(change);
        if change == 0 {
            prop_assert!(answer.then.is_none());
        } else {
            let then = answer.then.as_ref().expect("the pod above has room");
            prop_assert_eq!(then.fall.as_ref().map(|fall| fall.person.pid), at(&later));
        }
    }

    /// Whatever the observations, explaining them says something and does not panic.
    #[test]
    fn anything_is_explained(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..120),
        factor in prop_oneof![Just(1_u64), Just(0), Just(u64::MAX), Just(1 << 40)],
        order in prop_oneof![Just(0), -2..40_i32, Just(i32::MIN)],
    ) {
        let all: Vec<Observation> = made_up::scenarios().into_iter().flat_map(|(_, all)| all).collect();
        let mut observations: Vec<Observation> = picks.iter().map(|pick| pick.get(&all).clone()).collect();
        for observation in &mut observations {
            grow(observation, factor, order);
        }
        let info = made_up::info();
        for episode in made_up::assemble(&info, &observations) {
            for changes in [&[][..], &["limit=1"], &["limit=18446744073709551615"], &["adj:*=1000"], &["kill:*"], &["adj:*=-1000"]] {
                let changes: Vec<Change> = changes.iter().map(|text| text.parse().expect("it is one")).collect();
                let Ok(explanation) = explain(&episode, &info, &changes) else { continue };
                let text = terminal::explanation(&explanation, OPTIONS);
                prop_assert!(text.starts_with('#'), "{}", text);
                prop_assert!(json::explanation(&explanation).is_ok());
            }
        }
    }
}

/// Makes numbers as large as damage can.
fn grow(observation: &mut Observation, factor: u64, order: i32) {
    let large = |number: &mut Option<u64>| *number = number.map(|number| number.saturating_mul(factor));
    match observation {
        Observation::Opened(opened) => opened.order = Some(order),
        Observation::MemcgLevel(level) => {
            large(&mut level.usage_pages);
            large(&mut level.max_pages);
        }
        Observation::Candidates(run) => {
            for candidate in &mut run.tasks {
                if let Some(memory) = &mut candidate.memory {
                    large(&mut memory.rss_anon_pages);
                    large(&mut memory.rss_file_pages);
                }
                if let Score::Points(points) = &mut candidate.score {
                    *points = points.saturating_mul(i64::try_from(factor).unwrap_or(i64::MIN));
                }
            }
        }
        Observation::Choice(choice) => large(&mut choice.totalpages),
        Observation::Closed(closed) => large(&mut closed.totalpages),
        _ => {}
    }
}

#[test]
fn the_points_of_the_test_are_the_kernels() {
    assert_eq!(badness::adj_pages(-37, 131_072) + 500, 500 - 37 * 131);
    assert_eq!(victim(&[(500, 0), (500, 0), (1, -1000)], 1), Some(1));
}
