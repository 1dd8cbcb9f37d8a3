//! Why that one: in sentences.

use crate::explain::cause::{Basis, Makeup, Margin, Protected};
use crate::explain::{Check, Explanation};
use crate::model::episode::{Cause, Outcome, Reason, VictimWhy};
use crate::model::observation::Memory;

use super::super::page::Page;
use super::super::{Context, called, told, words};
use super::{grouped, pages};

/// Why, the points, the margin, and whether the rule names the same.
pub(super) fn write(explanation: &Explanation<'_>, context: &Context<'_>, page: &mut Page) {
    page.labelled("why", &told::choice(context, why(explanation)));
    if let Some(text) = group(explanation, page.text_width()) {
        page.labelled("group", &text);
    }
    if let Some(text) = shared(explanation) {
        page.labelled("shared", &text);
    }
    if !explanation.basis.compares_points() {
        return;
    }
    if let Some(makeup) = &explanation.makeup {
        page.labelled("points", &points(explanation, makeup));
        if let Some(memory) = &makeup.memory {
            page.labelled("", &parts(explanation, makeup, memory));
        }
    }
    if let Some(margin) = &explanation.margin {
        page.labelled("margin", &margin_words(explanation, margin));
    }
    if let Some(check) = &explanation.check {
        check_words(explanation, check, page);
    }
}

fn why(explanation: &Explanation<'_>) -> String {
    let by_hand = if explanation.settings.by_hand { "somebody asked for it (sysrq-f); " } else { "" };
    format!("{by_hand}{}", decided(explanation))
}

fn decided(explanation: &Explanation<'_>) -> String {
    let episode = explanation.episode;
    let victim = episode.victims.first().map(|victim| words::task(&victim.task));
    match explanation.basis {
        Basis::Points => by_points(explanation),
        Basis::Origin => format!(
            "{} was in swapoff or stopping KSM (oom_flag_origin): the kernel chooses such a task before all others, \
             and its points play no part",
            explanation.chosen.map_or_else(|| "it".to_owned(), |chosen| words::task(&chosen.task))
        ),
        Basis::AllocatingTask => format!(
            "{} died because it was the one that asked: oom_kill_allocating_task is set, and the kernel then looks \
             at nobody else. Points and oom_score_adj (short of -1000) played no part",
            victim.unwrap_or_else(|| "the trigger".to_owned())
        ),
        Basis::DyingTrigger => format!(
            "nobody had to be chosen: {}, who asked, was dying already. The kernel marked it, so that it may use the \
             memory reserves, and waits for it; points played no part",
            victim.unwrap_or_else(|| "the one".to_owned())
        ),
        Basis::Notifier => {
            "nobody had to be chosen: a notifier (a balloon driver, for example) gave memory back \
                            before anybody was looked at; points played no part"
                .to_owned()
        }
        Basis::StillDying => {
            let blocking = episode
                .candidates
                .iter()
                .find(|candidate| candidate.verdict == crate::model::episode::Verdict::Blocking);
            let who = match (blocking, episode.blocker) {
                (Some(blocking), _) => format!("an earlier victim, {},", words::task(&blocking.task)),
                (None, Some(pid)) => format!("an earlier victim, pid {pid},"),
                (None, None) => "an earlier victim".to_owned(),
            };
            format!(
                "nobody was chosen: the scan met {who} that was still dying, and ended there. Nobody else dies before \
                 it is gone, or its memory has been taken back; points played no part"
            )
        }
        Basis::NoFsReclaim => {
            "nobody was chosen: the request does not allow file system reclaim (__GFP_FS), and the \
                               kernel does not kill for such a one; points played no part"
                .to_owned()
        }
        Basis::SwitchedOff => {
            "nobody was chosen: the OOM killer was switched off (suspend or hibernation), or an \
                               earlier victim was still dying; which, cannot be told"
                .to_owned()
        }
        Basis::NotSeen => match (&victim, episode.outcome) {
            (Some(victim), Outcome::Killed | Outcome::GroupKilled) => {
                format!("{victim} was killed; the choice itself was not seen, so the reason is not known")
            }
            _ => "what decided was not seen".to_owned(),
        },
    }
}

