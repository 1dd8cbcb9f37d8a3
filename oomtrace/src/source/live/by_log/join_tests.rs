//! Sequences of the log and of tracepoints, and what the assembler makes of what comes out.

use std::collections::VecDeque;

use super::join::Join;
use crate::assemble::Assembler;
use crate::model::SourceKind;
use crate::model::episode::{Episode, Outcome};
use crate::model::observation::{
    Candidate, Choice, Clock, Exited, Kill, Marked, Memory, Observation, Reaper, ReaperStage, Signal, Stamp,
    Task,
};
use crate::model::report::Report;
use crate::model::{Name, SessionInfo};
use crate::source::klog::Klog;

const MS: u64 = 1_000_000;
const S: u64 = 1000 * MS;

/// A log and tracepoints, joined and assembled.
struct Feed {
    join: Join,
    out: VecDeque<Observation>,
    assembler: Assembler,
    episodes: Vec<Episode>,
}

impl Feed {
    fn new() -> Self {
        let info = SessionInfo {
            kernel_release: Some("6.18.0".into()),
            log_clock: None,
            ..Klog::new(SourceKind::Log, Default::default()).head()
        };
        Self {
            join: Join::default(),
            out: VecDeque::new(),
            assembler: Assembler::new(&info),
            episodes: Vec::new(),
        }
    }

    fn logged(&mut self, observation: Observation) {
        self.join.logged(observation, &mut self.out);
        self.assemble();
    }

    fn traced(&mut self, observation: Observation) {
        self.join.traced(observation, &mut self.out);
        self.assemble();
    }

    fn tick(&mut self, now: u64, reading: bool) {
        self.join.tick(now, reading, &mut self.out);
        self.assemble();
        self.episodes.extend(self.assembler.push(Observation::Clock(Clock { boot_ns: now })));
    }

    fn assemble(&mut self) {
        for observation in self.out.drain(..) {
            self.episodes.extend(self.assembler.push(observation));
        }
    }

    /// A report of the log's reader: a kill of each of these at these times.
    fn report(&mut self, number: u64, kills: &[(i32, u64)], mut report: Report) {
        let at = |boot_ns| Stamp { boot_ns, episode: number };
        if let Some(&(tid, ns)) = kills.first() {
            self.logged(Observation::Choice(choice(at(ns - MS), tid)));
        }
        for &(tid, ns) in kills {
            self.logged(Observation::Kill(Kill { at: at(ns), victim: candidate(tid), message: None }));
            let comm = Name::from("victim");
            self.logged(Observation::Signal(Signal { at: at(ns), tid, comm, result: None }));
        }
        report.at = at(kills.last().map_or(0, |&(_, ns)| ns));
        self.logged(Observation::Report(report));
    }
}

fn candidate(pid: i32) -> Candidate {
    Candidate {
        task: Task { pid, tid: pid, comm: Name::from("victim"), ..Task::default() },
        ..Candidate::default()
    }
}

fn choice(at: Stamp, pid: i32) -> Choice {
    Choice {
        at,
        chosen: candidate(pid),
        chosen_points: None,
        totalpages: None,
        constraint: None,
        message: None,
    }
}

fn outside(boot_ns: u64) -> Stamp {
    Stamp { boot_ns, episode: 0 }
}

fn marked(tid: i32, boot_ns: u64) -> Observation {
    let memory = Memory { rss_anon_pages: Some(7), ..Memory::default() };
    let comm = Some(Name::from("marked"));
    Observation::Marked(Marked {
        at: outside(boot_ns),
        tid,
        comm,
        uid: Some(9),
        memory: Some(memory),
        ..Marked::default()
    })
}

fn exited(pid: i32, boot_ns: u64) -> Observation {
    Observation::Exited(Exited { at: outside(boot_ns), pid })
}

fn reaper(stage: ReaperStage, tid: i32, boot_ns: u64, episode: u64, after: Option<Memory>) -> Observation {
    Observation::Reaper(Reaper { at: Stamp { boot_ns, episode }, stage, tid, before: None, after })
}

#[test]
fn marks_and_exits_that_come_first_wait_for_their_reports() {
    let mut feed = Feed::new();
    // Two reports in quick succession, read after everything else has happened.
    feed.traced(marked(10, S));
    feed.traced(exited(10, S + 4 * MS));
    feed.traced(marked(20, S + 5 * MS));
    feed.traced(exited(20, S + 9 * MS));
    feed.tick(S + 200 * MS, true);
    assert!(feed.episodes.is_empty());
    feed.report(7, &[(10, S + MS)], Report::default());
    feed.report(9, &[(20, S + 6 * MS)], Report::default());
    let told: Vec<_> = feed.episodes.iter().map(|e| (e.id, e.outcome, e.victims[0].task.pid)).collect();
    assert_eq!(told, [(1, Outcome::Killed, 10), (2, Outcome::Killed, 20)]);
    for (episode, (marked, gone)) in feed.episodes.iter().zip([(S, S + 4 * MS), (S + 5 * MS, S + 9 * MS)]) {
        let victim = &episode.victims[0];
        // The signal is sent just before the mark, whose time is exact.
        assert_eq!(
            (victim.killed_ns, victim.marked_ns, victim.exited_ns),
            (Some(marked), Some(marked), Some(gone))
        );
    }
}

