//! What led there and what followed: settings, adjustments, what happened when.

use crate::explain::Explanation;
use crate::explain::timeline::{Event, Moment};
use crate::model::evidence::AdjUpdated;

use super::super::page::Page;
use super::super::words;

/// Moments of victims that are shown; a cgroup of thousands can be killed as a group.
const MAX_VICTIMS: usize = 8;
/// Changes of adjustments that are shown, the latest.
const MAX_CHANGES: usize = 12;

/// What `/proc/sys/vm` did.
pub(super) fn settings(explanation: &Explanation<'_>, page: &mut Page) {
    let in_force = explanation.settings;
    let settings = in_force.settings;
    let mut parts = Vec::new();
    parts.push(match (settings.panic_on_oom, in_force.by_hand, in_force.memcg) {
        (None, ..) => "panic_on_oom is not known".to_owned(),
        (Some(0), ..) => "panic_on_oom 0: the kernel kills instead of panicking".to_owned(),
        (Some(value), true, _) => format!("panic_on_oom {value}: not asked for sysrq-f"),
        (Some(1), false, true) => "panic_on_oom 1: panics only when the whole machine is out of memory, not for a cgroup".to_owned(),
        (Some(1), false, false) => "panic_on_oom 1: the kernel panics when the whole machine, not just a cpuset or memory policy, is out of memory".to_owned(),
        (Some(value), false, _) => format!("panic_on_oom {value}: the kernel panics instead of killing"),
    });
    parts.push(match (settings.oom_kill_allocating_task, in_force.memcg) {
        (None, _) => "oom_kill_allocating_task is not known".to_owned(),
        (Some(0), _) => "oom_kill_allocating_task 0: whoever asks, all are compared".to_owned(),
        (Some(value), true) => format!(
            "oom_kill_allocating_task {value}: only for the whole machine; for a cgroup's limit all are compared"
        ),
        (Some(value), false) => format!(
            "oom_kill_allocating_task {value}: the one that asks dies, if it may be killed, and nobody is compared"
        ),
    });
    parts.push(match settings.oom_dump_tasks {
        None => "oom_dump_tasks is not known".to_owned(),
        Some(0) => {
            "oom_dump_tasks 0: the kernel's log has no table of tasks; the choice is the same".to_owned()
        }
        Some(value) => format!("oom_dump_tasks {value}: only adds the table of tasks to the kernel's log"),
    });
    let when = if in_force.at_the_choice { "at the choice" } else { "when the capture began" };
    let usual = (settings.panic_on_oom, settings.oom_kill_allocating_task, settings.oom_dump_tasks);
    if usual == (Some(0), Some(0), Some(1)) {
        page.labelled(
            "settings",
            &format!(
                "panic_on_oom 0, oom_kill_allocating_task 0, oom_dump_tasks 1 ({when}): the kernel kills instead of \
                 panicking, compares all whoever asks, and puts the table of tasks into its log"
            ),
        );
        return;
    }
    page.labelled("settings", &format!("{when}:"));
    for part in &parts {
        page.labelled_hanging("", part, 2);
    }
}

/// Who was adjusted before.
pub(super) fn adjusted(explanation: &Explanation<'_>, page: &mut Page) {
    let changes = &explanation.adj_changes;
    let skipped = changes.len().saturating_sub(MAX_CHANGES);
    if skipped > 0 {
        page.labelled("adjusted", &format!("{} before these", words::count(skipped as u64, "change")));
    }
    for (i, (position, change)) in changes.iter().enumerate().skip(skipped).enumerate() {
        let label = if i == 0 && skipped == 0 { "adjusted" } else { "" };
        page.labelled(label, &change_words(explanation, change, changes.get(..position).unwrap_or_default()));
    }
}