fn by_points(explanation: &Explanation<'_>) -> String {
    let episode = explanation.episode;
    let Some(chosen) = explanation.chosen else { return nobody(explanation) };
    let who = words::task(&chosen.task);
    let captured = if episode.lost.candidates > 0 { "captured " } else { "" };
    let text = match (chosen.points(), &explanation.margin) {
        (None, _) => {
            let own = match episode.chosen_points {
                Some(points) => format!(", but for its own, which were {}", grouped(points)),
                None => String::new(),
            };
            format!("{who} was chosen by its points; the points are not known{own}")
        }
        (Some(points), Some(margin)) if margin.points == 0 => format!(
            "{who} and {} had the same points, {}: of equals the kernel takes the one that it comes to last, and that \
             was {who}",
            words::task(margin.runner_up),
            grouped(points)
        ),
        (Some(points), Some(margin)) if margin.points < 0 => format!(
            "{who} was chosen with {} points although {} had more: that is not what the rule says",
            grouped(points),
            words::task(margin.runner_up)
        ),
        (Some(points), Some(_)) => {
            let (one, many) = (format!("{captured}process"), format!("{captured}processes"));
            let number = words::counted(explanation.killable, &one, &many);
            format!("{who} had the most points of the {number} that could be killed: {}", grouped(points))
        }
        (Some(points), None) => format!(
            "{who} was the only {captured}process that could be killed; its {} points did not matter",
            grouped(points)
        ),
    };
    match episode.outcome {
        Outcome::AlreadyExiting if episode.victims.iter().any(|victim| victim.marked_ns.is_some()) => {
            format!(
                "{text}. It was dying already, so the kernel only marked it, to let it use the memory reserves, and \
             waited"
            )
        }
        Outcome::AlreadyExiting => format!("{text}. It was dying already, so the kernel only waited"),
        Outcome::Incomplete => format!("{text}. What came of it was not seen"),
        _ => text,
    }
}

/// The scan found nobody.
fn nobody(explanation: &Explanation<'_>) -> String {
    let what_then = if explanation.settings.memcg {
        "the allocation fails instead, and the kernel tries again as long as it is asked"
    } else if explanation.settings.by_hand {
        "so nothing happened"
    } else {
        "with nobody left to kill the kernel panics"
    };
    let searched = match explanation.episode.evaluated {
        Some(0) => "there was no process in the cgroup to choose from".to_owned(),
        Some(1) => "the only process there may not be killed".to_owned(),
        Some(number) => format!("none of the {} processes may be killed", words::grouped(number.into())),
        None => "no process may be killed".to_owned(),
    };
    format!("{searched}: {what_then}")
}

fn group(explanation: &Explanation<'_>, room: usize) -> Option<String> {
    let episode = explanation.episode;
    if episode.outcome != Outcome::GroupKilled {
        return None;
    }
    let with = episode.victims.iter().filter(|victim| victim.why == VictimWhy::Group).count();
    let killed = match with {
        0 => "nobody else".to_owned(),
        number => words::grouped(i128::try_from(number).unwrap_or(i128::MAX)),
    };
    Some(match &episode.oom_group {
        Some(path) => format!(
            "1 chosen, {killed} killed with it because memory.oom.group is set on {}",
            called::or_path(episode, path, room)
        ),
        None => format!(
            "1 chosen, {killed} killed with it: memory.oom.group is set on their cgroup or one above it"
        ),
    })
}

fn shared(explanation: &Explanation<'_>) -> Option<String> {
    let sharers: Vec<String> = explanation
        .episode
        .victims
        .iter()
        .filter(|victim| victim.why == VictimWhy::SharedMm)
        .map(|victim| words::task(&victim.task))
        .collect();
    let (first, more) = sharers.split_first()?;
    let who = match more.len() {
        0 => first.clone(),
        number => format!("{first} and {number} more"),
    };
    Some(format!(
        "{who} died too, for sharing the memory of a victim: killing only one of them would have freed nothing"
    ))
}

