//! What came of it, and what else belongs to it.

use crate::model::episode::{Outcome, Scope, Victim, VictimWhy};

use super::page::Page;
use super::{Context, words};

/// `outcome   killed after 0.4 ms, gone after 9 ms, 412.6M back; the reaper was not needed`
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let episode = context.episode;
    let text = match episode.outcome {
        Outcome::Killed | Outcome::GroupKilled => {
            killed(context, &episode.victims.iter().collect::<Vec<_>>())
        }
        Outcome::AlreadyExiting => already_exiting(context),
        Outcome::Freed | Outcome::Skipped => "nobody was killed".to_owned(),
        Outcome::NoneKillable if episode.scope == Some(Scope::Memcg) => {
            "nobody was killed: the allocation fails".to_owned()
        }
        Outcome::NoneKillable => "nobody was killed".to_owned(),
        Outcome::Incomplete if episode.victims.is_empty() => "not known".to_owned(),
        Outcome::Incomplete => {
            format!("not wholly known; {}", killed(context, &episode.victims.iter().collect::<Vec<_>>()))
        }
    };
    page.labelled("outcome", &text);
}

fn killed(context: &Context<'_>, victims: &[&Victim]) -> String {
    let after = |ns: Option<u64>| {
        let delay = ns?.checked_sub(context.episode.opened_ns?)?;
        // A log of whole seconds knows no milliseconds.
        (delay >= context.info.step_ns() || context.info.step_ns() == 1).then(|| words::duration(delay))
    };
    let kill_times = victims.iter().filter_map(|victim| victim.killed_ns.or(victim.marked_ns));
    let number = victims.len();
    let mut parts = Vec::new();
    let who = if number > 1 { format!("{number} killed") } else { "killed".to_owned() };
    // The kernel has begun before it prints.
    let (after_word, since) =
        if context.episode.report.is_some() { ("", " into the report") } else { ("after ", "") };
    parts.push(match (after(kill_times.clone().min()), after(kill_times.max())) {
        (Some(first), Some(last)) if first != last => format!("{who} {after_word}{first} to {last}{since}"),
        (Some(_), _) if context.episode.report.as_ref().is_some_and(|report| report.kill_only) => who,
        (Some(first), _) => format!("{who} {after_word}{first}{since}"),
        _ => who,
    });

    let gone = victims.iter().filter(|victim| victim.exited_ns.is_some()).count();
    let last_gone = after(victims.iter().filter_map(|victim| victim.exited_ns).max());
    match (gone, last_gone) {
        // No log has exits.
        (0, _) if context.episode.report.is_some() => {}
        (0, _) if number == 1 => parts.push("its exit was not seen".to_owned()),
        (0, _) => parts.push("their exits were not seen".to_owned()),
        (_, last) => {
            let last = last.map_or_else(String::new, |last| format!(" after {last}"));
            parts.push(match (gone == number, number) {
                (true, 1) => format!("gone{last}"),
                (true, _) => format!("all gone{last}"),
                (false, _) => format!("{gone} gone{last}, the exits of {} not seen", number - gone),
            });
        }
    }
    if let Some((bytes, last_back)) = memory_back(context, victims) {
        let size = words::size(bytes);
        let last_exit = victims.iter().filter_map(|victim| victim.exited_ns).max();
        parts.push(match after(Some(last_back)).filter(|_| Some(last_back) > last_exit) {
            Some(after) => format!("{size} back after {after}"),
            None => format!("{size} back"),
        });
    }
    let text = parts.join(", ");
    match reaper(context, victims) {
        Some(reaper) => format!("{text}; {reaper}"),
        None => text,
    }
}