#[test]
fn a_group_and_the_reaper() {
    let mut feed = Feed::new();
    for tid in [10, 11] {
        feed.traced(marked(tid, S + MS));
    }
    feed.report(1, &[(10, S + 2 * MS), (11, S + 3 * MS)], Report::default());
    feed.traced(reaper(ReaperStage::Start, 10, S + 2000 * MS, 0, None));
    feed.traced(reaper(ReaperStage::Finish, 10, S + 2010 * MS, 0, None));
    // The log is read later, and its clock is not as exact.
    let left = Memory { rss_anon_pages: Some(0), ..Memory::default() };
    feed.logged(reaper(ReaperStage::Finish, 10, S + 2013 * MS, 1, Some(left)));
    feed.traced(exited(11, S + 2500 * MS));
    feed.traced(exited(10, S + 2600 * MS));
    assert_eq!(feed.episodes.len(), 1);
    assert_eq!(feed.episodes[0].outcome, Outcome::GroupKilled);
    let reaped = feed.episodes[0].victims[0].reaped.unwrap();
    assert_eq!((reaped.started_ns, reaped.finished_ns), (Some(S + 2000 * MS), Some(S + 2010 * MS)));
    assert_eq!(reaped.after, Some(left));
}

#[test]
fn a_mark_without_a_report_is_a_pass_by_a_dying_task() {
    let mut feed = Feed::new();
    feed.traced(marked(10, S));
    assert_eq!(feed.join.deadline_ns(), Some(S + 300 * MS));
    feed.tick(S + 299 * MS, false);
    feed.tick(S + 400 * MS, true);
    assert!(feed.episodes.is_empty(), "a report is being read");
    feed.tick(S + 400 * MS, false);
    feed.traced(exited(10, S + 500 * MS));
    let [episode] = &feed.episodes[..] else { panic!("{:?}", feed.episodes) };
    assert_eq!((episode.outcome, episode.lost.any()), (Outcome::AlreadyExiting, false));
    let victim = &episode.victims[0];
    assert_eq!((victim.task.pid, &victim.task.comm[..], victim.task.uid), (10, &b"marked"[..], Some(9)));
    assert_eq!(victim.memory.and_then(|memory| memory.rss_anon_pages), Some(7));
    assert_eq!((victim.marked_ns, victim.exited_ns), (Some(S), Some(S + 500 * MS)));
}

#[test]
fn a_mark_whose_report_may_have_been_overwritten_has_no_outcome() {
    let mut feed = Feed::new();
    feed.traced(marked(10, S));
    feed.join.missed(S + 100 * MS);
    feed.tick(S + 400 * MS, false);
    feed.traced(exited(10, S + 500 * MS));
    assert_eq!(feed.episodes[0].outcome, Outcome::Incomplete);
    assert_eq!((feed.episodes[0].lost.reports, feed.join.overwritten()), (1, 1));
}

#[test]
fn a_report_without_the_line_of_its_kill_is_a_kill_when_the_chosen_one_was_marked() {
    let mut feed = Feed::new();
    feed.traced(marked(10, S + 2 * MS));
    let at = Stamp { boot_ns: S, episode: 3 };
    feed.logged(Observation::Choice(choice(at, 10)));
    feed.logged(Observation::Report(Report { at, cut: true, ..Report::default() }));
    feed.traced(exited(10, S + 5 * MS));
    assert_eq!(feed.episodes[0].outcome, Outcome::Killed);
    assert_eq!(feed.episodes[0].victims[0].killed_ns, Some(S + 2 * MS));
}

#[test]
fn a_clock_that_is_off_is_put_right_by_a_mark() {
    for off in [
        -30 * i64::try_from(S).unwrap(),
        3 * i64::try_from(MS).unwrap() - i64::try_from(S).unwrap(),
        3 * i64::try_from(MS).unwrap(),
        40_000_000_000,
    ] {
        let mut feed = Feed::new();
        let (mark_ns, line_ns) = (100 * S, (100 * S + MS).checked_add_signed(off).unwrap());
        feed.traced(marked(10, mark_ns));
        feed.report(1, &[(10, line_ns)], Report::default());
        feed.traced(exited(10, mark_ns + 9 * MS));
        let [episode] = &feed.episodes[..] else { panic!("off by {off}: {:?}", feed.episodes) };
        assert_eq!(episode.victims[0].exited_ns, Some(mark_ns + 9 * MS), "off by {off}");
        assert_eq!(episode.opened_ns, Some(mark_ns - MS), "off by {off}");
    }
}

#[test]
fn nothing_grows_without_bounds() {
    let mut feed = Feed::new();
    for number in 0..5_000 {
        feed.traced(marked(number, S));
        feed.traced(exited(30_000 + number, S));
        feed.tick(S, true);
    }
    assert!(feed.join.waiting() <= 2 * 4096 + 2, "{}", feed.join.waiting());
    feed.join.finish(&mut feed.out);
    feed.assemble();
    feed.episodes.extend(feed.assembler.finish());
    assert_eq!(feed.episodes.len(), 5_000);
}
