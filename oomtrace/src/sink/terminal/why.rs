//! The one line that this is all about: why that one, and what would have changed it.

use crate::badness::{self, Release, Ties};
use crate::model::episode::{Episode, Outcome, RankedCandidate, Reason, Verdict, VictimWhy};
use crate::model::gfp;
use crate::model::observation::{Score, TaskFlags};

use super::page::Page;
use super::{Context, called, chosen, table, told, words};

/// `why       highest by 97,767 points (381.9M), all of it memory; with oom_score_adj 189 or less …`
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let text = match context.episode.outcome {
        Outcome::Killed | Outcome::GroupKilled => killed(context, page.text_width()),
        Outcome::AlreadyExiting => already_exiting(context.episode),
        Outcome::Freed => {
            "a notifier (a balloon driver, for example) made room before anybody was looked at".to_owned()
        }
        Outcome::NoneKillable => none_killable(context.episode),
        Outcome::Skipped => skipped(context),
        Outcome::Incomplete => incomplete(context),
    };
    page.labelled("why", &text);
}

/// `room`: columns for a path.
fn killed(context: &Context<'_>, room: usize) -> String {
    let episode = context.episode;
    let with = |why: VictimWhy| episode.victims.iter().filter(|victim| victim.why == why).count();
    let mut parts = vec![told::choice(context, choice(context))];
    let (group, shared) = (with(VictimWhy::Group), with(VictimWhy::SharedMm));
    if group > 0 {
        let limiting =
            episode.memcg.iter().find(|level| level.limiting).and_then(|level| level.path.as_ref());
        let place = match &episode.oom_group {
            None => String::new(),
            Some(path) if Some(path) == limiting => " of the limiting cgroup".to_owned(),
            Some(path) => format!(" of {}", called::or_path(episode, path, room.saturating_sub(3))),
        };
        parts.push(format!("1 chosen, {group} killed with it: memory.oom.group{place}"));
    }
    if shared > 0 {
        parts.push(format!("{shared} killed for sharing the memory of a victim"));
    }
    parts.join("; ")
}

/// Why the chosen one was chosen.
fn choice(context: &Context<'_>) -> String {
    let episode = context.episode;
    let message = episode.message.as_ref().map_or_else(String::new, ToString::to_string);
    if message.contains("oom_kill_allocating_task") {
        return "oom_kill_allocating_task is set: the trigger dies, no other was looked at".to_owned();
    }
    if episode.scorer_silent {
        let known = match episode.chosen_points {
            Some(points) => format!("; those of the chosen one were {}", words::grouped(points.into())),
            None => String::new(),
        };
        return format!("the probe on the scorer never fired: the points are not known{known}");
    }
    let Some(chosen) = chosen(episode) else {
        return match episode.report {
            Some(_) => "the log has no table of tasks to compare with".to_owned(),
            None => "the choice was not seen".to_owned(),
        };
    };
    if chosen.flags.has(TaskFlags::ORIGIN) {
        return "it was in swapoff or stopping KSM (oom_flag_origin): such a task is chosen before all others".to_owned();
    }
    let Some(points) = chosen.points() else {
        return "chosen, but its points are not known".to_owned();
    };
    let (among, lost) = if episode.lost.candidates > 0 {
        let lost = words::count(episode.lost.candidates, "candidate");
        (" among those seen", format!("; {lost} lost, the margin may be smaller"))
    } else {
        ("", String::new())
    };
    let runner_up =
        episode.candidates.iter().find(|c| c.verdict == Verdict::Outscored && c.points().is_some());
    let Some((runner_up, runner_up_points)) = runner_up.and_then(|c| c.points().map(|points| (c, points)))
    else {
        let others: u64 = protected(episode).iter().map(|(_, number)| number).sum();
        let unknown = episode.candidates.iter().any(|c| c.score == Score::Unknown);
        return match (others, unknown) {
            _ if unknown => format!("chosen{among}; the points of others are not known{lost}"),
            (0, _) => format!("the only one{among} that could be chosen{lost}"),
            _ => {
                let reasons = table::reasons(&protected(episode));
                format!("the only one{among} that could be chosen ({reasons}){lost}")
            }
        };
    };
    let margin = i128::from(points) - i128::from(runner_up_points);
    let name = words::task(&runner_up.task);
    let choice = match margin {
        ..0 => format!("chosen although {name} had more points: they changed during the scan{lost}"),
        0 => format!("tie with {name} at {} points: {}{lost}", grouped(points), of_equals(context)),
        _ => {
            let size = pages(context, margin);
            let made_of =
                made_of(context, chosen, runner_up).map_or_else(String::new, |text| format!(", {text}"));
            format!("highest{among} by {} points ({size}){made_of}{lost}", words::grouped(margin))
        }
    };
    match turned(context, chosen, runner_up) {
        // A candidate that was lost may have come before the runner-up.
        Some(turned) if margin >= 0 && lost.is_empty() => format!("{choice}; {turned}"),
        _ => choice,
    }
}