/// Anonymous memory that the victims gave back, bytes: file and shmem pages may be others' too, and stay. And when the last of it was back; `None` when some of it is not
/// known to be back, or its size is not. An mm that victims share is counted once.
fn memory_back(context: &Context<'_>, victims: &[&Victim]) -> Option<(u64, u64)> {
    let mut pages: u64 = 0;
    let mut last_ns: u64 = 0;
    for victim in victims.iter().filter(|victim| victim.why != VictimWhy::SharedMm) {
        // A process may be seen exiting long before it lets go of its memory; only marked ones are seen doing that.
        let released_ns = match victim.marked_ns {
            Some(_) if context.info.releases_observed() => victim.released_ns,
            _ => victim.exited_ns,
        };
        let reaped_ns = victim.reaped.and_then(|reaped| reaped.finished_ns);
        let back_ns = match (released_ns, reaped_ns) {
            (Some(released), Some(reaped)) => released.min(reaped),
            (released, reaped) => released.or(reaped)?,
        };
        last_ns = last_ns.max(back_ns);
        pages = pages.saturating_add(victim.memory?.rss_anon_pages?);
    }
    (pages > 0).then(|| (context.info.bytes(pages), last_ns))
}

fn reaper(context: &Context<'_>, victims: &[&Victim]) -> Option<String> {
    let reaped: Vec<_> =
        victims.iter().filter_map(|victim| victim.reaped).filter(|reaped| !reaped.skipped).collect();
    if reaped.is_empty() {
        let all_gone = victims.iter().all(|victim| victim.exited_ns.is_some());
        let came = victims.iter().any(|victim| victim.reaped.is_some());
        return match (came, context.reaper_watched()) {
            (true, _) => Some("the reaper found nothing left to do".to_owned()),
            (false, true) if all_gone => Some("the reaper was not needed".to_owned()),
            (false, _) => None,
        };
    }
    let took = reaped.iter().map(|reaped| reaped.finished_ns?.checked_sub(reaped.started_ns?));
    let whose = match (victims.len(), reaped.len()) {
        (1, _) => "its memory".to_owned(),
        (_, number) => format!("the memory of {number} of them"),
    };
    Some(match took.sum::<Option<u64>>() {
        Some(ns) => format!("the reaper took back {whose} in {}", words::duration(ns)),
        None if reaped.iter().all(|reaped| reaped.finished_ns.is_some()) => {
            format!("the reaper took back {whose}")
        }
        None => format!("the reaper was at work on {whose}, its end was not seen"),
    })
}

fn already_exiting(context: &Context<'_>) -> String {
    let episode = context.episode;
    let Some(victim) = episode.victims.first() else { return "nobody was killed".to_owned() };
    let gone =
        victim.exited_ns.zip(episode.opened_ns).and_then(|(exited, opened)| exited.checked_sub(opened));
    let who = words::task(&victim.task);
    match gone {
        Some(ns) => format!("nobody was killed; {who} was gone after {}", words::duration(ns)),
        None => format!("nobody was killed; the exit of {who} was not seen"),
    }
}

/// `storm     12 scans were aborted while the victim was dying, over 31 ms`
pub(super) fn folded(context: &Context<'_>, page: &mut Page) {
    let folded = context.episode.folded;
    let mut parts = Vec::new();
    if folded.aborted_scans > 0 {
        let were = if folded.aborted_scans == 1 { "was" } else { "were" };
        let scans = words::count(folded.aborted_scans.into(), "more scan");
        parts.push(format!("{scans} {were} aborted while the victim was dying"));
    }
    if folded.already_exiting > 0 {
        let passes = words::counted(folded.already_exiting.into(), "more pass", "more passes");
        parts.push(format!("{passes} by the dying victim itself"));
    }
    if folded.repeats > 0 {
        let repeats = words::count(folded.repeats.into(), "repeat");
        parts.push(format!("{repeats} of the same search with the same result"));
    }
    if parts.is_empty() {
        return;
    }
    let mut text = parts.join(", ");
    if let Some((first, last)) = folded.span_ns {
        text.push_str(&format!(", over {}", words::duration(last.saturating_sub(first))));
    }
    page.labelled("storm", &text);
}
