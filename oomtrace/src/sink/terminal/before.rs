//! The minutes before: what was free, how long tasks waited for memory, and which cgroups grew.

use crate::model::sample::{CgroupUsage, Item, Psi, Sample};

use super::page::Page;
use super::{Context, words};

/// Cgroups that are named.
const MAX_CGROUPS: usize = 3;
/// Columns of their sizes.
const SIZES: usize = 46;

/// `before    in 9 min: MemAvailable 812.0M to 31.2M, SwapFree 2.0G to 0, PSI some 0.0 % to 61.2 %, full 0.0 % to 43.0 %; last looked 2.1 s before`,
/// and the cgroups that grew most, a line each. Verbose only.
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let samples = &context.episode.memory_before;
    let Some((first, last)) = samples.first().zip(samples.last()) else { return };
    let mut parts: Vec<String> = [Item::MemAvailable, Item::MemFree, Item::SwapFree]
        .into_iter()
        // Where MemAvailable is known, it is what counts; and without swap none is free.
        .filter(|&item| match item {
            Item::MemFree => last.bytes(Item::MemAvailable).is_none(),
            Item::SwapFree => last.bytes(Item::SwapTotal).is_some_and(|total| total > 0),
            _ => last.bytes(item).is_some(),
        })
        .map(|item| {
            let [from, to] = [first, last].map(|sample| words::size_or_unknown(sample.bytes(item)));
            format!("{} {}", Item::ALL[item as usize].1, change(from, to))
        })
        .collect();
    let pressure: Vec<String> = [("some", first.some, last.some), ("full", first.full, last.full)]
        .into_iter()
        .filter_map(|(which, from, to)| Some(format!("{which} {}", change(percent(from?), percent(to?)))))
        .collect();
    if !pressure.is_empty() {
        parts.push(format!("PSI {}", pressure.join(", ")));
    }
    let span = last.boot_ns - first.boot_ns;
    let over = if span == 0 { String::new() } else { format!("in {}: ", words::long_duration(span)) };
    let since = context.episode.opened_ns.and_then(|opened| opened.checked_sub(last.boot_ns));
    let since =
        since.map_or_else(String::new, |ns| format!("; last looked {} before", words::long_duration(ns)));
    page.labelled("before", &format!("{over}{}{since}", parts.join(", ")));
    // Cgroups are looked at more seldom than the rest.
    let looked = samples.iter().rev().find(|sample| sample.cgroups.is_some()).map(|sample| sample.boot_ns);
    let age = looked.filter(|&at| at != last.boot_ns).zip(context.episode.opened_ns);
    let age = age.and_then(|(at, opened)| opened.checked_sub(at));
    let age = age.map_or_else(String::new, |ns| format!(", {} before", words::long_duration(ns)));
    for (usage, from) in grown(samples.iter().map(|sample| &**sample)) {
        let path = usage.path.to_string();
        let room = page.text_width().saturating_sub(SIZES).max(SIZES);
        let limit = usage.limit_bytes.map_or_else(String::new, |limit| format!(" of {}", words::size(limit)));
        let to = words::size(usage.usage_bytes);
        // Of one look alone there is nothing to compare with.
        let sizes = match from {
            Some(from) => change(words::size(from), to),
            None => to,
        };
        page.labelled("", &format!("{}  {sizes}{limit}{age}", words::path(&path, room)));
    }
}

/// `812.0M to 31.2M`; what stayed the same is told once.
fn change(from: String, to: String) -> String {
    if from == to { to } else { format!("{from} to {to}") }
}

fn percent(psi: Psi) -> String {
    format!("{}.{} %", psi.avg10 / 100, psi.avg10 % 100 / 10)
}

/// Those of the last look that grew most since the first one that has them, with what they had then; of one look alone the largest,
/// with nothing to compare.
pub(crate) fn grown<'a>(
    samples: impl DoubleEndedIterator<Item = &'a Sample> + Clone,
) -> Vec<(&'a CgroupUsage, Option<u64>)> {
    let looks = samples.filter_map(|sample| sample.cgroups.as_ref());
    let Some(last) = looks.clone().next_back() else { return Vec::new() };
    let several = looks.clone().count() > 1;
    let first = |id: u64| {
        let found = looks.clone().find_map(|look| look.top.iter().find(|usage| usage.id == id));
        found.filter(|_| several).map(|usage| usage.usage_bytes)
    };
    let mut grown: Vec<_> = last.top.iter().map(|usage| (usage, first(usage.id))).collect();
    if several {
        // As it is shown: what nobody can see has not grown.
        grown.retain(|(usage, from)| {
            from.is_some_and(|from| {
                from < usage.usage_bytes && words::size(from) != words::size(usage.usage_bytes)
            })
        });
        grown.sort_by_key(|(usage, from)| std::cmp::Reverse(usage.usage_bytes - from.unwrap_or(0)));
    }
    grown.truncate(MAX_CGROUPS);
    grown
}
