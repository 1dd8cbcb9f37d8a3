//! The finished episode: paths resolved, candidates ranked, victims told with what else is known of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::badness::{Scored, Subject};
use crate::model::Name;
use crate::model::episode::{Episode, MemcgLimit, Outcome, Person, RankedCandidate, Victim, VictimWhy};
use crate::model::names::Names;
use crate::model::observation::{Candidate, Choice, MemcgLevel, Score, Task};
use crate::model::sample::Sample;

use super::Machine;
use super::adjustments::Adjustments;
use super::cgroups::CgroupTable;
use super::fold;
use super::names::NameTable;
use super::open::Open;
use super::rank::{self, Scan};
use super::victims::Entry;
use super::{outcome as rules, victims::Victims};

/// The kernel's message when it kills the trigger without a scan.
const ALLOCATING_TASK: &[u8] = b"oom_kill_allocating_task";

/// What is known beside the episode.
pub(super) struct Tables<'a> {
    pub(super) cgroups: &'a mut CgroupTable,
    pub(super) names: &'a mut NameTable,
    pub(super) adjustments: &'a Adjustments,
}

/// Turns what was seen into an episode.
pub(super) fn episode(
    open: Open,
    outcome: Outcome,
    memory_before: Vec<Arc<Sample>>,
    tables: Tables<'_>,
    machine: Machine,
) -> Episode {
    let Tables { cgroups, names, adjustments } = tables;
    let lost = open.lost();
    // Also of a report without its first line.
    let first_ns = open.report.as_ref().map(|_| open.entered_ns);
    let scope = rules::scope(&open);
    let constraint = rules::constraint(&open);
    let Open {
        id,
        opened,
        mut levels,
        mut evidence,
        mut candidates,
        choice,
        kill_message,
        victims,
        closed,
        report,
        folded,
        ..
    } = open;
    let mut paths = Paths { cgroups, seen: HashMap::default() };

    let chosen = rank::chosen(choice.as_ref(), closed.as_ref(), &candidates);
    let blocker = fold::blocker(&candidates, closed.as_ref()).filter(|_| outcome == Outcome::Skipped);
    let scorer_silent = rank::scorer_silent(choice.as_ref(), closed.as_ref(), &candidates);
    let evaluated = closed.as_ref().map(|closed| closed.evaluated);
    let totalpages = closed.as_ref().and_then(|closed| closed.totalpages);
    let totalpages = totalpages.or_else(|| choice.as_ref().and_then(|choice| choice.totalpages));
    let totalpages =
        totalpages.or_else(|| report.as_ref().and_then(|it| it.totalpages.or(it.totalpages_without_swap)));

    candidates.sort_by_key(|(index, _)| *index);
    let group = outcome == Outcome::GroupKilled;
    let sacrificed = report.is_some() && !group;
    let victims = victims_of(
        victims,
        &candidates,
        choice.as_ref(),
        opened.as_ref().map(|o| &o.trigger),
        sacrificed,
        &mut paths,
    );
    if report.is_some() {
        compute(&mut candidates, totalpages, machine);
    }
    let unseen = unseen_chosen(choice.as_ref(), &candidates, evaluated);
    let scan = Scan { chosen, scope, scorer_silent, computed: report.is_some() };
    let ranked = in_order(&candidates, unseen.as_ref(), scan)
        .into_iter()
        .map(|(index, candidate)| ranked(index, candidate, scan, totalpages, machine, &mut paths))
        .collect::<Vec<_>>();

    levels.sort_by_key(|level| level.level);
    evidence.sort();
    let until_ns =
        choice.as_ref().map(|c| c.at).or(closed.as_ref().map(|c| c.at)).map_or(u64::MAX, |at| at.boot_ns);
    let tasks = ranked.iter().map(|c| &c.task).chain(victims.iter().map(|v| &v.task));
    let tids: HashSet<i32> =
        tasks.flat_map(|task| [task.pid, task.tid]).filter(|&tid| adjustments.knows(tid)).collect();
    let adj_changes = adjustments.of(&tids, until_ns);
    let timed = |ns: Option<u64>| ns.filter(|_| machine.has_times);
    let scan_ns = closed.as_ref().and_then(|closed| closed.first_evaluated_ns.zip(closed.last_evaluated_ns));
    let chosen_ns = choice.as_ref().map(|choice| choice.at.boot_ns);
    let (chosen_points, choice_message) = choice.map_or((None, None), |c| (c.chosen_points, c.message));
    let mut episode = Episode {
        id,
        // Of a log it is when the report begins.
        opened_ns: timed(opened.as_ref().map(|opened| opened.at.boot_ns).or(first_ns)),
        closed_ns: closed.as_ref().map(|closed| closed.at.boot_ns),
        outcome,
        cut_off: false,
        scope,
        constraint,
        trigger: opened.as_ref().map(|opened| paths.person(opened.trigger.clone())),
        gfp_mask: opened.as_ref().and_then(|opened| opened.gfp_mask),
        gfp_names: opened.as_ref().and_then(|opened| opened.gfp_names.clone()),
        order: opened.as_ref().and_then(|opened| opened.order),
        totalpages,
        memcg: memcg(levels, opened.as_ref().and_then(|opened| opened.memcg), &mut paths),
        candidates: ranked,
        evaluated,
        blocker,
        // A log does not tell.
        chosen_ns: chosen_ns.filter(|_| report.is_none()),
        chosen_points,
        message: choice_message.or(kill_message),
        victims: victims
            .into_iter()
            .map(|victim| Victim { killed_ns: timed(victim.killed_ns), ..victim })
            .collect(),
        scan_ns,
        folded,
        scorer_silent,
        stack: evidence.stack,
        situation: evidence.situation,
        nodes: evidence.nodes,
        zones: evidence.zones,
        memcg_stat: evidence.memcg_stat,
        oom_group: evidence.oom_group.and_then(|group| paths.of(group.cgroup)),
        adj_changes,
        memory_before,
        lost,
        report,
        names: Names::default(),
    };
    episode.names = names.of(paths.seen.values().flatten());
    episode
}