/// Whom the kernel takes of equals.
fn of_equals(context: &Context<'_>) -> &'static str {
    match context.info.formula_release().and_then(Release::parse).map(Release::ties) {
        None | Some(Ties::Last) => "the kernel takes the one it looks at last",
        Some(Ties::First | Ties::FirstLeader) => "the kernel takes the one it looks at first",
    }
}

/// How much of the margin is memory, how much oom_score_adj.
fn made_of(context: &Context<'_>, chosen: &RankedCandidate, runner_up: &RankedCandidate) -> Option<String> {
    if !context.known_formula() {
        return None;
    }
    let total = context.episode.totalpages?;
    let (adj, other_adj) = (chosen.task.oom_score_adj?, runner_up.task.oom_score_adj?);
    let by_adj =
        i128::from(badness::adj_pages(adj, total)) - i128::from(badness::adj_pages(other_adj, total));
    let memory = i128::from(badness::memory_part(chosen.points()?, adj, total));
    let other_memory = i128::from(badness::memory_part(runner_up.points()?, other_adj, total));
    let by_memory = memory - other_memory;
    let adjs = format!("oom_score_adj {adj} against {other_adj}");
    Some(match (by_memory, by_adj) {
        (_, 0) => "all of it memory".to_owned(),
        (0, _) => format!("all of it {adjs}"),
        (1.., 1..) => format!("{} of it memory, the rest {adjs}", pages(context, by_memory)),
        (1.., _) => format!("{} more memory outweighing {adjs}", pages(context, by_memory)),
        (_, 1..) => format!("with {} less memory: {adjs}", pages(context, -by_memory)),
        (_, _) => return None,
    })
}

/// What setting of the chosen one's adjustment would have killed the runner-up instead.
fn turned(context: &Context<'_>, chosen: &RankedCandidate, runner_up: &RankedCandidate) -> Option<String> {
    // Who dies of the same kill (a group, a shared mm) would not have died instead.
    let dies_too = context.episode.victims.iter().any(|victim| victim.task.pid == runner_up.task.pid);
    if !context.known_formula() || dies_too {
        return None;
    }
    let total = context.episode.totalpages?;
    if total < 1000 {
        return Some("oom_score_adj has no effect below 1000 pages".to_owned());
    }
    let adj = chosen.task.oom_score_adj?;
    let memory = badness::memory_part(chosen.points()?, adj, total);
    let runner_up_points = runner_up.points()?;
    // On a tie the later one in the scan is taken.
    let limit = match (chosen.scan_index?, runner_up.scan_index?) {
        (own, other) if own < other => runner_up_points,
        _ => runner_up_points.checked_sub(1)?,
    };
    let name = words::task(&runner_up.task);
    Some(match badness::highest_adj_within(memory, limit, total) {
        Some(spared) if spared < adj => {
            let own = words::task(&chosen.task);
            format!("had {own} had oom_score_adj {spared} or less, {name} would have died instead")
        }
        Some(_) => return None,
        None => "only oom_score_adj -1000 would have spared it".to_owned(),
    })
}

fn already_exiting(episode: &Episode) -> String {
    let Some(victim) = episode.victims.first() else {
        return "somebody was dying already".to_owned();
    };
    let who = words::task(&victim.task);
    let is_trigger = episode.trigger.as_ref().is_some_and(|trigger| trigger.pid == victim.task.pid);
    let marked = if victim.marked_ns.is_some() { " and got access to the memory reserves" } else { "" };
    if is_trigger && episode.evaluated.unwrap_or(0) == 0 {
        format!("the trigger was dying already{marked}: waiting for it is enough")
    } else {
        format!("{who} was chosen, but was dying already{marked}: waiting for it is enough")
    }
}

fn none_killable(episode: &Episode) -> String {
    match episode.evaluated {
        Some(0) => "the cgroup has no process that could be killed".to_owned(),
        Some(1) => format!("the only process cannot be killed: {}", reasons_or_unknown(episode)),
        Some(number) => {
            let number = words::grouped(number.into());
            format!("none of {number} processes can be killed: {}", reasons_or_unknown(episode))
        }
        None if episode.candidates.is_empty() => "no process can be killed".to_owned(),
        None => format!("no process can be killed: {}", reasons_or_unknown(episode)),
    }
}

fn reasons_or_unknown(episode: &Episode) -> String {
    let protected = protected(episode);
    if protected.is_empty() { "the reasons were not captured".to_owned() } else { table::reasons(&protected) }
}

/// Those that could not be killed, by reason, in the order of the ranking.
fn protected(episode: &Episode) -> Vec<(Reason, u64)> {
    let mut counts: Vec<(Reason, u64)> = Vec::new();
    for candidate in &episode.candidates {
        let (Verdict::Unkillable(reason) | Verdict::PassedOver(reason)) = candidate.verdict else { continue };
        match counts.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, number)) => *number += 1,
            None => counts.push((reason, 1)),
        }
    }
    counts
}

