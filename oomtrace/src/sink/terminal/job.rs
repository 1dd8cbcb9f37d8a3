//! A job that was run and what the OOM killer did to it: for the end of a build's output.

use crate::explain::job::{Counted, Job, Kill, Whose, limit_needed, spared};
use crate::explain::{Explanation, explain};
use crate::model::SourceKind;
use crate::model::episode::Outcome;

use super::page::Page;
use super::{Options, explain as at_length, words};

/// Episodes that are shown whole; the others have a line each.
const WHOLE: usize = 2;

/// The whole text; empty when nothing happened and nobody asks.
#[must_use]
pub fn job(job: &Job, options: Options) -> String {
    let mut page = Page::new(options);
    if !job.was_hit() {
        if let Some(line) = suspicion(job) {
            page.warning(&format!("oomtrace: {line}"), HANGING);
            limits_of_sight(job, &mut page);
        } else if options.verbose {
            page.paragraph(&format!("oomtrace: {}", quiet(job)), HANGING);
            limits_of_sight(job, &mut page);
        }
        return page.into_string();
    }
    let mut text = String::new();
    for (i, kill) in job.kills.iter().enumerate() {
        let mut page = Page::new(options);
        page.headline(&format!("oomtrace: {}", headline(job, kill)), HANGING);
        if let Ok(explanation) = explain(&kill.episode, &kill.info, &[]) {
            if i < WHOLE {
                text.push_str(&page.into_string());
                text.push_str(&super::episode(&kill.episode, &kill.info, options));
                page = Page::new(options);
            }
            saved(job, kill, &explanation, &mut page);
        }
        text.push_str(&page.into_string());
    }
    if job.kills.is_empty()
        && let Some(counted) = &job.counted
    {
        page.headline(&format!("oomtrace: {}", counted_words(job, counted)), HANGING);
        page.labelled("saved by", counted_saved(counted));
    }
    if job.more_kills > 0 {
        page.paragraph(
            &format!(
                "{} more of the kind; the first {} are told",
                words::count(job.more_kills, "episode"),
                job.kills.len()
            ),
            HANGING,
        );
    }
    if !job.kills.is_empty() && job.untold() > 0 {
        page.labelled(
            "counted",
            &format!(
                "{} more in its cgroup {} killed by the OOM killer, by the kernel's count, and not seen",
                words::counted(job.untold(), "process", "processes"),
                were(job.untold())
            ),
        );
    }
    page.labelled("job", &ended(job));
    page.labelled("peak", &peak(job));
    limits_of_sight(job, &mut page);
    text.push_str(&page.into_string());
    text
}

const HANGING: usize = 4;

/// `cc1plus[42] of this job was killed by the OOM killer: its cgroup, /ci/job, met its limit of 512.0M`
fn headline(job: &Job, kill: &Kill) -> String {
    let Some(victim) = kill.victims().next() else { return "somebody of this job was killed".to_owned() };
    let info = &kill.info;
    let episode = &kill.episode;
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    let path =
        limiting.and_then(|level| level.path.as_ref()).map_or("a cgroup".to_owned(), ToString::to_string);
    let limit = limiting
        .and_then(|level| level.max_pages)
        .map_or_else(String::new, |pages| format!(" of {}", words::size(info.bytes(pages))));
    let home = job.home.path.as_deref().unwrap_or(&job.home.shown);
    let whose = match job.home.whose(episode, victim) {
        Whose::Own => format!("its own cgroup, {path}, met its limit{limit}"),
        Whose::Parent => {
            format!("{path}, which is above its own cgroup {home}, met its limit{limit}; its own was not met")
        }
        Whose::Within => format!("{path}, a cgroup within the job, met its limit{limit}"),
        Whose::Machine => "the whole machine was out of memory; no limit of a cgroup was met".to_owned(),
        Whose::Beyond | Whose::Unknown if limiting.is_some() => format!("{path} met its limit{limit}"),
        Whose::Beyond | Whose::Unknown => "which limit was met is not known".to_owned(),
    };
    let of = if kill.sure { "of this job" } else { "of the cgroup of this job, whose start was not seen," };
    let others = match episode.victims.len().saturating_sub(1) {
        0 => String::new(),
        number => format!(", and {number} more with it,"),
    };
    let was = match episode.outcome {
        Outcome::AlreadyExiting => "was dying, and hurried by the OOM killer",
        _ => "was killed by the OOM killer",
    };
    format!("{} {of}{others} {was}: {whose}", words::task(victim))
}