/// Scores tasks of a log's table, which has not the kernel's points.
fn compute(candidates: &mut [(u32, Candidate)], totalpages: Option<u64>, machine: Machine) {
    let Some(kernel) = machine.kernel else { return };
    for (_, candidate) in candidates {
        let (Score::Unknown, Some(memory), Some(oom_score_adj)) =
            (candidate.score, candidate.memory, candidate.task.oom_score_adj)
        else {
            continue;
        };
        // Without an adjustment the scale plays no part where points are pages.
        let scale = totalpages.or_else(|| (oom_score_adj == 0 && kernel.scores_in_pages()).then_some(0));
        let subject = Subject { memory, oom_score_adj, sys_admin: candidate.task.uid.map(|uid| uid == 0) };
        let scored = match scale {
            Some(totalpages) => kernel.score(&subject, totalpages),
            None => (oom_score_adj == -1000).then_some(Scored::Unkillable),
        };
        candidate.score = match scored {
            Some(Scored::Points(points)) => Score::Points(points),
            Some(Scored::Unkillable) => Score::Unkillable,
            Some(Scored::NotComparable) | None => Score::Unknown,
        };
    }
}

/// The limiter chain. When its records were lost, the entry still tells whose limit fired.
fn memcg(levels: Vec<MemcgLevel>, limiting: Option<u64>, paths: &mut Paths<'_>) -> Vec<MemcgLimit> {
    let mut chain = Vec::with_capacity(levels.len() + 1);
    if let Some(cgroup) = limiting
        && levels.first().is_none_or(|level| level.level != 0)
    {
        chain.push(MemcgLimit { path: paths.of(cgroup), limiting: true, ..MemcgLimit::default() });
    }
    chain.extend(levels.into_iter().map(|level| MemcgLimit {
        path: paths.of(level.cgroup),
        limiting: level.level == 0,
        usage_pages: level.usage_pages,
        max_pages: level.max_pages,
        high_pages: level.high_pages,
        swap_usage_pages: level.swap_usage_pages,
        swap_max_pages: level.swap_max_pages,
        failcnt: level.failcnt,
        swap_failcnt: level.swap_failcnt,
        min_pages: level.min_pages,
        low_pages: level.low_pages,
        oom_kills: level.oom_kills,
        oom_group: level.oom_group,
        kmem_usage_pages: level.kmem_usage_pages,
    }));
    chain
}