fn skipped(context: &Context<'_>) -> String {
    let Context { info, episode, .. } = context;
    let blocking = episode.candidates.iter().find(|c| c.verdict == Verdict::Blocking);
    if let Some(blocking) = blocking {
        return format!(
            "an earlier victim, {}, is still dying: nobody else dies before it is gone",
            words::task(&blocking.task)
        );
    }
    if let Some(pid) = episode.blocker {
        return format!("an earlier victim, pid {pid}, is still dying: nobody else dies before it is gone");
    }
    if episode.evaluated.unwrap_or(0) > 0 {
        return "an earlier victim is still dying: nobody else dies before it is gone".to_owned();
    }
    match (episode.gfp_mask, gfp::bits_of("__GFP_FS", &info.gfp_flags)) {
        (Some(mask), Some(fs)) if mask & fs == 0 => {
            "the request does not allow file system reclaim (__GFP_FS): the kernel does not kill for such a one".to_owned()
        }
        _ => "the OOM killer was switched off (suspend or hibernation), or an earlier victim is still dying".to_owned(),
    }
}

fn incomplete(context: &Context<'_>) -> String {
    let episode = context.episode;
    if episode.report.is_some() {
        return "the log does not say what came of it".to_owned();
    }
    if episode.closed_ns.is_none() {
        return "the return of out_of_memory() was not seen: the capture ended before it, or its record was lost".to_owned();
    }
    match chosen(episode) {
        Some(chosen) => format!("{} was chosen; what came of it was not seen", words::task(&chosen.task)),
        None => "how the scan ended was not seen".to_owned(),
    }
}

fn grouped(points: i64) -> String {
    words::grouped(points.into())
}

fn pages(context: &Context<'_>, pages: i128) -> String {
    words::size(context.info.bytes(u64::try_from(pages).unwrap_or(u64::MAX)))
}
