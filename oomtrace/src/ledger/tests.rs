//! Made-up sessions against the counters that a kernel would have.

use crate::made_up::{self, CONTAINER, HALF_GIB, KUBEPODS, MS, POD, Pass, START, memory, scored, task};
use crate::model::ledger::{CgroupLedger, Ledger, Reason};
use crate::model::observation::*;
use crate::model::session::Hook;
use crate::model::{Name, Observation, SessionEnd, SessionInfo};

use super::Keeper;

const HOOKED: [&str; 3] = ["__oom_kill_process", "mark_oom_victim", "signal:signal_generate"];

fn info(counted_before: Option<u64>, hooks: &[&str]) -> SessionInfo {
    let hook = |target: &&str| Hook { target: (*target).into(), kind: "fentry".into(), missing: None };
    SessionInfo {
        vmstat_oom_kills: counted_before,
        hooks: hooks.iter().map(hook).collect(),
        ..made_up::info()
    }
}

fn end(counted_after: Option<u64>) -> SessionEnd {
    SessionEnd { boot_ns: START + 200_000 * MS, vmstat_oom_kills: counted_after, ..SessionEnd::default() }
}

/// The ledger of a session whose kernel had counted seven kills before, and counts `counted` in it.
fn ledger(observations: &[Observation], counted: u64, lost: Lost) -> Ledger {
    with_hooks(observations, counted, lost, &HOOKED)
}

fn with_hooks(observations: &[Observation], counted: u64, lost: Lost, hooks: &[&str]) -> Ledger {
    keep(&info(Some(7), hooks), observations, Some(&end(Some(7 + counted))), lost)
}

fn keep(info: &SessionInfo, observations: &[Observation], end: Option<&SessionEnd>, lost: Lost) -> Ledger {
    let mut keeper = Keeper::new(info);
    observations.iter().for_each(|observation| keeper.observation(observation));
    made_up::assemble(info, observations).iter().for_each(|episode| keeper.episode(episode));
    keeper.close(end, lost, |cgroup| Some(Name::from(format!("/{cgroup}").as_str())))
}

fn victim(pid: i32) -> Candidate {
    scored(task(pid, "worker", 0, CONTAINER), memory(9_000, 10), HALF_GIB)
}

fn pass(episode: u64, at_ms: u64) -> Pass {
    Pass::memcg(episode, at_ms, task(1000, "worker", 0, CONTAINER), HALF_GIB)
}

fn gone(pid: i32) -> Candidate {
    Candidate { memory: None, flags: TaskFlags(TaskFlags::NO_MM), ..victim(pid) }
}

/// The record of the visit alone.
fn visit(mut pass: Pass, victim: &Candidate) -> Pass {
    let whole = pass.observations.len() + 1;
    pass = pass.kill(victim);
    pass.observations.truncate(whole);
    pass
}

#[test]
fn one_kill_is_one_kill() {
    let found = ledger(&made_up::one_kill(), 1, Lost::default());
    assert_eq!((found.counted, found.captured, found.processes, found.missed()), (Some(1), 1, 1, Some(0)));
    assert_eq!((found.shared_mm, found.exiting, found.reasons.len()), (0, 0, 0));
}

#[test]
fn the_first_of_a_group_is_counted_twice() {
    let found = ledger(&made_up::group_kill(), 5, Lost::default());
    assert_eq!((found.captured, found.processes, found.missed()), (5, 4, Some(0)));
}

#[test]
fn sharers_and_the_dying_are_victims_that_the_kernel_does_not_count() {
    let shared = ledger(&made_up::global(), 1, Lost::default());
    assert_eq!((shared.captured, shared.shared_mm, shared.missed()), (1, 1, Some(0)));
    let exiting = ledger(&made_up::already_exiting(), 0, Lost::default());
    assert_eq!((exiting.captured, exiting.exiting, exiting.missed()), (0, 1, Some(0)));
}

#[test]
fn a_visit_that_finds_no_address_space_is_not_counted() {
    let member = gone(12);
    let visited = visit(pass(1, 10).choose(&victim(11)).kill(&victim(11)), &member).close(Chosen::Task, true);
    let found = ledger(&visited.observations, 1, Lost::default());
    assert_eq!((found.captured, found.exiting), (1, 1));
    // Another thread of it had one after all: the kernel signalled it.
    let signalled = pass(1, 10).choose(&member).kill(&member).close(Chosen::Task, true);
    assert_eq!(ledger(&signalled.observations, 1, Lost::default()).captured, 1);
}