/// The chosen one when the scan's record of it was lost. Not when there was no scan: then nobody was a candidate.
fn unseen_chosen(
    choice: Option<&Choice>,
    scanned: &[(u32, Candidate)],
    evaluated: Option<u32>,
) -> Option<Candidate> {
    let choice = choice?;
    let message = choice.message.as_ref().map_or(&[][..], |message| &message[..]);
    let without_scan = message.windows(ALLOCATING_TASK.len()).any(|window| window == ALLOCATING_TASK);
    let pid = choice.chosen.task.pid;
    if evaluated == Some(0) || without_scan || scanned.iter().any(|(_, c)| c.task.pid == pid) {
        return None;
    }
    let mut chosen = choice.chosen.clone();
    if !matches!(chosen.score, Score::Points(_)) {
        chosen.score = match choice.chosen_points {
            // LONG_MAX stands for "before all others", not for points.
            Some(points) if points != i64::MAX => Score::Points(points),
            Some(_) => Score::NotScored,
            None => Score::Unknown,
        };
    }
    Some(chosen)
}

/// What the scan looked at, and the chosen one if it did not show there, as they are to be shown. Only the keys are sorted:
/// a candidate is large.
fn in_order<'a>(
    scanned: &'a [(u32, Candidate)],
    unseen: Option<&'a Candidate>,
    scan: Scan,
) -> Vec<(Option<u32>, &'a Candidate)> {
    let seen = scanned.iter().map(|(index, candidate)| (Some(*index), candidate));
    let all = || seen.clone().chain(unseen.map(|candidate| (None, candidate)));
    let key = |(index, candidate): (Option<u32>, &Candidate)| {
        let (verdict, score) = rank::verdict(candidate, scan);
        rank::key(verdict, score, index)
    };
    let mut order: Vec<_> = all().enumerate().map(|(position, entry)| (key(entry), position)).collect();
    order.sort_unstable();
    let all: Vec<_> = all().collect();
    order.into_iter().filter_map(|(_, position)| all.get(position).copied()).collect()
}

fn ranked(
    scan_index: Option<u32>,
    candidate: &Candidate,
    scan: Scan,
    totalpages: Option<u64>,
    machine: Machine,
    paths: &mut Paths<'_>,
) -> RankedCandidate {
    let (verdict, score) = rank::verdict(candidate, scan);
    let Candidate { task, memory, flags, .. } = candidate;
    let (memory, flags) = (*memory, *flags);
    let explained = match (score, memory, task.oom_score_adj, totalpages, machine.kernel) {
        (Score::Points(points), Some(memory), Some(oom_score_adj), Some(totalpages), Some(kernel))
            if !scan.computed =>
        {
            // Capabilities are not captured; root has them all unless somebody took them away.
            let subject = Subject { memory, oom_score_adj, sys_admin: task.uid.map(|uid| uid == 0) };
            kernel.explain(points, &subject, totalpages)
        }
        _ => None,
    };
    RankedCandidate { task: paths.person(task.clone()), scan_index, score, memory, flags, verdict, explained }
}

