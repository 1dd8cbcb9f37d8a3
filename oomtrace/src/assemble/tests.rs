//! Made-up observations to episodes.

use proptest::prelude::*;

use crate::made_up::{
    self, CONTAINER, HALF_GIB, MS, Pass, START, assemble, clock, info, memory, scored, task,
};
use crate::model::episode::*;
use crate::model::observation::*;
use crate::model::session::Hook;
use crate::model::{Name, Observation, SessionInfo};

use super::Assembler;
use super::open::PASS_DEADLINE_NS;

fn only(observations: &[Observation]) -> Episode {
    let episodes = assemble(&info(), observations);
    assert_eq!(episodes.len(), 1, "{episodes:#?}");
    episodes.into_iter().next().expect("there is one")
}

fn verdicts(episode: &Episode) -> Vec<(i32, Verdict)> {
    episode.candidates.iter().map(|candidate| (candidate.task.pid, candidate.verdict)).collect()
}

#[test]
fn names_are_known_at_the_end_of_an_episode_and_later() {
    let called = |episode: &Episode| -> Vec<String> {
        let cgroup = episode.victims[0].task.cgroup.as_ref().expect("it has one");
        let called = episode.owner(cgroup).1;
        [called.namespace, called.pod, called.container]
            .into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect()
    };
    let all = made_up::named::named_places();
    let pod = "checkout-7d9c5b8f6d-x2k4p";
    let found: Vec<_> = assemble(&info(), &all).iter().map(called).collect();
    // The last one was told between the return and the exit.
    assert_eq!(found, [vec!["shop", pod, "app"], vec!["shop", pod, "app"], vec!["web-1"]]);
    let without: Vec<Observation> =
        all.into_iter().filter(|it| !matches!(it, Observation::Named(_))).collect();
    assert!(assemble(&info(), &without).iter().all(|episode| called(episode).is_empty()));
    // An episode has the names of its own cgroups and no others.
    let names = |episode: &Episode| episode.names.all().len();
    assert_eq!(
        assemble(&info(), &made_up::named::named_places()).iter().map(names).collect::<Vec<_>>(),
        [2, 2, 1]
    );
}

#[test]
fn one_kill() {
    let episode = only(&made_up::one_kill());
    assert_eq!(episode.outcome, Outcome::Killed);
    assert_eq!((episode.scope, episode.constraint), (Some(Scope::Memcg), Some(Constraint::Memcg)));
    assert_eq!(
        verdicts(&episode),
        [
            (48121, Verdict::Chosen),
            (48119, Verdict::Outscored),
            (48122, Verdict::Outscored),
            (48125, Verdict::Outscored),
            (48001, Verdict::Unkillable(Reason::AdjMin)),
        ]
    );
    let [victim] = &episode.victims[..] else { panic!("{:?}", episode.victims) };
    assert_eq!((victim.task.pid, victim.why), (48121, VictimWhy::Chosen));
    for ns in [victim.killed_ns, victim.marked_ns, victim.released_ns, victim.exited_ns] {
        assert!(ns > episode.opened_ns);
    }
    assert_eq!(victim.reaped, None);
    assert_eq!(episode.memcg.iter().filter(|level| level.limiting).count(), 1);
    assert_eq!(episode.memcg[2].path, Some(Name::from("/kubepods")));
    assert_eq!(episode.memcg[3].path, Some(Name::from("/")));
    assert!(episode.candidates.iter().all(|c| c.explained.is_none_or(|explained| explained.difference == 0)));
    assert!(!episode.scorer_silent);
}

#[test]
fn the_episode_is_given_out_when_its_victim_is_gone_not_before() {
    let mut assembler = Assembler::new(&info());
    let observations = made_up::one_kill();
    let (last, before) = observations.split_last().expect("there are some");
    assert!(before.iter().all(|observation| assembler.push(observation.clone()).is_empty()));
    assert!(assembler.next_deadline_ns().is_some());
    assert_eq!(assembler.push(last.clone()).len(), 1);
    assert_eq!(assembler.next_deadline_ns(), None);
    assert!(assembler.finish().is_empty());
}

#[test]
fn aborted_scans_are_folded_into_the_kill_they_wait_for() {
    let episode = only(&made_up::storm());
    assert_eq!((episode.id, episode.outcome, episode.folded.aborted_scans), (1, Outcome::Killed, 12));
    let (first, last) = episode.folded.span_ns.expect("there were some");
    assert!(START + 22_420 * MS == first && last > first);
}

