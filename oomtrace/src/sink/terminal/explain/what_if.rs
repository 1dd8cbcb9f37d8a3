//! The choice made again, in words.

use crate::explain::Explanation;
use crate::explain::change::Change;
use crate::explain::group::Group;
use crate::explain::what_if::{Doubt, Fall, Spared, Supposed, Then, WhatIf};
use crate::model::SessionInfo;
use crate::model::episode::{Episode, MemcgLimit, Person, Reason, Scope, Verdict};

use super::super::page::Page;
use super::super::words;
use super::{grouped, pages};

/// What can be supposed, and how it is said.
pub const WHAT_IF: &str = "  adj:PID=N, adj:NAME=N  another oom_score_adj, -1000 to 1000
  limit=SIZE             another limit where the limit was met;
                         for a global OOM, other memory and swap
  kill:PID, kill:NAME    gone before

NAME may be a pattern with * and ?. SIZE is as in memory.max: 512M is
512 * 1024 * 1024 bytes; 512MiB and 512MB work too.";

/// Names that are told of a group.
const NAMED: usize = 4;
/// Columns of a path at most.
const PATH: usize = 60;

/// What was supposed, what would have come of it, and what that rests on.
pub(super) fn write(explanation: &Explanation<'_>, page: &mut Page) {
    let Some(what_if) = &explanation.what_if else { return };
    page.blank();
    for (i, (change, whom)) in what_if.changes.iter().enumerate() {
        let text = change_words(explanation, change, whom);
        page.labelled(if i == 0 { "what if" } else { "and" }, &text);
    }
    page.labelled("result", &result(explanation, what_if));
    if let Some(then) = &what_if.then {
        page.labelled("then", &then_words(explanation, then));
    }
    for (i, reason) in what_if.doubts.iter().enumerate() {
        page.labelled(
            if i == 0 { "but" } else { "" },
            &doubt(explanation.episode, explanation.session, reason),
        );
    }
    page.labelled(
        "note",
        "this is the kernel's rule applied to what was captured. A recording cannot know how the processes would \
         have gone on: what they would have asked for, what reclaim and swap would have made free, what other \
         cgroups did",
    );
}

fn change_words(explanation: &Explanation<'_>, change: &Change, whom: &[&Person]) -> String {
    let who = people(whom);
    match change {
        Change::Adj { adj, .. } => {
            let before = match whom {
                [person] => match person.oom_score_adj {
                    Some(before) => format!(" instead of {before}"),
                    None => String::new(),
                },
                _ => String::new(),
            };
            format!("oom_score_adj of {who} had been {adj}{before}")
        }
        Change::Limit { bytes } => {
            let size = words::size(*bytes);
            let episode = explanation.episode;
            match episode.scope {
                Some(Scope::Memcg) => {
                    let level = episode.memcg.iter().find(|level| level.limiting);
                    let before = level.and_then(|level| level.max_pages);
                    let before = words::size_or_unknown(before.map(|max| explanation.session.bytes(max)));
                    format!(
                        "the limit of {} had been {size} instead of {before}",
                        level.map_or_else(|| "the cgroup".to_owned(), |level| path(episode, level))
                    )
                }
                _ => {
                    let before = episode.totalpages.map(|total| explanation.session.bytes(total));
                    let before = words::size_or_unknown(before);
                    format!("the machine had had {size} of memory and swap instead of {before}")
                }
            }
        }
        Change::Kill { .. } => {
            let were = if whom.len() == 1 { "had" } else { "had all" };
            format!("{who} {were} been gone before")
        }
    }
}

/// `a[1], b[2] and 3 more`
fn people(whom: &[&Person]) -> String {
    let names: Vec<String> = whom.iter().take(NAMED).map(|person| words::task(person)).collect();
    match whom.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{} and {more} more", names.join(", ")),
        _ => names.join(", "),
    }
}

fn path(episode: &Episode, level: &MemcgLimit) -> String {
    super::limit::path(episode, level, PATH)
}

