//! Whose limit it was, and what room there was above it.

use crate::model::SessionInfo;
use crate::model::episode::{Episode, MemcgLimit, Scope};

/// One level of the chain and its room.
#[derive(Clone, Copy, Debug)]
pub struct Room<'a> {
    /// The level.
    pub level: &'a MemcgLimit,
    /// Pages that it could still have taken: limit less usage. `None`: no limit, or not known.
    pub headroom_pages: Option<u64>,
    /// Whether it is known that there is no limit.
    pub unlimited: bool,
}

/// What a higher limit would have met.
#[derive(Clone, Copy, Debug)]
pub enum Next<'a> {
    /// The limit of an ancestor: the limiting cgroup could have grown to `useful_max_pages`, and no further.
    Ancestor {
        /// Which.
        level: &'a MemcgLimit,
        /// Its room, pages.
        headroom_pages: u64,
        /// The highest limit that would have made a difference, pages.
        useful_max_pages: u64,
    },
    /// No ancestor has a limit: the machine's memory.
    Machine,
    /// Cannot be told: limits of ancestors were not captured.
    Unknown,
}

/// The limits of a memcg episode.
#[derive(Clone, Debug)]
pub struct Limits<'a> {
    /// From the limiting cgroup up to the root.
    pub levels: Vec<Room<'a>>,
    /// The one whose limit was met.
    pub limiting: Option<&'a MemcgLimit>,
    /// What a higher limit would have met.
    pub next: Next<'a>,
}

/// The limits; `None` for a global episode.
#[must_use]
pub fn limits(episode: &Episode) -> Option<Limits<'_>> {
    if episode.scope != Some(Scope::Memcg) && episode.memcg.is_empty() {
        return None;
    }
    let levels: Vec<Room<'_>> = episode.memcg.iter().map(room).collect();
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    Some(Limits { next: next(&levels, limiting), levels, limiting })
}

fn room(level: &MemcgLimit) -> Room<'_> {
    let is_root = level.path.as_ref().is_some_and(|path| path.0 == b"/");
    Room {
        level,
        headroom_pages: level.max_pages.zip(level.usage_pages).map(|(max, usage)| max.saturating_sub(usage)),
        unlimited: level.max_pages.is_none() && (level.usage_pages.is_some() || is_root),
    }
}

fn next<'a>(levels: &[Room<'a>], limiting: Option<&MemcgLimit>) -> Next<'a> {
    let Some(max_pages) = limiting.and_then(|level| level.max_pages) else { return Next::Unknown };
    let ancestors = || levels.iter().filter(|room| !room.level.limiting);
    let reaches_root =
        levels.last().and_then(|room| room.level.path.as_ref()).is_some_and(|path| path.0 == b"/");
    if !reaches_root || ancestors().any(|room| room.headroom_pages.is_none() && !room.unlimited) {
        return Next::Unknown;
    }
    let tightest = ancestors().filter_map(|room| Some((room.level, room.headroom_pages?)));
    match tightest.min_by_key(|(_, headroom)| *headroom) {
        None => Next::Machine,
        Some((level, headroom_pages)) => Next::Ancestor {
            level,
            headroom_pages,
            useful_max_pages: max_pages.saturating_add(headroom_pages),
        },
    }
}

/// What the machine had left at the choice; `None` where not captured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Free in all zones, pages.
    pub free_pages: Option<u64>,
    /// What the zones keep back for those in need (`WMARK_MIN`), pages.
    pub reserve_pages: Option<u64>,
    /// Anonymous memory on the LRU lists, pages.
    pub anon_pages: Option<u64>,
    /// File pages on the LRU lists, pages.
    pub file_pages: Option<u64>,
    /// Slab that cannot be given back, pages.
    pub slab_pages: Option<u64>,
    /// Free swap, pages.
    pub swap_free_pages: Option<u64>,
    /// Swap, pages.
    pub swap_total_pages: Option<u64>,
}

impl Machine {
    /// Whether anything is known.
    #[must_use]
    pub fn known(&self) -> bool {
        self.free_pages.is_some() || self.swap_total_pages.is_some() || self.anon_pages.is_some()
    }
}

/// What the machine had left.
#[must_use]
pub fn machine(episode: &Episode, session: &SessionInfo) -> Machine {
    let zones = |name: &str| {
        let item = place(&session.zone_stat_items, name)?;
        sum(episode.zones.iter().map(|zone| zone.stats.get(item).copied()))
    };
    let nodes = |names: &[&str]| {
        names.iter().try_fold(0_u64, |all, name| {
            let item = place(&session.node_stat_items, name)?;
            let pages = sum(episode.nodes.iter().map(|node| node.stats.get(item).copied()))?;
            Some(all.saturating_add(pages))
        })
    };
    let reserves =
        episode.zones.iter().map(|zone| zone.min_pages.and_then(|pages| i64::try_from(pages).ok()));
    let situation = episode.situation.as_ref();
    Machine {
        free_pages: zones("NR_FREE_PAGES"),
        reserve_pages: sum(reserves),
        anon_pages: nodes(&["NR_INACTIVE_ANON", "NR_ACTIVE_ANON"]),
        file_pages: nodes(&["NR_INACTIVE_FILE", "NR_ACTIVE_FILE"]),
        slab_pages: nodes(&["NR_SLAB_UNRECLAIMABLE_B"]).or_else(|| nodes(&["NR_SLAB_UNRECLAIMABLE"])),
        swap_free_pages: situation.and_then(|situation| situation.swap_free_pages),
        swap_total_pages: situation.and_then(|situation| situation.swap_total_pages),
    }
}

fn place(items: &[String], name: &str) -> Option<usize> {
    items.iter().position(|item| item.eq_ignore_ascii_case(name))
}

/// The sum; `None` of nothing, or when one is missing. Counters may be below zero for a moment: 0 then, as the kernel shows them.
fn sum(values: impl Iterator<Item = Option<i64>>) -> Option<u64> {
    let mut any = false;
    let mut all = 0_u64;
    for value in values {
        all = all.saturating_add(u64::try_from(value?).unwrap_or(0));
        any = true;
    }
    any.then_some(all)
}
