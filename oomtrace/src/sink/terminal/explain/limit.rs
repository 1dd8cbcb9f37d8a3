//! Whose limit it was, and whether another one would have mattered.

use crate::explain::Explanation;
use crate::explain::limits::{self, Limits, Machine, Next};
use crate::model::Name;
use crate::model::episode::{Episode, MemcgLimit, Scope};

use super::super::page::Page;
use super::super::{called, words};

const NO_SWAP: &str = "no swap: the machine has none, so anonymous memory could not make room";

/// Sentences about limits, for a memcg episode; about the machine for a global one.
pub(super) fn write(explanation: &Explanation<'_>, page: &mut Page) {
    for (i, text) in texts(explanation, page.text_width()).iter().enumerate() {
        page.labelled(if i == 0 { "room" } else { "" }, text);
    }
}

/// The sentences, with paths of at most `room` columns.
pub(in crate::sink::terminal) fn texts(explanation: &Explanation<'_>, room: usize) -> Vec<String> {
    let mut texts = Vec::new();
    match (&explanation.limits, explanation.episode.scope) {
        (Some(limits), _) => memcg(explanation, limits, room, &mut texts),
        (None, Some(Scope::Global)) if !explanation.settings.by_hand => {
            texts.extend(machine(explanation, &explanation.machine));
        }
        _ => {}
    }
    texts
}

/// A path that fits a line, or what the container or pod is called.
pub(super) fn path(episode: &Episode, level: &MemcgLimit, room: usize) -> String {
    level
        .path
        .as_ref()
        .map_or_else(|| "a cgroup".to_owned(), |path| called::or_path(episode, path, room.saturating_sub(1)))
}

fn memcg(explanation: &Explanation<'_>, limits: &Limits<'_>, room: usize, texts: &mut Vec<String>) {
    let size = |pages: u64| words::size(explanation.session.bytes(pages));
    let Some(limiting) = limits.limiting else { return };
    let own = path(explanation.episode, limiting, room);
    let memsw = limits::full_memsw(limiting, explanation.session);
    let higher = if memsw.is_some() { "both limits higher" } else { "a higher limit" };
    texts.extend(memsw.map(|max| {
        format!(
            "memory+swap of {own} was at its limit ({}): raising memory.limit_in_bytes alone would have changed nothing",
            size(max)
        )
    }));
    texts.push(match limits.next {
        Next::Ancestor { headroom_pages: 0, level, .. } => format!(
            "raising the limit of {own} alone would have changed nothing: {} was full as well",
            path(explanation.episode, level, room)
        ),
        Next::Ancestor { level, headroom_pages, useful_max_pages } => format!(
            "{higher} would have mattered up to {}: then {}, which had {} left, is full. Raising that one alone \
             would have changed nothing",
            size(useful_max_pages),
            path(explanation.episode, level, room),
            size(headroom_pages)
        ),
        Next::Machine => format!(
            "{higher} would have mattered: nothing above {own} has a limit, so that only the machine's memory \
             would have been left to run out"
        ),
        Next::Unknown => format!(
            "it was the limit of {own} that was met; whether one above it would have been met next is not known"
        ),
    });
    if let Some(home) = elsewhere(explanation, limiting) {
        texts.push(format!(
            "it is not the limit of the victim's own cgroup, {}: raising that one would have changed nothing",
            called::or_path(explanation.episode, home, room.saturating_sub(1))
        ));
    }
    if let Some(high) = limiting.high_pages {
        let text = match limiting.max_pages {
            Some(max) if high >= max => {
                format!("memory.high ({}) is not below the limit: it never slowed anybody down", size(high))
            }
            _ => format!(
                "memory.high ({}) slows allocations down and reclaims above it, and does not prevent this",
                size(high)
            ),
        };
        texts.push(text);
    }
    texts.extend(swap(explanation, limiting));
}

/// The chosen one's cgroup, when it is below the limiting one.
fn elsewhere<'a>(explanation: &Explanation<'a>, limiting: &MemcgLimit) -> Option<&'a Name> {
    let home = explanation.chosen?.task.cgroup.as_ref()?;
    limiting.path.as_ref().filter(|path| *path != home).map(|_| home)
}