#[test]
fn an_aborted_scan_without_its_kill_stands_alone() {
    let pass = Pass::memcg(1, 10, task(7, "waiter", 0, CONTAINER), HALF_GIB);
    let pass =
        pass.scan(vec![scored(task(8, "x", 0, CONTAINER), memory(10, 0), HALF_GIB)]).close_as(|closed| {
            closed.chosen = Some(Chosen::Aborted);
            closed.blocker = Some(99);
        });
    let episode = only(&pass.observations);
    assert_eq!((episode.outcome, episode.blocker), (Outcome::Skipped, Some(99)));
    assert_eq!(verdicts(&episode), [(8, Verdict::Outscored)]);
}

#[test]
fn a_group_is_killed_once_each() {
    let episode = only(&made_up::group_kill());
    assert_eq!(episode.outcome, Outcome::GroupKilled);
    let victims: Vec<_> = episode.victims.iter().map(|victim| (victim.task.pid, victim.why)).collect();
    assert_eq!(
        victims,
        [
            (48121, VictimWhy::Chosen),
            (48119, VictimWhy::Group),
            (48122, VictimWhy::Group),
            (48125, VictimWhy::Group),
        ]
    );
}

#[test]
fn a_group_of_one_is_just_killed() {
    let victim = scored(task(5, "alone", 0, CONTAINER), memory(100, 0), HALF_GIB);
    let pass = Pass::memcg(1, 10, victim.task.clone(), HALF_GIB).scan(vec![victim.clone()]).choose(&victim);
    let pass = pass.kill(&victim).kill(&victim).close(Chosen::Task, true).exit(5, 3);
    let episode = only(&pass.observations);
    assert_eq!((episode.outcome, episode.victims.len()), (Outcome::Killed, 1));
}

#[test]
fn sharers_and_the_reaper() {
    let episode = only(&made_up::global());
    let [linker, helper] = &episode.victims[..] else { panic!("{:?}", episode.victims) };
    assert_eq!((linker.why, linker.task.pid, linker.task.tid), (VictimWhy::Chosen, 3207, 3211));
    let reaped = linker.reaped.expect("the reaper was there");
    assert!(!reaped.skipped && reaped.finished_ns > reaped.started_ns);
    assert_eq!((helper.why, helper.task.pid, helper.memory), (VictimWhy::SharedMm, 3300, None));
    assert!(helper.killed_ns.is_some() && helper.exited_ns.is_some());
    let reasons = |wanted| episode.candidates.iter().filter(|c| c.verdict == wanted).count();
    assert_eq!(reasons(Verdict::PassedOver(Reason::Kthread)), 88);
    assert_eq!(reasons(Verdict::PassedOver(Reason::Init)), 1);
    assert_eq!(reasons(Verdict::Unkillable(Reason::AdjMin)), 2);
}

#[test]
fn fruitless_searches_are_folded() {
    let episode = only(&made_up::none_killable());
    assert_eq!((episode.outcome, episode.folded.repeats), (Outcome::NoneKillable, 2));
    assert!(episode.victims.is_empty());
}

#[test]
fn fruitless_searches_of_others_are_not() {
    let mut observations = Vec::new();
    for (episode, trigger) in [(1, 7), (2, 8)] {
        let pass = Pass::memcg(episode, episode, task(trigger, "t", -1000, CONTAINER), 5120);
        observations.extend(pass.close(Chosen::Nobody, false).observations);
    }
    let episodes = assemble(&info(), &observations);
    assert_eq!(
        episodes.iter().map(|e| (e.id, e.outcome)).collect::<Vec<_>>(),
        [(1, Outcome::NoneKillable), (2, Outcome::NoneKillable)]
    );
}

#[test]
fn a_dying_trigger() {
    let episode = only(&made_up::already_exiting());
    assert_eq!(episode.outcome, Outcome::AlreadyExiting);
    let [victim] = &episode.victims[..] else { panic!("{:?}", episode.victims) };
    assert_eq!((victim.task.pid, victim.why, victim.killed_ns), (48121, VictimWhy::Exiting, None));
    assert_eq!(victim.task.comm, Name::from("gunicorn"));
    assert!(victim.exited_ns.is_some());
}