fn result(explanation: &Explanation<'_>, what_if: &WhatIf<'_>) -> String {
    match &what_if.result {
        Supposed::Kill(fall) => fall_words(fall),
        Supposed::NoKill(spared_by) => spared(explanation.session, *spared_by),
        Supposed::NoneKillable if explanation.settings.memcg => {
            "nobody could have been killed: the allocation would have failed".to_owned()
        }
        Supposed::NoneKillable if explanation.settings.by_hand => "nobody could have been killed".to_owned(),
        Supposed::NoneKillable => "nobody could have been killed: the kernel would have panicked".to_owned(),
        Supposed::Unknown(None) => "it cannot be told".to_owned(),
        Supposed::Unknown(Some(fall)) => {
            format!("it cannot be told; of those that are known {}", fall_words(fall))
        }
    }
}

fn fall_words(fall: &Fall<'_>) -> String {
    let who = words::task(fall.person);
    let mut text = if fall.same {
        format!("{who} would have been killed all the same")
    } else {
        format!("{who} would have been killed instead")
    };
    if let Some(points) = fall.points {
        text.push_str(&format!(": {} points", grouped(points)));
        match fall.runner_up {
            Some((runner_up, 0)) => {
                text.push_str(&format!(
                    ", as many as {}, which comes before it in the scan",
                    words::task(runner_up)
                ));
            }
            Some((runner_up, margin)) if margin < i64::MAX / 2 => {
                text.push_str(&format!(", {} more than {}", grouped(margin), words::task(runner_up)));
            }
            Some(_) => {}
            None => text.push_str("; nobody else could be killed"),
        }
    }
    if let Group::With { path, members } = &fall.group
        && !members.is_empty()
    {
        let whose = path.map_or_else(String::new, |path| format!(" on {path}"));
        let number = members.len();
        text.push_str(&format!(
            "; with it {} ({}): memory.oom.group is set{whose}",
            words::counted(number as u64, "process of its group", "processes of its group"),
            people(members)
        ));
    }
    if !fall.sharing.is_empty() {
        text.push_str(&format!("; with it {}, for sharing its memory", people(&fall.sharing)));
    }
    text
}

/// Why nobody would have been killed.
fn spared(info: &SessionInfo, spared: Spared) -> String {
    match spared {
        Spared::Room { pages: more } => format!(
            "nobody would have been killed at that moment: there would have been {} more room, and the request is met",
            pages(info, more)
        ),
        Spared::NotAsked => {
            "nobody would have been killed at that moment: the one that asked is gone".to_owned()
        }
        Spared::AsItWas => "nobody would have been killed, as it was".to_owned(),
    }
}

fn then_words(explanation: &Explanation<'_>, then: &Then<'_>) -> String {
    let rest = match &then.fall {
        Some(fall) => fall_words(fall),
        None => "nobody could have been killed".to_owned(),
    };
    format!("{}: {rest}", assumption(explanation.session, then))
}

/// What the answer to "and then" rests on.
pub(crate) fn assumption(info: &SessionInfo, then: &Then<'_>) -> String {
    let trigger = words::task(then.trigger);
    let size = pages(info, then.growth_pages.saturating_abs());
    if then.growth_pages < 0 {
        format!(
            "had that been so from the start, memory would have run out earlier; supposing that {trigger} alone \
             was smaller then, by {size}"
        )
    } else {
        format!(
            "when memory runs out in the end, supposing that {trigger} alone goes on growing, by the {size} that \
             there is more room"
        )
    }
}

