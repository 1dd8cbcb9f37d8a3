//! Counters of a job's cgroups: what they have counted since, and what follows from that. Which cgroups those are is told by
//! [`super::cgroup`].
//!
//! Version 2 counts OOMs of a limit (`oom` in `memory.events.local`). Version 1 counts how often a limit was met (`failcnt`), which
//! reclaim mostly takes care of: there it only follows that a limit was *not* the one.

use std::fs;
use std::path::Path;

use crate::explain::job::{Counted, Whose};

/// Of one cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Processes that were killed here; on version 2 also below.
    pub(super) kills: u64,
    /// How often its own limit was met with nothing left to reclaim; on version 1, how often it, or that of memory and swap together, was met.
    met: u64,
    /// The same here and below; version 2 only.
    met_below: u64,
}

/// One cgroup, from the job's upwards.
pub(super) struct Level {
    /// What was counted meanwhile.
    pub(super) since: Counters,
    /// As this process sees it.
    pub(super) path: String,
    /// Its limit, bytes.
    pub(super) limit_bytes: Option<u64>,
}

impl Counters {
    pub(super) fn read(version: u8, folder: &Path) -> Option<Self> {
        let field = |file: &str, key: &str| {
            let text = fs::read_to_string(folder.join(file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
        };
        if version == 1 {
            // Memory and swap together are charged first. They are not there when swap is not accounted.
            let met = |file: &str| number(&folder.join(file)).unwrap_or(0);
            return Some(Self {
                kills: field("memory.oom_control", "oom_kill")?,
                met: met("memory.failcnt").saturating_add(met("memory.memsw.failcnt")),
                met_below: 0,
            });
        }
        Some(Self {
            kills: field("memory.events", "oom_kill")?,
            met: field("memory.events.local", "oom")?,
            met_below: field("memory.events", "oom")?,
        })
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            kills: self.kills.saturating_sub(before.kills),
            met: self.met.saturating_sub(before.met),
            met_below: self.met_below.saturating_sub(before.met_below),
        }
    }
}

/// What follows. `own`: so many of the first levels are the job's own. `to_root`: there is no limit above the last level.
pub(super) fn judged(version: u8, levels: &[Level], own: usize, to_root: bool) -> Option<Counted> {
    let first = levels.first()?;
    let unknown = Counted { kills: first.since.kills, ..Counted::default() };
    if unknown.kills == 0 {
        return Some(unknown);
    }
    if first.since.met == 0 && first.since.met_below > 0 {
        return Some(Counted { whose: Whose::Within, sure: true, ..unknown });
    }
    let mut met = levels.iter().enumerate().filter(|(_, level)| level.since.met > 0);
    let Some((at, level)) = met.next() else {
        let whose = if to_root { Whose::Machine } else { Whose::Beyond };
        return Some(Counted { whose, sure: true, ..unknown });
    };
    if version == 1 && met.next().is_some() {
        let met = levels.iter().filter(|level| level.since.met > 0).map(|level| level.path.clone());
        return Some(Counted { met: met.collect(), ..unknown });
    }
    Some(Counted {
        whose: if at < own { Whose::Own } else { Whose::Parent },
        limiting: Some(level.path.clone()),
        limit_bytes: level.limit_bytes,
        sure: version != 1,
        ..unknown
    })
}

pub(super) fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(path: &str, kills: u64, met: u64, met_below: u64) -> Level {
        Level {
            since: Counters { kills, met, met_below },
            path: path.to_owned(),
            limit_bytes: Some(64 << 20),
        }
    }

    #[test]
    fn version_2_counts_ooms_of_each_limit() {
        let levels = [level("/a/b", 1, 0, 0), level("/a", 1, 1, 1)];
        let counted = judged(2, &levels, 1, true).unwrap();
        assert_eq!(
            (counted.whose, counted.limiting.as_deref(), counted.sure),
            (Whose::Parent, Some("/a"), true)
        );
        let levels = [level("/a/b", 1, 1, 1), level("/a", 1, 1, 2)];
        assert_eq!(judged(2, &levels, 1, true).unwrap().whose, Whose::Own);
        let levels = [level("/a/b", 1, 0, 1), level("/a", 1, 0, 1)];
        assert_eq!(judged(2, &levels, 1, true).unwrap().whose, Whose::Within);
    }

    #[test]
    fn version_1_counts_how_often_a_limit_was_met_and_that_is_no_oom() {
        let counted = judged(1, &[level("/a/b", 1, 900, 0), level("/a", 0, 0, 0)], 1, true).unwrap();
        assert_eq!((counted.whose, counted.sure), (Whose::Own, false));
        let counted = judged(1, &[level("/a/b", 1, 900, 0), level("/a", 0, 3, 0)], 1, true).unwrap();
        assert_eq!((counted.whose, counted.limiting, counted.sure), (Whose::Unknown, None, false));
        assert_eq!(counted.met, ["/a/b", "/a"]);
    }

    #[test]
    fn where_no_limit_was_met_it_was_none_of_these() {
        for version in [1, 2] {
            let levels = [level("/a/b", 2, 0, 0), level("/a", 2, 0, 0)];
            let whose = |to_root| judged(version, &levels, 1, to_root).unwrap();
            assert_eq!((whose(true).whose, whose(true).sure), (Whose::Machine, true));
            assert_eq!(whose(false).whose, Whose::Beyond);
        }
    }

    #[test]
    fn memory_and_swap_together_are_a_limit_too() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(folder.path().join(file), text).unwrap();
        write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
        write("memory.failcnt", "0\n");
        assert_eq!(Counters::read(1, folder.path()), Some(Counters { kills: 3, met: 0, met_below: 0 }));
        write("memory.memsw.failcnt", "7\n");
        assert_eq!(Counters::read(1, folder.path()), Some(Counters { kills: 3, met: 7, met_below: 0 }));
    }
}
