//! What happened when, in words.

use crate::explain::timeline::{Event, Moment, timeline};

use super::page::Page;
use super::{Context, words};

/// Victims of which moments are shown; a cgroup of thousands can be killed as a group.
const MAX_VICTIMS: usize = 8;

/// What happened when, a line each.
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let (moments, more) = moments(context);
    let column = moments.iter().map(|(delay, _)| delay.chars().count()).max().unwrap_or(0);
    for (i, (delay, what)) in moments.iter().enumerate() {
        let text = format!("{delay:>column$}  {what}");
        page.labelled_hanging(if i == 0 { "timeline" } else { "" }, &text, column + 2);
    }
    if let Some(more) = more {
        page.labelled("", &more);
    }
}

/// When after the entry, and what happened then; and how many victims are left out.
pub(super) fn moments(context: &Context<'_>) -> (Vec<(String, String)>, Option<String>) {
    let moments = timeline(context.episode);
    let shown = moments.iter().filter(|moment| shown(moment.event)).map(|moment: &Moment| {
        let delay = moment.delay_ns.map_or_else(|| "?".to_owned(), words::duration);
        (delay, event(context, moment.event))
    });
    let hidden = context.episode.victims.len().saturating_sub(MAX_VICTIMS);
    let more = (hidden > 0).then(|| format!("… and {}", words::count(hidden as u64, "more victim")));
    (shown.collect(), more)
}

fn shown(event: Event) -> bool {
    match event {
        Event::Signalled { victim }
        | Event::Marked { victim }
        | Event::ReaperStarted { victim }
        | Event::ReaperFinished { victim, .. }
        | Event::Exited { victim }
        | Event::Released { victim } => victim < MAX_VICTIMS,
        Event::Entered
        | Event::Reported
        | Event::FirstCandidate
        | Event::Chosen
        | Event::Returned
        | Event::Folded { .. } => true,
    }
}

fn event(context: &Context<'_>, event: Event) -> String {
    let episode = context.episode;
    let who = |victim: usize| {
        episode.victims.get(victim).map_or_else(|| "?".to_owned(), |victim| words::task(&victim.task))
    };
    match event {
        Event::Entered => match &episode.trigger {
            Some(trigger) => format!("{} enters out_of_memory()", words::task(trigger)),
            None => "out_of_memory() is entered".to_owned(),
        },
        Event::Reported => "the report begins".to_owned(),
        Event::FirstCandidate => "the first candidate has been looked at".to_owned(),
        Event::Chosen => {
            let chosen = super::chosen(episode).map(|chosen| words::task(&chosen.task));
            let chosen = chosen.or_else(|| (!episode.victims.is_empty()).then(|| who(0)));
            let chosen = chosen.unwrap_or_else(|| "somebody".to_owned());
            match episode.evaluated {
                Some(number @ 1..) if episode.scan_ns.is_some() => format!(
                    "the last of {} has been looked at, {chosen} is chosen",
                    words::counted(number.into(), "candidate", "candidates")
                ),
                _ => format!("{chosen} is chosen"),
            }
        }
        Event::Signalled { victim } => format!("{} is sent SIGKILL", who(victim)),
        Event::Marked { victim } => format!("{} is marked: it may use the memory reserves", who(victim)),
        Event::Returned => "out_of_memory() returns".to_owned(),
        Event::Folded { span_ns } => folded(context, span_ns),
        Event::ReaperStarted { victim } => format!("the reaper begins with the memory of {}", who(victim)),
        Event::ReaperFinished { victim, freed_pages } => match freed_pages {
            Some(pages) => format!(
                "the reaper has unmapped {} of {}",
                words::size(context.info.bytes(pages)),
                who(victim)
            ),
            None => format!("the reaper is done with {}", who(victim)),
        },
        Event::Exited { victim } => format!("{} is gone", who(victim)),
        Event::Released { victim } => format!("the memory of {} is back", who(victim)),
    }
}

/// `12 more scans, over 11 ms, are aborted: gunicorn[48121] is still dying`
fn folded(context: &Context<'_>, span_ns: u64) -> String {
    let episode = context.episode;
    let folded = episode.folded;
    let dying = match episode.victims.as_slice() {
        [victim] => format!("{} is still dying", words::task(&victim.task)),
        _ => "the victims are still dying".to_owned(),
    };
    let mut parts = Vec::new();
    if folded.aborted_scans > 0 {
        let are = if folded.aborted_scans == 1 { "is" } else { "are" };
        let scans = words::count(folded.aborted_scans.into(), "more scan");
        parts.push(format!("{scans} {are} aborted because {dying}"));
    }
    if folded.already_exiting > 0 {
        let passes = words::counted(folded.already_exiting.into(), "more pass", "more passes");
        parts.push(format!("{passes} by a victim that is dying already"));
    }
    if folded.repeats > 0 {
        let repeats = words::count(folded.repeats.into(), "repeat");
        parts.push(format!("{repeats} of the same search with the same result"));
    }
    format!("over {}: {}", words::duration(span_ns), parts.join(", "))
}