/// Why something cannot be told, or not exactly.
pub(crate) fn doubt(episode: &Episode, info: &SessionInfo, doubt: &Doubt<'_>) -> String {
    match doubt {
        Doubt::Missing { count } => format!(
            "{} of the scan are not in the recording: one of them may have had more points",
            words::count(*count, "candidate")
        ),
        Doubt::PointsUnknown { who } => match who.as_slice() {
            [one] => format!("the points of {} are not known", words::task(one)),
            many => format!("the points of {} candidates are not known ({})", many.len(), people(many)),
        },
        Doubt::Approximate => {
            "points of a candidate had to be made from its parts, which could only be read \
                               approximately: with a small margin it may be the other way round"
                .to_owned()
        }
        Doubt::NoEffect { who } => {
            let names: Vec<&Person> = who.iter().map(|candidate| &candidate.task).collect();
            let why = who.first().map_or("", |candidate| match candidate.verdict {
                Verdict::Unkillable(reason) | Verdict::PassedOver(reason) => never(reason),
                Verdict::Blocking => "it was still dying",
                Verdict::Chosen | Verdict::Outscored => {
                    "in swapoff or stopping KSM it is chosen before all others"
                }
            });
            format!("another oom_score_adj of {} changes nothing: {why}", people(&names))
        }
        Doubt::PointsPlayNoPart => "points played no part in this episode".to_owned(),
        Doubt::AncestorNext { level, useful_max_pages } => format!(
            "who dies in the end cannot be told: beyond {} the limit of {} is met first, and who dies then may be \
             outside this recording",
            words::size(info.bytes(*useful_max_pages)),
            path(episode, level)
        ),
        Doubt::TooLittle { pages: more, short_pages } => format!(
            "there would have been {} more room, which is too little: the zones that were short lacked {} or more to \
             their min watermark",
            pages(info, *more),
            pages(info, *short_pages)
        ),
        Doubt::MemswToo { max_pages } => format!(
            "memory+swap was at its limit as well ({}): this supposes that memory.memsw.limit_in_bytes had been changed \
             by as much",
            words::size(info.bytes(*max_pages))
        ),
        Doubt::MachineFirst => {
            "who dies in the end cannot be told: the machine does not have that much memory, and when it \
                                runs out, processes outside this recording are candidates too"
                .to_owned()
        }
        Doubt::AncestorsUnknown => {
            "the limits above are not known: one of them may be met before the raised one".to_owned()
        }
        Doubt::TriggerGone => "who would have asked next, and when, is not known".to_owned(),
        Doubt::TriggerOutside { trigger } => format!(
            "who dies in the end cannot be told: {}, who asked, is not among the candidates, so who uses the room is \
             not known",
            words::task(trigger)
        ),
        Doubt::TriggerTooSmall { pages: missing } => format!(
            "the trigger does not have as much as the limit is lower: others would have had to be {} smaller",
            pages(info, *missing)
        ),
        Doubt::GroupUnknown => {
            "whether others would have died with it (memory.oom.group of its cgroup) is not known".to_owned()
        }
        Doubt::NoScan => {
            "the kernel would have compared all others then, which it did not: their points are not known"
                .to_owned()
        }
        Doubt::BehindTheDying => {
            "the scan ended at the one that was still dying: those behind it were not looked at".to_owned()
        }
        Doubt::Earlier => {
            "a lower limit would have been met earlier, and what there was then is not known".to_owned()
        }
        Doubt::NotSeen => match episode.closed_ns {
            None => "the end of this episode was not seen".to_owned(),
            Some(_) => "what decided was not seen".to_owned(),
        },
        Doubt::HeldUnknown => {
            "how much memory the killed ones held is not known: there may have been room".to_owned()
        }
    }
}

fn never(reason: Reason) -> &'static str {
    match reason {
        Reason::AdjMin => "it is protected by -1000 and by something else",
        Reason::Init => "init is never killed",
        Reason::Kthread => "kernel threads are never killed",
        Reason::Vfork => "it was between vfork and exec",
        Reason::Reaped => "its memory had been taken back already",
        Reason::NoMm => "it has no memory",
        Reason::NotEligible => "it is outside the cpuset or memory policy",
        Reason::Unknown => "it could not be killed for a reason that was not seen",
    }
}