/// `saved by  …`: the limit, the adjustment.
fn saved(job: &Job, kill: &Kill, explanation: &Explanation<'_>, page: &mut Page) {
    let room = page.text_width();
    let mut texts = Vec::new();
    texts.extend(limit_needed(explanation).map(|(met, _)| {
        let size = words::size(kill.info.bytes(met));
        format!("a limit of more than {size}; how much more the job would have come to want is not known")
    }));
    // What was made for the job has no limit, and is not its cgroup for whoever started it.
    let own = kill.victims().next().map(|victim| job.home.whose(&kill.episode, victim)) == Some(Whose::Own);
    for text in at_length::room(explanation, room) {
        match job.home.made.as_deref().filter(|made| text.contains(*made)) {
            None => texts.push(text),
            Some(_) if own => {}
            Some(made) => texts.push(text.replace(&format!("/{made}"), "")),
        }
    }
    if explanation.limits.is_none() && texts.is_empty() {
        texts.push("less use of memory by others, more memory, or swap".to_owned());
    }
    texts.extend(adjustment(job, kill, explanation));
    for (i, text) in texts.iter().enumerate() {
        page.labelled(if i == 0 { "saved by" } else { "" }, text);
    }
}

fn adjustment(job: &Job, kill: &Kill, explanation: &Explanation<'_>) -> Option<String> {
    let spared = spared(explanation)?;
    let chosen = words::task(&explanation.chosen?.task);
    let Some(pid) = spared.instead else {
        return Some(format!(
            "no oom_score_adj: {chosen} was the only one that could be killed; with -1000 nobody could be"
        ));
    };
    if pid == job.tracer {
        return Some(format!(
            "no oom_score_adj: beside {chosen} only oomtrace itself could have been killed"
        ));
    }
    let other = explanation.episode.candidates.iter().find(|candidate| candidate.task.pid == pid);
    let other = other.map_or_else(|| format!("[{pid}]"), |candidate| words::task(&candidate.task));
    let also = if kill.relatives.contains(&pid) { ", which is of this job as well," } else { "" };
    Some(format!(
        "oom_score_adj {}{} for {chosen}: {other}{also} would have died instead",
        spared.adj,
        if spared.adj > -1000 { " or less" } else { "" },
    ))
}

fn counted_words(job: &Job, counted: &Counted) -> String {
    let processes = words::counted(counted.kills, "process", "processes");
    let home = &job.home.shown;
    let whose = match (counted.whose, &counted.limiting) {
        (Whose::Own, Some(path)) => format!("its own cgroup, {path}, met its limit"),
        (Whose::Parent, Some(path)) => {
            format!("{path}, which is above its own cgroup {home}, met its limit; its own was not met")
        }
        (Whose::Within, _) => "a cgroup within it met its limit".to_owned(),
        (Whose::Machine, _) => "the whole machine was out of memory; no limit of a cgroup was met".to_owned(),
        (Whose::Beyond, _) => {
            "a cgroup above those that can be seen from here met its limit, or the whole machine was out of memory"
                .to_owned()
        }
        _ if !counted.met.is_empty() => {
            format!("several limits were met, and which of them it was for is not counted here: {}", counted.met.join(", "))
        }
        _ => "which limit was met is not known".to_owned(),
    };
    let limit = counted.limit_bytes.map_or_else(String::new, |bytes| format!(" of {}", words::size(bytes)));
    // Nobody else is in a cgroup that was made for it.
    let whose_cgroup = if job.home.made.is_some() { "of this job" } else { "in the cgroup of this job" };
    let (first, rest) = whose.split_once("; ").map_or((whose.as_str(), ""), |(first, rest)| (first, rest));
    let rest = if rest.is_empty() { String::new() } else { format!("; {rest}") };
    // Cgroup version 1.
    let doubt = match counted.limiting {
        Some(_) if !counted.sure => {
            " (no other limit was met; whether it was for this one, or for want of memory on the machine, is not counted here)"
        }
        _ => "",
    };
    format!(
        "{processes} {whose_cgroup} {} killed by the OOM killer: {first}{limit}{rest}{doubt}",
        were(counted.kills)
    )
}

