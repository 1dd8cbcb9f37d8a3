//! The limiting cgroup and its ancestors.

use unicode_width::UnicodeWidthStr;

use crate::model::cgroup_path::{self, Owner};
use crate::model::episode::{Episode, MemcgLimit};
use crate::model::{Name, SessionInfo};

use super::page::Page;
use super::{Context, called, words};

/// Columns of a path at least: more than there may be beside the numbers.
const LEAST: usize = 16;
/// The same of a name, which may be cut anywhere.
const LEAST_NAME: usize = 8;

/// One line a level: path, usage, limit. The root, which has neither, is left out.
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let Context { info, episode, options } = context;
    let shown: Vec<&MemcgLimit> = episode
        .memcg
        .iter()
        .filter(|level| {
            options.verbose || level.limiting || level.usage_pages.is_some() || level.max_pages.is_some()
        })
        .collect();
    let numbers: Vec<String> = shown.iter().map(|level| numbers(level, info, options.verbose)).collect();
    let widest = numbers.iter().map(|text| text.width()).max().unwrap_or(0);
    let room = page.text_width().saturating_sub(widest + 2);
    let paths: Vec<String> = shown
        .iter()
        .map(|level| level.path.as_ref().map_or_else(|| "?".to_owned(), |path| name(episode, path, room)))
        .collect();
    let column = paths.iter().map(|path| path.width()).max().unwrap_or(0);
    for (i, (path, numbers)) in paths.iter().zip(&numbers).enumerate() {
        let label = if i == 0 { "limits" } else { "" };
        let gap = " ".repeat(column - path.width() + 2);
        page.labelled(label, &format!("{path}{gap}{numbers}"));
        if let Some(more) =
            shown.get(i).map(|level| more(level, info)).filter(|text| options.verbose && !text.is_empty())
        {
            page.labelled_hanging("", &format!("  {more}"), 2);
        }
    }
}

/// A path, in more columns than there are if it must be; where there is no room for its last name the name or the id of the container or pod that the cgroup is.
fn name(episode: &Episode, path: &Name, room: usize) -> String {
    let text = path.to_string();
    let (room, room_for_name) = (room.max(LEAST), room.max(LEAST_NAME));
    let last = text.rsplit('/').next().unwrap_or_default();
    if text.width() > room && words::with_short_ids(last).width() + "…/".width() > room {
        if let Some(name) = called::in_columns(episode, path, room_for_name) {
            return name;
        }
        let Owner { container, pod, .. } = cgroup_path::owner(path);
        if let Some(container) = container.filter(|container| last.contains(container.id)) {
            return words::path(container.short_id(), room);
        }
        let pod = pod.filter(|pod| last.replace('_', "-").contains(&pod.uid()));
        if let Some(pod) = pod {
            let id: String = pod.uid().chars().take(8).collect();
            return format!("pod {id}…");
        }
    }
    words::path(&text, room)
}

/// `512.0M of 512.0M, swap 0 of 64.0M   limiting`
fn numbers(level: &MemcgLimit, info: &SessionInfo, verbose: bool) -> String {
    let size = |pages: Option<u64>| pages.map(|pages| words::size(info.bytes(pages)));
    let pair = |usage: Option<u64>, max: Option<u64>| {
        let max = match (usage, max) {
            // No limit, unless nothing of this level was captured at all.
            (Some(_), None) => "max".to_owned(),
            (_, max) => size(max).unwrap_or_else(|| "?".to_owned()),
        };
        format!("{:>6} of {max}", size(usage).unwrap_or_else(|| "?".to_owned()))
    };
    let mut text = match (level.usage_pages, level.max_pages) {
        (None, None) => format!("{:>6}", "?"),
        (usage, max) => pair(usage, max),
    };
    if level.swap_max_pages.is_some() || level.swap_usage_pages.is_some_and(|pages| pages > 0) {
        let what = if info.cgroup_version == Some(1) { "memory+swap" } else { "swap" };
        text.push_str(&format!(
            ", {what} {}",
            pair(level.swap_usage_pages, level.swap_max_pages).trim_start()
        ));
    }
    if let Some(high) = size(level.high_pages).filter(|_| verbose) {
        text.push_str(&format!(", high {high}"));
    }
    if level.limiting {
        text.push_str("   limiting");
    }
    text
}

/// What else is known of a level, where it is anything: `met its limit 1,204 times, low 32.0M, 3 kills before`
pub(crate) fn more(level: &MemcgLimit, info: &SessionInfo) -> String {
    let size =
        |pages: Option<u64>| pages.filter(|&pages| pages > 0).map(|pages| words::size(info.bytes(pages)));
    let times = |number: Option<u64>| {
        number.filter(|&number| number > 0).map(|number| words::counted(number, "time", "times"))
    };
    let swap = if info.cgroup_version == Some(1) { "memory+swap" } else { "swap" };
    [
        times(level.failcnt).map(|times| format!("met its limit {times}")),
        times(level.swap_failcnt).map(|times| format!("met its {swap} limit {times}")),
        size(level.min_pages).map(|size| format!("min {size}")),
        size(level.low_pages).map(|size| format!("low {size}")),
        size(level.kmem_usage_pages).map(|size| format!("kernel memory {size}")),
        level
            .oom_kills
            .filter(|&kills| kills > 0)
            .map(|kills| format!("{} before", words::count(kills, "kill"))),
        (level.oom_group == Some(true)).then(|| "memory.oom.group".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}