#[test]
fn a_visit_that_nothing_followed_counts_only_where_that_may_have_been_missed() {
    let silent = |lost: Lost| {
        let pass = visit(pass(1, 10).choose(&victim(11)), &victim(11));
        let pass = pass.close_as(|closed| {
            closed.chosen = Some(Chosen::Task);
            closed.lost = lost;
        });
        pass.observations
    };
    assert_eq!(ledger(&silent(Lost::default()), 0, Lost::default()).captured, 0);
    let lossy = Lost { records: 2, ..Lost::default() };
    assert_eq!(ledger(&silent(lossy), 1, lossy).captured, 1);
    let only_kills = with_hooks(&silent(Lost::default()), 1, Lost::default(), &["__oom_kill_process"]);
    assert_eq!(only_kills.captured, 1);
}

#[test]
fn without_the_record_of_the_visit_a_signal_with_its_mark_is_as_good() {
    let mut observations = made_up::group_kill();
    observations.retain(|observation| !matches!(observation, Observation::Kill(_)));
    let found = with_hooks(&observations, 5, Lost::default(), &HOOKED[1..]);
    assert_eq!((found.captured, found.processes, found.missed()), (5, 4, Some(0)));
    // The signal that no mark follows is a sharer's.
    let shared =
        made_up::global().into_iter().filter(|o| !matches!(o, Observation::Kill(_))).collect::<Vec<_>>();
    assert_eq!(with_hooks(&shared, 1, Lost::default(), &HOOKED[1..]).captured, 1);
}

#[test]
fn what_is_missed_has_its_likely_reason() {
    let reasons = |lost: Lost, hooks: &[&str]| {
        let found = with_hooks(&made_up::one_kill(), 3, lost, hooks);
        assert_eq!(found.missed(), Some(2));
        found.reasons
    };
    let counted = Lost { missed_runs: Some(0), ..Lost::default() };
    assert_eq!(reasons(counted, &HOOKED), [Reason::UnderWay]);
    assert_eq!(reasons(Lost::default(), &HOOKED), [Reason::UnderWay, Reason::RunsUnknown]);
    assert_eq!(reasons(Lost { records: 9, ..counted }, &HOOKED), [Reason::RecordsLost]);
    assert_eq!(reasons(Lost { rejected: 1, ..counted }, &HOOKED), [Reason::RecordsLost]);
    assert_eq!(reasons(Lost { missed_runs: Some(1), ..counted }, &HOOKED), [Reason::RunsMissed]);
    assert_eq!(reasons(Lost { unclosed: 1, ..counted }, &HOOKED), [Reason::RunsMissed]);
    assert_eq!(reasons(Lost { unclosed: 1, records: 1, ..counted }, &HOOKED), [Reason::RecordsLost]);
    assert_eq!(
        reasons(Lost { missed_runs: Some(1), records: 1, ..counted }, &HOOKED),
        [Reason::RecordsLost, Reason::RunsMissed]
    );
    assert_eq!(reasons(counted, &HOOKED[1..]), [Reason::NotHooked]);
    // Candidates are lost first, and explain no missing kill.
    assert_eq!(reasons(Lost { candidates: 500, ..counted }, &HOOKED), [Reason::UnderWay]);
}

#[test]
fn what_is_not_known_is_not_zero() {
    let observations = made_up::one_kill();
    for (before, after) in [(None, Some(9)), (Some(7), None), (Some(7), Some(6))] {
        let found = keep(&info(before, &HOOKED), &observations, Some(&end(after)), Lost::default());
        assert_eq!((found.counted, found.missed(), found.captured), (None, None, 1), "{before:?} {after:?}");
    }
    let cut_off = keep(&info(Some(7), &HOOKED), &observations, None, Lost::default());
    assert_eq!((cut_off.counted, cut_off.captured), (None, 1));
}