#[test]
fn a_dying_trigger_whose_second_mark_is_not_seen() {
    let pass =
        Pass::enter(1, 5, task(9, "late", 0, CONTAINER), made_up::GFP_KERNEL_ACCOUNT, 0, Some(CONTAINER));
    let episode = only(&pass.close(Chosen::Nobody, true).observations);
    assert_eq!(episode.outcome, Outcome::AlreadyExiting);
    assert_eq!(episode.victims[0].task.pid, 9);
}

#[test]
fn a_chosen_one_that_is_dying() {
    let victim = scored(task(5, "dying", 0, CONTAINER), memory(100, 0), HALF_GIB);
    let pass =
        Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).scan(vec![victim.clone()]).choose(&victim);
    let pass = pass.mark(&victim.task).close(Chosen::Task, true).exit(5, 4);
    let episode = only(&pass.observations);
    assert_eq!(episode.outcome, Outcome::AlreadyExiting);
    assert_eq!((episode.victims[0].why, episode.victims[0].memory), (VictimWhy::Exiting, victim.memory));
    assert_eq!(verdicts(&episode), [(5, Verdict::Chosen)]);
}

#[test]
fn passes_of_a_dying_victim_are_folded() {
    let mut all = made_up::one_kill();
    let tail = all.split_off(all.len() - 2);
    let again = Pass::enter(2, 22_420, task(48121, "gunicorn", 936, CONTAINER), 0xcc0, 0, Some(CONTAINER));
    all.extend(again.close(Chosen::Nobody, true).observations);
    all.extend(tail);
    let episode = only(&all);
    assert_eq!((episode.outcome, episode.folded.already_exiting), (Outcome::Killed, 1));
}

#[test]
fn freed_and_skipped_are_told_apart_by_the_kernels_own_flags() {
    let outcomes = |info| -> Vec<Outcome> {
        assemble(&info, &made_up::without_scans()).iter().map(|episode| episode.outcome).collect()
    };
    assert_eq!(outcomes(info()), [Outcome::Freed, Outcome::Skipped]);
    let mut without_table = info();
    without_table.gfp_flags.clear();
    assert_eq!(outcomes(without_table), [Outcome::Freed, Outcome::Freed]);
}

#[test]
fn a_silent_scorer_is_told_and_points_are_unknown_not_zero() {
    let episode = only(&made_up::sysrq_with_silent_scorer());
    assert!(episode.scorer_silent);
    assert_eq!(episode.chosen_points, Some(8_236_638));
    let scores: Vec<_> = episode.candidates.iter().map(|c| (c.task.pid, c.verdict, c.score)).collect();
    assert_eq!(
        scores,
        [
            (3207, Verdict::Chosen, Score::Unknown),
            (2001, Verdict::Outscored, Score::Unknown),
            (702, Verdict::Unkillable(Reason::AdjMin), Score::Unkillable),
            (2, Verdict::PassedOver(Reason::Kthread), Score::NotScored),
        ]
    );
}

#[test]
fn without_a_scan_there_are_no_candidates() {
    let episode = only(&made_up::allocating_task());
    assert_eq!(
        (episode.outcome, episode.candidates.len(), episode.scorer_silent),
        (Outcome::Killed, 0, false)
    );
    assert_eq!(episode.victims[0].why, VictimWhy::Chosen);
}

#[test]
fn the_choice_survives_the_loss_of_every_candidate() {
    let victim = scored(task(5, "big", 0, CONTAINER), memory(100_000, 0), HALF_GIB);
    let pass = Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).choose(&victim).kill(&victim);
    let pass = pass.close_as(|closed| {
        closed.chosen = Some(Chosen::Task);
        (closed.evaluated, closed.scored) = (300, 290);
        closed.lost.candidates = 300;
    });
    let episode = only(&pass.exit(5, 8).observations);
    assert_eq!(verdicts(&episode), [(5, Verdict::Chosen)]);
    assert_eq!((episode.candidates[0].scan_index, episode.candidates[0].score), (None, victim.score));
    assert_eq!(episode.lost.candidates, 300);
}

/// The chosen one, as told without the record of the choice.
fn chosen_without_choice(tasks: Vec<Candidate>, evaluated: u32) -> Option<i32> {
    let pass = Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).scan(tasks).close_as(|closed| {
        closed.chosen = Some(Chosen::Task);
        closed.evaluated = evaluated;
    });
    let chosen = only(&pass.observations).candidates.into_iter().find(|c| c.verdict == Verdict::Chosen);
    chosen.map(|candidate| candidate.task.pid)
}

