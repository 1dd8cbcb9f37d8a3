//! What memory was used for: of the limiting cgroup, or of the machine.

use crate::model::episode::Scope;
use crate::model::evidence::ZoneMemory;
use crate::model::meminfo::{MemInfo, item, memcg_stat};

use super::page::Page;
use super::{Context, words};

/// Zones that are named when they are short of memory.
const MAX_ZONES: usize = 4;

/// `memory    anon 470.3M, file 3.4M, shmem 1.3M, slab 2.9M`: what the limiting cgroup's memory was, at the kill.
pub(super) fn of_memcg(context: &Context<'_>, page: &mut Page) {
    let Context { info, episode, options } = context;
    let Some(stat) = &episode.memcg_stat else { return };
    let lines: Vec<memcg_stat::Line<'_>> = memcg_stat::lines(stat, info).collect();
    let parts: Vec<String> = if options.verbose {
        lines
            .iter()
            .filter(|line| line.value > 0)
            .map(|line| {
                let value =
                    if line.bytes { words::size(line.value) } else { words::grouped(line.value.into()) };
                format!("{} {value}", words::plain(&line.name))
            })
            .collect()
    } else {
        let sum = |names: &[&str]| {
            let mut values = lines.iter().filter(|line| names.contains(&line.name.as_ref())).peekable();
            values.peek()?;
            Some(values.fold(0_u64, |sum, line| sum.saturating_add(line.value)))
        };
        [
            ("anon", sum(&["anon"])),
            ("file", sum(&["file"])),
            ("shmem", sum(&["shmem"]).filter(|&bytes| bytes > 0)),
            ("slab", sum(&["slab_reclaimable", "slab_unreclaimable"])),
            ("sockets", sum(&["sock"]).filter(|&bytes| bytes > 0)),
        ]
        .into_iter()
        .filter_map(|(name, bytes)| Some(format!("{name} {}", words::size(bytes?))))
        .collect()
    };
    if !parts.is_empty() {
        page.labelled("memory", &parts.join(", "));
    }
}

/// `machine   Normal 49.2M free, min 64.4M; anon 54.5G, file 8.4M, unreclaimable slab 829.7M; swap 48.0K free of 8.0G`
pub(super) fn of_machine(context: &Context<'_>, page: &mut Page) {
    let Context { info, episode, options } = context;
    // A memcg's limit does not depend on the machine's memory.
    if episode.scope == Some(Scope::Memcg) && !options.verbose {
        return;
    }
    let size = |pages| words::size(info.bytes(pages));
    let memory = MemInfo::new(info, episode);
    let mut parts = Vec::new();
    if let Some(memory) = memory {
        parts.extend(zones(context, memory));
        let file = memory.total(item::ACTIVE_FILE).zip(memory.total(item::INACTIVE_FILE));
        let uses: Vec<String> = [
            ("anon", memory.total(item::ANON)),
            ("file", file.map(|(active, inactive)| active.saturating_add(inactive))),
            ("shmem", memory.total(item::SHMEM).filter(|_| options.verbose)),
            ("unreclaimable slab", memory.total(item::SLAB_UNRECLAIMABLE)),
            ("reclaimable slab", memory.total(item::SLAB_RECLAIMABLE).filter(|_| options.verbose)),
            ("page tables", memory.total(item::PAGETABLES).filter(|_| options.verbose)),
            ("dirty", memory.total(item::DIRTY).filter(|_| options.verbose)),
            ("under writeback", memory.total(item::WRITEBACK).filter(|_| options.verbose)),
        ]
        .into_iter()
        .filter_map(|(what, pages)| Some(format!("{what} {}", size(pages?))))
        .collect();
        if !uses.is_empty() {
            parts.push(uses.join(", "));
        }
    }
    let swap = episode.situation.as_ref().and_then(|situation| {
        Some(match (situation.swap_free_pages, situation.swap_total_pages?) {
            (_, 0) => "no swap".to_owned(),
            (free, total) => format!(
                "swap {} free of {}",
                words::size_or_unknown(free.map(|pages| info.bytes(pages))),
                size(total)
            ),
        })
    });
    parts.extend(swap);
    if !parts.is_empty() {
        page.labelled("machine", &parts.join("; "));
    }
    if options.verbose {
        every_zone(context, memory, page);
        situation(context, page);
    }
}