/// `13,667 pages = 6,667 of memory (26.0M) + 7,000 for oom_score_adj 1000 (27.3M)`
fn points(explanation: &Explanation<'_>, makeup: &Makeup) -> String {
    let info = explanation.session;
    let own = grouped(makeup.points);
    let (Some(memory), Some(by_adj)) = (makeup.memory_pages, makeup.adj_pages) else {
        return format!("{own} pages; they cannot be taken apart into memory and oom_score_adj");
    };
    let adj = explanation.chosen.and_then(|chosen| chosen.task.oom_score_adj);
    let adj = words::or_unknown(adj);
    let size = pages(info, memory);
    let mut text = match by_adj {
        0 => format!("{own} pages, all of it memory ({size}); oom_score_adj was {adj}"),
        _ => format!(
            "{own} pages = {} of memory ({size}) {} {} for oom_score_adj {adj} ({})",
            grouped(memory),
            if by_adj < 0 { "-" } else { "+" },
            words::grouped(by_adj.unsigned_abs().into()),
            pages(info, by_adj)
        ),
    };
    let Some(total) = explanation.episode.totalpages else { return text };
    let allowed = words::size(info.bytes(total));
    match makeup.step_pages {
        Some(0) => text.push_str(&format!(
            ". With {} pages allowed ({allowed}) oom_score_adj has no effect: below 1,000 pages the kernel's division \
             leaves nothing of it, but -1000 protects all the same",
            words::grouped(total.into())
        )),
        Some(step) => text.push_str(&format!(
            ". One step of oom_score_adj counts {} ({}) here: a thousandth of the {allowed} allowed, swap included",
            words::count(step, "page"),
            words::size(info.bytes(step)),
        )),
        None => {}
    }
    text
}

/// `memory: 24.1M anonymous, 0 file, 1.6M shared, 0 swapped out, 88.0K page tables`
fn parts(explanation: &Explanation<'_>, makeup: &Makeup, memory: &Memory) -> String {
    let info = explanation.session;
    let mark = if makeup.difference.is_some_and(|difference| difference != 0) { "~" } else { "" };
    let part = |pages: Option<u64>, what: &str| {
        format!("{mark}{} {what}", words::size_or_unknown(pages.map(|pages| info.bytes(pages))))
    };
    let mut parts = match memory.rss_pages {
        // All that logs before Linux 6.8 know.
        Some(pages) => vec![part(Some(pages), "resident")],
        None => vec![
            part(memory.rss_anon_pages, "anonymous"),
            part(memory.rss_file_pages, "file"),
            part(memory.rss_shmem_pages, "shmem"),
        ],
    };
    parts.extend([
        part(memory.swap_entries, "in swap"),
        format!("{} page tables", words::size_or_unknown(memory.pgtables_bytes)),
    ]);
    let mut text = format!("the memory: {}", parts.join(", "));
    if let Some(difference) = makeup.difference.filter(|&difference| difference != 0) {
        text.push_str(&format!(
            "; as they could be read they make {} {} than the kernel counted",
            pages(info, difference.saturating_abs()),
            if difference > 0 { "less" } else { "more" }
        ));
    }
    text
}

/// Why parts do not add up.
pub(super) fn because(cause: Cause) -> &'static str {
    match cause {
        Cause::PerCpuCounters => ", whose per-CPU counters can only be read approximately from outside",
        Cause::TaskLocalCounters => ": a running thread had not yet added what it had counted for itself",
        Cause::Changed => ": they changed in between",
        Cause::RootBonus => ": it fits the bonus of a process with CAP_SYS_ADMIN",
        Cause::Unknown => "",
    }
}