#[test]
fn without_the_choice_the_highest_is_the_chosen_one_if_all_are_known() {
    let rival = |pid, pages| scored(task(pid, "p", 0, CONTAINER), memory(pages, 0), HALF_GIB);
    let tasks = || {
        let protected = made_up::unkillable(task(1005, "p", -1000, CONTAINER), memory(9000, 0));
        vec![rival(1001, 100), rival(1002, 500), rival(1003, 500), rival(1004, 200), protected]
    };
    // Of equals the later one.
    assert_eq!(chosen_without_choice(tasks(), 5), Some(1003));
    // One was lost, and may have been higher.
    assert_eq!(chosen_without_choice(tasks(), 6), None);
    let mut silent = tasks();
    silent[3].score = Score::Unknown;
    assert_eq!(chosen_without_choice(silent, 5), None);
    // Chosen without a score: losses change nothing.
    let mut origin = tasks();
    origin[0].score = Score::NotScored;
    origin[0].flags.0 |= TaskFlags::ORIGIN | TaskFlags::CHOSEN;
    assert_eq!(chosen_without_choice(origin, 6), Some(1001));
}

#[test]
fn a_memcg_whose_id_could_not_be_read_has_no_path() {
    let nameless = CgroupNode { id: 0, parent: None, name: "wrong".into(), path: Some("/wrong".into()) };
    let mut all = made_up::one_kill();
    all.insert(0, Observation::Cgroup(nameless));
    for observation in &mut all {
        match observation {
            Observation::Opened(opened) => opened.memcg = Some(0),
            Observation::MemcgLevel(level) if level.level == 0 => level.cgroup = 0,
            _ => {}
        }
    }
    let with_levels = only(&all);
    all.retain(|observation| !matches!(observation, Observation::MemcgLevel(_)));
    let without_levels = only(&all);
    for episode in [with_levels, without_levels] {
        assert_eq!(episode.scope, Some(Scope::Memcg));
        assert!(episode.memcg[0].limiting && episode.memcg[0].path.is_none());
    }
}

#[test]
fn ties_keep_scan_order_and_the_choice_decides() {
    let twin = |pid| scored(task(pid, "twin", 0, CONTAINER), memory(100, 0), HALF_GIB);
    let pass = Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).scan(vec![
        twin(1001),
        twin(1002),
        twin(1003),
    ]);
    let pass = pass.choose(&twin(1003)).kill(&twin(1003)).close(Chosen::Task, true).exit(1003, 2);
    assert_eq!(
        verdicts(&only(&pass.observations)),
        [(1003, Verdict::Chosen), (1001, Verdict::Outscored), (1002, Verdict::Outscored)]
    );
}

#[test]
fn passes_do_not_overlap_so_the_next_one_ends_an_unclosed_one() {
    let mut all = Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).observations;
    all.extend(made_up::one_kill().into_iter().map(|mut observation| {
        if let Observation::Opened(opened) = &mut observation {
            opened.at.episode = 1;
        }
        observation
    }));
    let mut assembler = Assembler::new(&info());
    let episodes: Vec<Episode> =
        all.iter().flat_map(|observation| assembler.push(observation.clone())).collect();
    assert_eq!(episodes[0].outcome, Outcome::Incomplete);
    assert_eq!(episodes[0].closed_ns, None);
}

#[test]
fn silence_ends_an_unclosed_one() {
    let mut all = Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).observations;
    let mut assembler = Assembler::new(&info());
    all.push(clock(599_000));
    assert!(all.iter().all(|observation| assembler.push(observation.clone()).is_empty()));
    assert_eq!(assembler.push(clock(601_000))[0].outcome, Outcome::Incomplete);
}

#[test]
fn a_pass_that_speaks_again_after_a_long_silence_goes_on() {
    for silence_ms in [45_000, 3_600_000] {
        let mut all = made_up::one_kill();
        let kill = all.iter().position(|o| matches!(o, Observation::Kill(_))).expect("there is one");
        for observation in &mut all[kill..] {
            match observation {
                Observation::Kill(Kill { at, .. })
                | Observation::Signal(Signal { at, .. })
                | Observation::Marked(Marked { at, .. })
                | Observation::Closed(Closed { at, .. })
                | Observation::Exited(Exited { at, .. })
                | Observation::Released(Exited { at, .. }) => at.boot_ns += silence_ms * MS,
                _ => {}
            }
        }
        let episode = only(&all);
        assert_eq!((episode.outcome, episode.victims.len()), (Outcome::Killed, 1), "{silence_ms}");
        assert!(episode.victims[0].exited_ns.is_some());
    }
}