fn were(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

fn counted_saved(counted: &Counted) -> &'static str {
    match counted.whose {
        Whose::Own | Whose::Parent | Whose::Within => {
            "a higher limit, or less use of memory within it; by how much cannot be told from counters"
        }
        Whose::Machine => "less use of memory by others, more memory, or swap",
        Whose::Beyond | Whose::Unknown => "not known without knowing which limit it was",
    }
}

/// Something says that there may have been a kill, and nothing shows whose.
fn suspicion(job: &Job) -> Option<String> {
    // It was looked for and was not there, which is an answer.
    if job.source.is_some() || job.counted.is_some() {
        return None;
    }
    let killed = match (job.says_killed(), job.signal) {
        (false, _) => "",
        (true, Some(_)) => "; the command was ended by SIGKILL",
        (true, None) => "; the command ended with 137, which tells of SIGKILL",
    };
    match job.machine_kills {
        Some(0) => None,
        Some(number) => Some(format!(
            "{} on this machine {} killed by the OOM killer meanwhile; whether of this job cannot be told{killed}",
            words::counted(number, "process", "processes"),
            were(number)
        )),
        None if killed.is_empty() => None,
        None => Some(format!("whether somebody was killed by the OOM killer cannot be told here{killed}")),
    }
}

fn quiet(job: &Job) -> String {
    let how = match job.source {
        Some(SourceKind::Log) => "by the kernel's log",
        Some(source) => source.word(),
        None => "by counters of its cgroup",
    };
    let others = match job.others {
        0 => String::new(),
        number => format!("; {} of others meanwhile", words::count(number, "OOM kill")),
    };
    match (job.source, &job.counted) {
        (None, None) => "whether anybody of this job was killed by the OOM killer was not seen".to_owned(),
        _ => format!("nobody of this job was killed by the OOM killer (followed {how}){others}"),
    }
}

/// `make all ended with 2 after 1.234 s`
fn ended(job: &Job) -> String {
    let command = words::plain(&job.command.join(" "));
    let end = match (job.code, job.signal) {
        (Some(code), _) => format!("ended with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "has no known end".to_owned(),
    };
    let processes = match job.processes {
        0 => String::new(),
        number => format!("; up to {} at once", words::counted(number, "process", "processes")),
    };
    format!("`{command}` {end} after {}{processes}", words::long_duration(job.duration_ns))
}

fn peak(job: &Job) -> String {
    let largest = format!("the largest process {}", words::size(job.largest_bytes));
    match job.peak {
        Some(peak) if peak.exact => format!("all of it {}, {largest}", words::size(peak.bytes)),
        Some(peak) => {
            format!(
                "its cgroup at least {} (looked at ten times a second), {largest}",
                words::size(peak.bytes)
            )
        }
        None => largest,
    }
}

fn limits_of_sight(job: &Job, page: &mut Page) {
    for (i, text) in job.unseen.iter().enumerate() {
        page.labelled(if i == 0 { "not seen" } else { "" }, text);
    }
}