fn margin_words(explanation: &Explanation<'_>, margin: &Margin<'_>) -> String {
    let info = explanation.session;
    let next = words::task(margin.runner_up);
    let died = if margin.died_too { ", who died of the same kill," } else { "" };
    let ahead = match margin.points {
        0 => format!("none: {next}{died} had as many points"),
        points => format!(
            "{} points ({}) {} {next}{died}",
            words::grouped(points.unsigned_abs().into()),
            pages(info, points.saturating_abs()),
            if points > 0 { "ahead of" } else { "behind" }
        )
        .trim_end_matches(',')
        .to_owned(),
    };
    let (Some(memory), Some(by_adj)) = (margin.memory_pages, margin.adj_pages) else { return ahead };
    let more = |pages_more: i64| {
        let size = pages(info, pages_more.saturating_abs());
        if pages_more > 0 { format!("{size} more memory") } else { format!("{size} less memory") }
    };
    let of_adj = |by_adj: i64| {
        let size = pages(info, by_adj.saturating_abs());
        if by_adj > 0 {
            format!("{size} by its higher oom_score_adj")
        } else {
            format!("minus {size} by its lower oom_score_adj")
        }
    };
    match (memory, by_adj) {
        (0, 0) => ahead,
        (_, 0) => format!("{ahead}; all of it memory"),
        (0, _) => format!("{ahead}; all of it oom_score_adj"),
        (1.., _) => format!("{ahead}: {}, {}", more(memory), of_adj(by_adj)),
        (_, _) => format!("{ahead}: {}, but {}", more(memory), of_adj(by_adj)),
    }
}

fn check_words(explanation: &Explanation<'_>, check: &Check<'_>, page: &mut Page) {
    match check {
        Check::Same | Check::SameNobody => {
            let chosen = explanation.chosen.map(|chosen| words::task(&chosen.task));
            let named = chosen.unwrap_or_else(|| "nobody".to_owned());
            let text =
                format!("the kernel's rule, applied once more to what was captured, names {named} too");
            page.labelled("check", &text);
        }
        Check::CannotTell => {
            page.labelled("check", "not possible: candidates or points are missing");
        }
        Check::Differs { named } => {
            let named = named.map_or_else(|| "nobody".to_owned(), |named| words::task(&named.task));
            let cause = if explanation.gaps.contains(&crate::explain::gaps::Gap::Formula) {
                "this kernel's rule may be another one"
            } else {
                "a record may have been damaged, or this kernel's rule is another one"
            };
            page.labelled_warning(
                "check",
                &format!(
                    "the rule, applied to what was captured, names {named} instead: {cause}. What is said of margins \
                     and adjustments does not hold then"
                ),
            );
        }
    }
}

/// Who could not be killed, and who was passed over.
pub(super) fn protected(explanation: &Explanation<'_>, page: &mut Page) {
    for (i, group) in explanation.protected.iter().enumerate() {
        page.labelled(if i == 0 { "protected" } else { "" }, &protected_words(explanation, group));
    }
}

fn protected_words(explanation: &Explanation<'_>, group: &Protected<'_>) -> String {
    let one = group.count == 1;
    let count = |singular: &str, plural: &str| words::counted(group.count, singular, plural);
    let text = match group.reason {
        Reason::AdjMin => format!("{} by oom_score_adj -1000", count("process", "processes")),
        Reason::Init => format!("{}: never killed", count("init process", "init processes")),
        Reason::Kthread => format!("{}: never killed", count("kernel thread", "kernel threads")),
        Reason::Vfork => format!(
            "{} between vfork and exec: {} still in the parent's memory",
            count("process", "processes"),
            if one { "it was" } else { "they were" }
        ),
        Reason::Reaped => format!(
            "{} whose memory had been taken back already, so that nothing was left to free",
            count("earlier victim", "earlier victims")
        ),
        Reason::NoMm => format!(
            "{} without memory of {} own",
            count("process", "processes"),
            if one { "its" } else { "their" }
        ),
        Reason::NotEligible => format!(
            "{} outside the cpuset or memory policy: killing {} would not have helped",
            count("process", "processes"),
            if one { "it" } else { "them" }
        ),
        Reason::Unknown => format!("{} for a reason that was not seen", count("process", "processes")),
    };
    let biggest: Vec<String> = group
        .biggest
        .iter()
        .map(|(person, pages)| {
            format!("{} with {}", words::task(person), words::size(explanation.session.bytes(*pages)))
        })
        .collect();
    match (group.reason, biggest.is_empty()) {
        (Reason::Init | Reason::Kthread, _) | (_, true) => text,
        _ if group.count == 1 => format!("{text}: {}", biggest.join(", ")),
        _ => format!("{text}, the biggest {}", biggest.join(", ")),
    }
}