/// The zones that are short: free pages against the min watermark, which ordinary requests may not go below. And whether
/// there is no block of the size that was wanted.
fn zones(context: &Context<'_>, memory: MemInfo<'_>) -> Vec<String> {
    let Context { info, episode, .. } = context;
    let size = |pages| words::size(info.bytes(pages));
    let short: Vec<(&ZoneMemory, u64, u64)> = episode
        .zones
        .iter()
        .filter_map(|zone| {
            let (free, min) = (memory.zone_free_pages(zone)?, zone.min_with_boost_pages()?);
            (free < min).then_some((zone, free, min))
        })
        .collect();
    let mut parts: Vec<String> = short
        .iter()
        .take(MAX_ZONES)
        .map(|(zone, free, min)| {
            format!("{} {} free, below its min watermark of {}", name(context, zone), size(*free), size(*min))
        })
        .collect();
    if let Some(more @ 1..) = short.len().checked_sub(MAX_ZONES) {
        parts.push(format!("{} below theirs", words::count(more as u64, "more zone")));
    }
    if parts.is_empty() && !episode.zones.is_empty() {
        parts.extend(memory.free_pages().map(|pages| format!("{} free", size(pages))));
    }
    let order = episode.order.and_then(|order| usize::try_from(order).ok()).filter(|&order| order > 0);
    let none_left = |order: usize| {
        episode.zones.iter().all(|zone| {
            zone.free_blocks.len() > order && zone.free_blocks.iter().skip(order).all(|&blocks| blocks == 0)
        })
    };
    if let Some(order) = order.filter(|&order| order < 31 && !episode.zones.is_empty() && none_left(order)) {
        parts.push(format!("no free block of {} pages or more", 1_u64 << order));
    }
    parts
}

/// `Normal`, on machines with several nodes `Normal of node 1`.
fn name(context: &Context<'_>, zone: &ZoneMemory) -> String {
    let several = context.episode.zones.iter().any(|other| other.node != zone.node);
    let node = if several { format!(" of node {}", zone.node) } else { String::new() };
    format!("{}{node}", zone.name)
}

/// `Normal         49.2M free, min 64.4M, low 80.5M, high 96.6M, 60.8G managed`
fn every_zone(context: &Context<'_>, memory: Option<MemInfo<'_>>, page: &mut Page) {
    let size = |pages: Option<u64>| words::size_or_unknown(pages.map(|pages| context.info.bytes(pages)));
    for zone in &context.episode.zones {
        let free = memory.and_then(|memory| memory.zone_free_pages(zone));
        let boost = match zone.boost_pages {
            Some(boost @ 1..) => format!(" (boost {} beside it)", size(Some(boost))),
            _ => String::new(),
        };
        let text = format!(
            "{}: {} free, min {}{boost}, low {}, high {}, {} managed",
            name(context, zone),
            size(free),
            size(zone.min_pages),
            size(zone.low_pages),
            size(zone.high_pages),
            size(zone.managed_pages)
        );
        page.labelled("", &text);
    }
}

/// `where     CPU 5, cpuset user.slice, mems_allowed 0-1, nodemask 1, kernel tainted (0x1000)`
fn situation(context: &Context<'_>, page: &mut Page) {
    let Some(situation) = &context.episode.situation else { return };
    let parts: Vec<String> = [
        situation.cpu.map(|cpu| format!("CPU {cpu}")),
        situation.cpuset.as_ref().map(|cpuset| format!("cpuset {cpuset}")),
        situation.mems_allowed.as_ref().map(|allowed| format!("mems_allowed {}", nodes(allowed))),
        (situation.nodemask_set == Some(true)).then(|| format!("nodemask {}", nodes(&situation.nodemask))),
        situation.tainted.map(|mask| match mask {
            0 => "kernel not tainted".to_owned(),
            mask => format!("kernel tainted ({mask:#x})"),
        }),
        situation
            .hwpoisoned_pages
            .filter(|&pages| pages > 0)
            .map(|pages| words::count(pages, "poisoned page")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !parts.is_empty() {
        page.labelled("where", &parts.join(", "));
    }
}

/// `0-3,6`, as the kernel writes lists of nodes.
fn nodes(nodes: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &node in nodes {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(node) => *last = node,
            _ => ranges.push((node, node)),
        }
    }
    let range = |&(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    if ranges.is_empty() {
        return "empty".to_owned();
    }
    ranges.iter().map(range).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::nodes;

    #[test]
    fn lists_of_nodes_are_the_kernels() {
        for (list, text) in [
            (&[0][..], "0"),
            (&[0, 1, 2, 6], "0-2,6"),
            (&[3, 5], "3,5"),
            (&[], "empty"),
            (&[u32::MAX, 0], "4294967295,0"),
        ] {
            assert_eq!(nodes(list), text);
        }
    }
}