#[test]
fn kills_beside_the_span_of_the_counter_are_not_claimed() {
    let kill =
        |episode, at_ms| pass(episode, at_ms).choose(&victim(11)).kill(&victim(11)).close(Chosen::Task, true);
    let mut early = kill(1, 0).observations;
    for observation in &mut early {
        // One millisecond before the look at the counter.
        if let Observation::Kill(kill) = observation {
            kill.at.boot_ns = START - MS;
        }
    }
    let observations = [early, kill(2, 100).observations, kill(3, 200_001).observations].concat();
    let found = ledger(&observations, 1, Lost::default());
    assert_eq!((found.captured, found.missed()), (1, Some(0)));
}

#[test]
fn kills_behind_the_last_wanted_episode_are_in_the_end() {
    let mut end = end(Some(10));
    end.kills_left = Some(2);
    let found = keep(&info(Some(7), &HOOKED), &made_up::one_kill(), Some(&end), Lost::default());
    assert_eq!((found.captured, found.missed()), (3, Some(0)));
}

#[test]
fn a_pass_whose_return_was_lost_is_settled_by_the_next_one_and_by_the_end() {
    let open =
        |episode, at_ms, pid| pass(episode, at_ms).choose(&victim(pid)).kill(&victim(pid)).observations;
    let observations = [open(1, 10, 11), open(2, 20, 12)].concat();
    assert_eq!(ledger(&observations, 2, Lost::default()).captured, 2);
}

/// The chain's counters at one entry: of the container, the pod and the root.
fn levels(episode: u64, counters: [Option<u64>; 3]) -> Vec<Observation> {
    let at = Stamp { boot_ns: START + episode * MS, episode };
    let cgroups = [CONTAINER, POD, KUBEPODS];
    let level = |(level, (cgroup, oom_kills)): (u32, (u64, Option<u64>))| {
        Observation::MemcgLevel(MemcgLevel { at, level, cgroup, oom_kills, ..MemcgLevel::default() })
    };
    (0..).zip(cgroups.into_iter().zip(counters)).map(level).collect()
}

#[test]
fn cgroups_that_counted_more_than_was_captured_are_named() {
    let kill = |episode: u64, pid| {
        let pass =
            pass(episode, episode * 10).choose(&victim(pid)).kill(&victim(pid)).close(Chosen::Task, true);
        pass.observations
    };
    let told = |last: [Option<u64>; 3], version| {
        let observations = [
            made_up::cgroups(),
            levels(1, [Some(4), Some(40), Some(0)]),
            kill(1, 11),
            levels(2, [Some(5), Some(41), Some(0)]),
            kill(2, 12),
            levels(3, last),
            kill(3, 13),
        ];
        let info = SessionInfo { cgroup_version: Some(version), ..info(Some(7), &HOOKED) };
        let found = keep(&info, &observations.concat(), Some(&end(Some(10))), Lost::default());
        (found.cgroups_compared, found.cgroups)
    };
    let of = |cgroup: u64, counted, captured| CgroupLedger {
        path: Some(Name::from(format!("/{cgroup}").as_str())),
        counted,
        captured,
    };
    // The last kill came after the last look at the counters.
    assert_eq!(told([Some(6), Some(42), Some(0)], 2), (1, vec![]));
    assert_eq!(told([Some(6), Some(45), Some(0)], 2), (1, vec![of(POD, 5, 2)]));
    assert_eq!(told([Some(9), None, Some(0)], 2), (1, vec![of(CONTAINER, 5, 2)]));
    // On cgroup v1 a cgroup counts what dies in itself.
    assert_eq!(told([Some(6), Some(41), None], 1).1, vec![of(POD, 1, 0)]);
}

#[test]
fn a_dying_process_is_told_once() {
    let killed = pass(1, 10).choose(&victim(11)).kill(&victim(11)).close(Chosen::Task, true);
    let marked = |episode: u64, pid| {
        let pass = pass(episode, episode * 9_000).mark(&victim(pid).task).close_as(|closed| {
            closed.totalpages = None;
            closed.constraint = None;
        });
        pass.observations
    };
    // So long after each other that they are episodes of their own.
    let observations = [killed.observations, marked(2, 11), marked(3, 12), marked(4, 12)].concat();
    assert_eq!(made_up::assemble(&made_up::info(), &observations).len(), 4);
    assert_eq!(ledger(&observations, 1, Lost::default()).exiting, 1);
}