#[test]
fn a_victim_that_does_not_go_is_waited_for_five_seconds() {
    let mut all = made_up::one_kill();
    all.truncate(all.len() - 2);
    let mut assembler = Assembler::new(&info());
    all.push(clock(27_000));
    assert!(all.iter().all(|observation| assembler.push(observation.clone()).is_empty()));
    let episode = assembler.push(clock(27_500)).remove(0);
    assert_eq!((episode.outcome, episode.victims[0].exited_ns), (Outcome::Killed, None));
    // What comes after is nobody's, and makes no new episode.
    let late = Exited { at: Stamp { boot_ns: START + 28_000 * MS, episode: 1 }, pid: 48121 };
    assert!(assembler.push(Observation::Exited(late)).is_empty());
    assert!(assembler.finish().is_empty());
}

/// A session in which releases are seen.
fn info_with_releases() -> SessionInfo {
    let mut info = info();
    info.hooks.push(Hook { target: "exit_oom_victim".into(), kind: "fentry".into(), missing: None });
    info
}

/// As from Linux 6.16 on: the exit of [`made_up::one_kill`], its release `release_ms` after the start.
fn exit_before_release(release_ms: u64) -> (Vec<Observation>, Observation) {
    let mut all = made_up::one_kill();
    let exit = all.pop().expect("there is one");
    let mut release = all.pop().expect("there is one");
    if let Observation::Released(released) = &mut release {
        released.at.boot_ns = START + release_ms * MS;
    }
    all.push(exit);
    (all, release)
}

#[test]
fn a_release_long_after_the_exit_is_waited_for() {
    let (all, release) = exit_before_release(25_000);
    let mut assembler = Assembler::new(&info_with_releases());
    assert!(all.iter().all(|observation| assembler.push(observation.clone()).is_empty()));
    // The victim blocks others until then.
    let waiting = Pass::memcg(2, 24_900, task(48119, "gunicorn", 936, CONTAINER), HALF_GIB);
    let waiting = waiting.close_as(|closed| {
        closed.chosen = Some(Chosen::Aborted);
        closed.blocker = Some(48121);
    });
    assert!(waiting.observations.iter().all(|observation| assembler.push(observation.clone()).is_empty()));
    let episode = assembler.push(release).remove(0);
    assert_eq!(episode.victims[0].released_ns, Some(START + 25_000 * MS));
    assert_eq!(episode.folded.aborted_scans, 1);
}

#[test]
fn a_release_that_never_comes_is_waited_for_five_seconds() {
    let (mut all, _) = exit_before_release(0);
    all.push(clock(27_000));
    let mut assembler = Assembler::new(&info_with_releases());
    assert!(all.iter().all(|observation| assembler.push(observation.clone()).is_empty()));
    let episode = assembler.push(clock(27_500)).remove(0);
    assert!(episode.victims[0].exited_ns.is_some() && episode.victims[0].released_ns.is_none());
}

#[test]
fn releases_that_cannot_be_seen_are_not_waited_for() {
    let (all, _) = exit_before_release(0);
    let mut unhooked = info_with_releases();
    unhooked.hooks.iter_mut().for_each(|hook| hook.missing = Some("no such function".into()));
    for info in [info(), unhooked] {
        let mut assembler = Assembler::new(&info);
        let finished: Vec<Episode> =
            all.iter().flat_map(|observation| assembler.push(observation.clone())).collect();
        assert_eq!(finished.len(), 1);
    }
}

#[test]
fn those_that_are_never_marked_are_not_waited_for() {
    // One of the two shares the memory of the other: it is signalled, and lets go unseen.
    let mut all = made_up::global();
    all.retain(|o| !matches!(o, Observation::Released(released) if released.pid == 3300));
    let mut assembler = Assembler::new(&info_with_releases());
    let finished: Vec<Episode> =
        all.iter().flat_map(|observation| assembler.push(observation.clone())).collect();
    assert_eq!(finished.len(), 1);
}

#[test]
fn an_exit_without_its_episode_finds_its_victim_by_pid() {
    let all: Vec<Observation> = made_up::one_kill()
        .into_iter()
        .map(|mut observation| {
            if let Observation::Exited(o) | Observation::Released(o) = &mut observation {
                o.at.episode = 0;
            }
            observation
        })
        .collect();
    assert!(only(&all).victims[0].exited_ns.is_some());
}

