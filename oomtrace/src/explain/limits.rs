//! Whose limit it was, and what room there was above it.

use crate::model::SessionInfo;
use crate::model::episode::{Episode, MemcgLimit, Scope};
use crate::model::meminfo::{Item, MemInfo, item};

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
pub fn limits<'a>(episode: &'a Episode, session: &SessionInfo) -> Option<Limits<'a>> {
    if episode.scope != Some(Scope::Memcg) && episode.memcg.is_empty() {
        return None;
    }
    let levels: Vec<Room<'_>> = episode.memcg.iter().map(room).collect();
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    let above: Vec<Room<'_>> =
        levels.iter().copied().filter(|room| !is_apart(room.level, limiting, session)).collect();
    Some(Limits { next: next(&above, limiting), levels, limiting })
}

/// Whether an ancestor's limit does not hold for its children: cgroup v1 without `memory.use_hierarchy` (up to 5.10). Its usage is
/// then its own alone, while otherwise it is at least theirs, but for what each CPU is about to charge (`MEMCG_CHARGE_BATCH`).
fn is_apart(level: &MemcgLimit, limiting: Option<&MemcgLimit>, session: &SessionInfo) -> bool {
    const CHARGE_BATCH: u64 = 64;
    let usages = level.usage_pages.zip(limiting.and_then(|limiting| limiting.usage_pages));
    let underway = CHARGE_BATCH.saturating_mul(session.cpus.unwrap_or(1).into());
    session.cgroup_version == Some(1)
        && usages.is_some_and(|(above, limiting)| above.saturating_add(underway) < limiting)
}

/// Memory and swap together (cgroup v1) are at their limit, pages: `memory.limit_in_bytes` cannot be raised above it, and raising
/// that one alone makes no room. `None`: they are not, or have no limit of their own.
#[must_use]
pub fn full_memsw(limiting: &MemcgLimit, session: &SessionInfo) -> Option<u64> {
    let max = limiting.swap_max_pages.filter(|_| session.cgroup_version == Some(1))?;
    limiting.swap_usage_pages.is_some_and(|usage| usage >= max).then_some(max)
}

/// What `oom_control.totalpages` of a memcg would have been with another limit (`mem_cgroup_get_max()`), pages. On cgroup v1 a limit
/// on memory and swap together leaves the less for swap, unless it is raised as well because it is full.
#[must_use]
pub fn scale_at(episode: &Episode, session: &SessionInfo, old: u64, new: u64) -> Option<u64> {
    let swap = episode.totalpages?.saturating_sub(old);
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    let memsw = limiting
        .filter(|level| session.cgroup_version == Some(1) && full_memsw(level, session).is_none())
        .and_then(|level| level.swap_max_pages);
    let swap = match memsw {
        Some(memsw) => {
            let machine = episode.situation.as_ref().and_then(|situation| situation.swap_total_pages);
            let most = if swap < memsw.saturating_sub(old) { swap } else { machine.unwrap_or(swap) };
            most.min(memsw.saturating_sub(new))
        }
        None => swap,
    };
    Some(new.saturating_add(swap).max(1))
}

fn room(level: &MemcgLimit) -> Room<'_> {
    let is_root = level.path.as_ref().is_some_and(|path| &**path == b"/");
    Room {
        level,
        headroom_pages: level.max_pages.zip(level.usage_pages).map(|(max, usage)| max.saturating_sub(usage)),
        unlimited: level.max_pages.is_none() && (level.usage_pages.is_some() || is_root),
    }
}

fn next<'a>(levels: &[Room<'a>], limiting: Option<&MemcgLimit>) -> Next<'a> {
    let Some(max_pages) = limiting.and_then(|level| level.max_pages) else { return Next::Unknown };
    let ancestors = || levels.iter().filter(|room| !room.level.limiting);
    // Nothing is above a cgroup right below the root but the root, which has no limit.
    let top = levels.last().and_then(|room| room.level.path.as_ref());
    let reaches_root = top.is_some_and(|path| path.iter().filter(|&&byte| byte == b'/').count() == 1);
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

/// How much the least short zone of the machine lacked to its min watermark, pages: with less than that more, the request is not
/// met. 0 for a memcg's limit, and when no zone is known to have been short.
#[must_use]
pub fn shortage(episode: &Episode, session: &SessionInfo) -> u64 {
    let Some(memory) = MemInfo::new(session, episode).filter(|_| episode.scope == Some(Scope::Global)) else {
        return 0;
    };
    let lacking = episode.zones.iter().filter_map(|zone| {
        let lacks = zone.min_with_boost_pages()?.checked_sub(memory.zone_free_pages(zone)?)?;
        (lacks > 0).then_some(lacks)
    });
    lacking.min().unwrap_or(0)
}

/// What the machine had left at the choice; `None` where not captured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Free in all zones, pages.
    pub free_pages: Option<u64>,
    /// What the zones keep back for those in need (`WMARK_MIN`), pages.
    pub reserve_pages: Option<u64>,
    /// Anonymous memory that is mapped, pages.
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

/// What the machine had left.
#[must_use]
pub fn machine(episode: &Episode, session: &SessionInfo) -> Machine {
    let memory = MemInfo::new(session, episode);
    let total = |names: Item| memory.and_then(|memory| memory.total(names));
    let reserves = episode.zones.iter().map(|zone| zone.min_pages);
    let mut reserves = reserves.peekable();
    let reserve_pages = reserves
        .peek()
        .is_some()
        .then(|| reserves.try_fold(0_u64, |sum, pages| Some(sum.saturating_add(pages?))));
    let file = total(item::ACTIVE_FILE).zip(total(item::INACTIVE_FILE));
    let situation = episode.situation.as_ref();
    Machine {
        free_pages: total(item::FREE),
        reserve_pages: reserve_pages.flatten(),
        anon_pages: total(item::ANON),
        file_pages: file.map(|(active, inactive)| active.saturating_add(inactive)),
        slab_pages: total(item::SLAB_UNRECLAIMABLE),
        swap_free_pages: situation.and_then(|situation| situation.swap_free_pages),
        swap_total_pages: situation.and_then(|situation| situation.swap_total_pages),
    }
}