/// The victims, with what the scan, the choice or the entry know of those that no kill record describes.
fn victims_of(
    victims: Victims,
    candidates: &[(u32, Candidate)],
    choice: Option<&Choice>,
    trigger: Option<&Task>,
    sacrificed: bool,
    paths: &mut Paths<'_>,
) -> Vec<Victim> {
    if victims.is_empty() {
        return Vec::new();
    }
    let mut pids: Vec<i32> = victims.entries().iter().map(|entry| entry.pid).collect();
    pids.sort_unstable();
    let is_victim = |candidate: &Candidate| pids.binary_search(&candidate.task.pid).is_ok();
    let of_victims = candidates.iter().map(|(_, c)| c).filter(|c| is_victim(c));
    let by_pid: HashMap<i32, &Candidate> = of_victims.map(|c| (c.task.pid, c)).collect();
    let chosen = choice.map(|choice| &choice.chosen);
    // With the choice lost, the first kill (or, that lost too, the first signal) was the chosen one's.
    let first = |test: fn(&&Entry) -> bool| victims.entries().iter().find(test).map(|entry| entry.pid);
    let chosen_pid = chosen.map(|chosen| chosen.task.pid);
    let chosen_pid = chosen_pid.or_else(|| first(|e| e.kill.is_some())).or_else(|| first(|e| e.signalled));
    victims
        .into_entries()
        .into_iter()
        .map(|entry| {
            let why = match why(&entry, chosen_pid) {
                VictimWhy::Group if sacrificed => VictimWhy::Child,
                why => why,
            };
            let candidate = entry
                .kill
                .as_ref()
                .or_else(|| chosen.filter(|chosen| chosen.task.pid == entry.pid))
                .or_else(|| by_pid.get(&entry.pid).copied());
            let scanned = by_pid.get(&entry.pid);
            let mut task = match (candidate, trigger.filter(|trigger| trigger.pid == entry.pid)) {
                (Some(candidate), _) => candidate.task.clone(),
                (None, Some(trigger)) => trigger.clone(),
                (None, None) => Task {
                    pid: entry.pid,
                    tid: entry.marked_tid.unwrap_or(entry.pid),
                    comm: entry.comm.unwrap_or_default(),
                    ..Task::default()
                },
            };
            task.uid = task.uid.or_else(|| scanned.and_then(|c| c.task.uid));
            task.cgroup = task.cgroup.or_else(|| scanned.and_then(|c| c.task.cgroup));
            task.oom_score_adj = task.oom_score_adj.or_else(|| scanned.and_then(|c| c.task.oom_score_adj));
            task.uid = task.uid.or(entry.uid);
            task.oom_score_adj = task.oom_score_adj.or(entry.oom_score_adj);
            let memory = candidate.and_then(|c| c.memory).or_else(|| scanned.and_then(|c| c.memory));
            let memory = memory.or(entry.memory);
            Victim {
                task: paths.person(task),
                memory,
                why,
                killed_ns: entry.killed_ns,
                marked_ns: entry.marked_ns,
                reaped: entry.reaped,
                exited_ns: entry.exited_ns,
                released_ns: entry.released_ns,
            }
        })
        .collect()
}

fn why(entry: &Entry, chosen_pid: Option<i32>) -> VictimWhy {
    let killed = entry.kill.is_some() || entry.signalled;
    if !killed || entry.was_gone() {
        VictimWhy::Exiting
    } else if chosen_pid == Some(entry.pid) {
        VictimWhy::Chosen
    } else if entry.kill.is_some() {
        VictimWhy::Group
    } else {
        VictimWhy::SharedMm
    }
}

/// Resolves paths, each once.
struct Paths<'a> {
    cgroups: &'a mut CgroupTable,
    seen: HashMap<u64, Option<Name>, RandomState>,
}

impl Paths<'_> {
    fn of(&mut self, cgroup: u64) -> Option<Name> {
        self.seen.entry(cgroup).or_insert_with(|| self.cgroups.path(cgroup)).clone()
    }

    fn person(&mut self, task: Task) -> Person {
        let Task { pid, tid, comm, uid, oom_score_adj, cgroup } = task;
        Person { pid, tid, comm, uid, oom_score_adj, cgroup: cgroup.and_then(|cgroup| self.of(cgroup)) }
    }
}