#[test]
fn an_ignored_signal_is_not_a_kill() {
    let victim = scored(task(5, "v", 0, CONTAINER), memory(100, 0), HALF_GIB);
    let mut pass =
        Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).scan(vec![victim.clone()]).choose(&victim);
    let at = Stamp { boot_ns: START + 11 * MS, episode: 1 };
    pass.observations.push(Observation::Kill(Kill { at, victim: victim.clone(), message: None }));
    // To the thread that still had the mm, which no record names.
    let pass = pass.signal(55, "v", 1).close(Chosen::Task, true);
    let episode = only(&pass.observations);
    assert_eq!((episode.victims.len(), episode.victims[0].killed_ns), (1, None));
}

/// A kill record of process 5 and SIGKILLs to `tids` after it.
fn victims_of_signals(tids: &[i32]) -> Vec<(i32, VictimWhy)> {
    let victim = scored(task(5, "v", 0, CONTAINER), memory(100, 0), HALF_GIB);
    let mut pass =
        Pass::memcg(1, 10, task(6, "t", 0, CONTAINER), HALF_GIB).scan(vec![victim.clone()]).choose(&victim);
    let at = Stamp { boot_ns: START + 11 * MS, episode: 1 };
    pass.observations.push(Observation::Kill(Kill { at, victim, message: None }));
    for &tid in tids {
        pass = pass.signal(tid, "v", 0);
    }
    let episode = only(&pass.close(Chosen::Task, true).observations);
    assert!(episode.victims.iter().all(|victim| victim.killed_ns.is_some()));
    episode.victims.iter().map(|victim| (victim.task.pid, victim.why)).collect()
}

#[test]
fn a_second_process_that_is_signalled_shares_the_memory() {
    assert_eq!(victims_of_signals(&[5, 77]), [(5, VictimWhy::Chosen), (77, VictimWhy::SharedMm)]);
}

#[test]
fn a_signal_to_the_thread_that_outlived_its_leader_makes_no_second_victim() {
    assert_eq!(victims_of_signals(&[55]), [(5, VictimWhy::Chosen)]);
    assert_eq!(victims_of_signals(&[55, 55]), [(5, VictimWhy::Chosen)]);
    assert_eq!(victims_of_signals(&[55, 77]), [(5, VictimWhy::Chosen), (77, VictimWhy::SharedMm)]);
}

#[test]
fn an_entry_that_was_lost_leaves_the_rest() {
    let mut all = made_up::one_kill();
    all.retain(|observation| !matches!(observation, Observation::Opened(_)));
    let episode = only(&all);
    assert_eq!((episode.outcome, episode.opened_ns, episode.trigger), (Outcome::Killed, None, None));
    assert_eq!(episode.scope, Some(Scope::Memcg));
}

#[test]
fn unfinished_episodes_are_bounded() {
    let mut assembler = Assembler::new(&info());
    let mut finished = 0;
    for n in 1..3000 {
        let victim = scored(task(n, "v", 0, CONTAINER), memory(100, 0), HALF_GIB);
        let mut pass = Pass::memcg(n as u64, 10, victim.task.clone(), HALF_GIB).choose(&victim).kill(&victim);
        pass = pass.close(Chosen::Task, true);
        for observation in &pass.observations {
            finished += assembler.push(observation.clone()).len();
        }
        assert!(assembler.open.len() <= super::MAX_OPEN);
    }
    assert_eq!(finished + assembler.finish().len(), 2999);
}

/// All observations of all scenarios, each scenario in its own time.
fn everything() -> Vec<Observation> {
    made_up::scenarios().into_iter().flat_map(|(_, observations)| observations).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any part of anything in any order: no panic, nothing twice, and all that is told is of the episodes given.
    #[test]
    fn any_order_is_survived(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..300)) {
        let all = everything();
        let observations: Vec<Observation> = picks.iter().map(|pick| pick.get(&all).clone()).collect();
        let episodes = assemble(&info(), &observations);
        for episode in &episodes {
            let mut pids: Vec<i32> = episode.victims.iter().map(|victim| victim.task.pid).collect();
            pids.sort_unstable();
            pids.dedup();
            prop_assert_eq!(pids.len(), episode.victims.len());
        }
    }

    /// The same sequence gives the same episodes, however it is cut into calls.
    #[test]
    fn it_is_a_function_of_the_sequence(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..120)) {
        let all = everything();
        let observations: Vec<Observation> = picks.iter().map(|pick| pick.get(&all).clone()).collect();
        prop_assert_eq!(assemble(&info(), &observations), assemble(&info(), &observations));
    }
}