fn swap(explanation: &Explanation<'_>, limiting: &MemcgLimit) -> Option<String> {
    let info = explanation.session;
    let size = |pages: u64| words::size(info.bytes(pages));
    if explanation.machine.swap_total_pages == Some(0)
        || (explanation.machine.swap_total_pages.is_none() && info.swap_bytes == Some(0))
    {
        return Some(NO_SWAP.to_owned());
    }
    let usage = limiting.swap_usage_pages?;
    if info.cgroup_version == Some(1) {
        let max = limiting.swap_max_pages?;
        return (usage < max)
            .then(|| format!("memory+swap was below its limit: {} of {}", size(usage), size(max)));
    }
    match limiting.swap_max_pages {
        Some(0) => Some(
            "no swap: memory.swap.max is 0, so anonymous memory of this cgroup could not make room"
                .to_owned(),
        ),
        Some(max) if usage >= max => {
            Some(format!("swap was full as well: {} of {} (memory.swap.max)", size(usage), size(max)))
        }
        Some(max) => Some(format!("swap was not full: {} of {} (memory.swap.max)", size(usage), size(max))),
        None => match explanation.machine.swap_free_pages {
            Some(0) => Some(format!("the machine's swap was full; {} of it were this cgroup's", size(usage))),
            Some(free) => Some(format!(
                "the machine had {} of swap left, {} were this cgroup's: what was to be freed could not be swapped out \
                 fast enough, or at all",
                size(free),
                size(usage)
            )),
            None => None,
        },
    }
}

/// What the numbers of the machine mean.
fn machine(explanation: &Explanation<'_>, machine: &Machine) -> Vec<String> {
    let size = |pages: u64| words::size(explanation.session.bytes(pages));
    let mut texts = Vec::new();
    texts.extend(machine.free_pages.and_then(|free| fragmented(explanation.episode, free)));
    let configured = explanation.session.swap_bytes;
    match (machine.swap_free_pages, machine.swap_total_pages) {
        // What the RAM was used for says it.
        (_, Some(0)) if machine.anon_pages.is_some() => {}
        (_, Some(0)) => texts.push(NO_SWAP.to_owned()),
        (None, None) if configured == Some(0) => texts.push(NO_SWAP.to_owned()),
        (Some(free), Some(total)) if free <= total / 100 => {
            texts.push(format!("swap was used up: {} of {} were free", size(free), size(total)));
        }
        (Some(free), Some(total)) => texts.push(format!(
            "swap was not used up: {} of {} were free. What was to be freed could not be swapped out, or not fast enough",
            size(free),
            size(total)
        )),
        _ => {}
    }
    texts.extend(used_for(explanation, machine));
    texts
}

/// What most of the RAM was used for.
fn used_for(explanation: &Explanation<'_>, machine: &Machine) -> Option<String> {
    let size = |pages: u64| words::size(explanation.session.bytes(pages));
    let (anon, file) = (machine.anon_pages?, machine.file_pages?);
    let ram = explanation.session.ram_bytes?.checked_div(u64::from(explanation.session.page_size))?;
    let half = ram / 2;
    Some(if anon > half {
        let how = if machine.swap_total_pages == Some(0) {
            "without swap only a kill"
        } else {
            "only swap or a kill"
        };
        format!("most of the RAM was anonymous memory ({}): {how} can free that", size(anon))
    } else if file > half {
        format!("most of the RAM was file pages ({}), which could not be given back all the same", size(file))
    } else if anon.saturating_add(file) > half {
        format!("most of the RAM was anonymous memory ({}) and file pages ({})", size(anon), size(file))
    } else {
        let slab = machine
            .slab_pages
            .map_or_else(String::new, |pages| format!("; unreclaimable slab was {}", size(pages)));
        format!(
            "less than half of the RAM was anonymous memory ({}) or file pages ({}): the rest was the kernel's, huge pages, \
             or of drivers{slab}",
            size(anon),
            size(file)
        )
    })
}

/// A request for contiguous pages can fail with memory free.
fn fragmented(episode: &Episode, free: u64) -> Option<String> {
    let order @ 1..=30 = episode.order? else { return None };
    (free >> order > 0).then(|| {
        format!(
            "{} contiguous pages were wanted (order {order}): free pages in smaller pieces do not help",
            1_u64 << order
        )
    })
}