/// `oom_score_adj of gunicorn[48121] (then runc:[2:INIT]) was set from 0 to 936 by kubelet[812], 18.4 s before`
fn change_words(explanation: &Explanation<'_>, change: &AdjUpdated, earlier: &[&AdjUpdated]) -> String {
    let episode = explanation.episode;
    let tasks = episode.candidates.iter().map(|candidate| &candidate.task);
    let tasks = tasks.chain(episode.victims.iter().map(|victim| &victim.task));
    let task = { tasks }.find(|task| task.pid == change.tid || task.tid == change.tid);
    let (who, then) = match task {
        Some(task) if task.comm != change.comm => (words::task(task), format!(" (then {})", change.comm)),
        Some(task) => (words::task(task), String::new()),
        None => (format!("{}[{}]", change.comm, change.tid), String::new()),
    };
    let before = earlier.iter().rev().find(|earlier| earlier.tid == change.tid);
    let from = before.map_or_else(String::new, |earlier| format!("from {} ", earlier.oom_score_adj));
    let by = match (&change.by_comm, change.by_pid) {
        (Some(comm), Some(pid)) => format!(" by {comm}[{pid}]"),
        (None, Some(pid)) => format!(" by pid {pid}"),
        (Some(comm), None) => format!(" by {comm}"),
        (None, None) => String::new(),
    };
    let ago = episode.opened_ns.map(|opened| match opened.checked_sub(change.at.boot_ns) {
        Some(ns) => format!(", {} before", words::long_duration(ns)),
        None => ", while it was going on".to_owned(),
    });
    let ago = ago.unwrap_or_default();
    format!("oom_score_adj of {who}{then} was set {from}to {}{by}{ago}", change.oom_score_adj)
}

/// What happened when, a line each.
pub(super) fn timeline(explanation: &Explanation<'_>, page: &mut Page) {
    let shown: Vec<&Moment> = explanation.timeline.iter().filter(|moment| shown(moment.event)).collect();
    let hidden = explanation.episode.victims.len().saturating_sub(MAX_VICTIMS);
    let delays: Vec<String> =
        shown.iter().map(|moment| moment.delay_ns.map_or_else(|| "?".to_owned(), words::duration)).collect();
    let column = delays.iter().map(|delay| delay.chars().count()).max().unwrap_or(0);
    for (i, (moment, delay)) in shown.iter().zip(&delays).enumerate() {
        let text = format!("{delay:>column$}  {}", event(explanation, moment.event));
        page.labelled_hanging(if i == 0 { "timeline" } else { "" }, &text, column + 2);
    }
    if hidden > 0 {
        page.labelled("", &format!("… and {}", words::count(hidden as u64, "more victim")));
    }
}

fn shown(event: Event) -> bool {
    match event {
        Event::Signalled { victim }
        | Event::Marked { victim }
        | Event::ReaperStarted { victim }
        | Event::ReaperFinished { victim, .. }
        | Event::Exited { victim }
        | Event::Released { victim } => victim < MAX_VICTIMS,
        Event::Entered | Event::FirstCandidate | Event::Chosen | Event::Returned | Event::Folded { .. } => {
            true
        }
    }
}

fn event(explanation: &Explanation<'_>, event: Event) -> String {
    let episode = explanation.episode;
    let who = |victim: usize| {
        episode.victims.get(victim).map_or_else(|| "?".to_owned(), |victim| words::task(&victim.task))
    };
    match event {
        Event::Entered => match &episode.trigger {
            Some(trigger) => format!("{} enters out_of_memory()", words::task(trigger)),
            None => "out_of_memory() is entered".to_owned(),
        },
        Event::FirstCandidate => "the first candidate has been looked at".to_owned(),
        Event::Chosen => {
            let chosen = explanation.chosen.map(|chosen| words::task(&chosen.task));
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
        Event::Folded { span_ns } => folded(explanation, span_ns),
        Event::ReaperStarted { victim } => format!("the reaper begins with the memory of {}", who(victim)),
        Event::ReaperFinished { victim, freed_pages } => match freed_pages {
            Some(pages) => format!(
                "the reaper has taken back {} of {}",
                words::size(explanation.session.bytes(pages)),
                who(victim)
            ),
            None => format!("the reaper is done with {}", who(victim)),
        },
        Event::Exited { victim } => format!("{} is gone", who(victim)),
        Event::Released { victim } => format!("the memory of {} is back", who(victim)),
    }
}

/// `12 more scans, over 11 ms, are aborted: gunicorn[48121] is still dying`
fn folded(explanation: &Explanation<'_>, span_ns: u64) -> String {
    let episode = explanation.episode;
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