/// A kill whose victim exits while another pass, which waits for it, is still scanning: as seen on 6.1.
fn exit_during_a_waiting_pass() -> (Vec<Observation>, Vec<Observation>) {
    let victim = scored(task(5, "hog", 0, CONTAINER), memory(100, 0), HALF_GIB);
    let kill = Pass::memcg(1, 10, victim.task.clone(), HALF_GIB).scan(vec![victim.clone()]);
    let kill = kill.choose(&victim).kill(&victim).close(Chosen::Task, true).exit(5, 8);
    let waiting = Pass::memcg(2, 15, task(7, "waiter", 0, CONTAINER), HALF_GIB);
    let waiting = waiting.close_as(|closed| {
        closed.at.boot_ns = START + 20 * MS;
        closed.chosen = Some(Chosen::Aborted);
        closed.blocker = Some(5);
    });
    let mut waiting = waiting.observations;
    let closed = waiting.pop().into_iter().collect();
    let mut all = kill.observations;
    let exits = all.split_off(all.len() - 2);
    all.extend(waiting);
    all.extend(exits);
    (all, closed)
}

#[test]
fn a_pass_under_way_when_the_victim_exits_is_waited_for() {
    let (mut all, closed) = exit_during_a_waiting_pass();
    all.extend(closed);
    let episode = only(&all);
    assert_eq!((episode.id, episode.outcome, episode.folded.aborted_scans), (1, Outcome::Killed, 1));
}

#[test]
fn a_pass_that_never_returns_does_not_hold_a_kill_back_for_ever() {
    let (all, _) = exit_during_a_waiting_pass();
    let mut assembler = Assembler::new(&info());
    assert!(all.iter().all(|observation| assembler.push(observation.clone()).is_empty()));
    let deadline = assembler.next_deadline_ns().expect("one is waiting");
    assert!(deadline <= START + 20 * MS + PASS_DEADLINE_NS);
    let finished = assembler.push(Observation::Clock(Clock { boot_ns: deadline }));
    assert_eq!(finished.iter().map(|episode| episode.id).collect::<Vec<_>>(), [1]);
}

#[test]
fn points_are_recomputed_by_the_captured_kernels_own_formula() {
    // Scored by the formula of today: 131 pages a step. One of them is root's.
    let candidates = || {
        let mut root = scored(task(70, "root", 0, CONTAINER), memory(20_000, 0), HALF_GIB);
        root.task.uid = Some(0);
        vec![root, scored(task(71, "other", 100, CONTAINER), memory(30_000, 0), HALF_GIB)]
    };
    let explained = |release: Option<&str>| {
        let tasks = candidates();
        let pass = Pass::memcg(1, 10, tasks[1].task.clone(), HALF_GIB).scan(tasks.clone()).choose(&tasks[1]);
        let info = SessionInfo { kernel_release: release.map(str::to_owned), cpus: Some(2), ..info() };
        let episodes = assemble(&info, &pass.close(Chosen::Task, true).observations);
        [70, 71].map(|pid| {
            let of = |it: &&RankedCandidate| it.task.pid == pid;
            let found = episodes[0].candidates.iter().find(of).expect("it was scanned").explained;
            found.map(|it| (it.difference, it.cause))
        })
    };
    for release in ["6.12.117", "4.19.0"] {
        assert_eq!(explained(Some(release)), [Some((0, None)); 2], "{release}");
    }
    // The kernel that gave these points had no bonus, which is what is said of the difference.
    assert_eq!(explained(Some("3.7.0")), [Some((30 * 131, Some(Cause::RootBonus))), Some((0, None))]);
    let bonus = memory(20_000, 0).pgtables_bytes.map(|bytes| (20_000 + bytes / 4096) * 3 / 100);
    let bonus = bonus.and_then(|bonus| i64::try_from(bonus).ok()).expect("page tables are made up");
    assert_eq!(explained(Some("4.4.0")), [Some((bonus, Some(Cause::RootBonus))), Some((0, None))]);
    for release in [Some("2.6.27"), Some("rolling"), None] {
        assert_eq!(explained(release), [None; 2], "{release:?}");
    }
}
