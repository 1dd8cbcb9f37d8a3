//! Which cgroups are shown, and since when: a series that begins with 1 has not increased, to whoever asks for its rate, so each one
//! begins with 0; and one in which nothing happens any more goes, as its cgroup has most likely gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cgroups::{Cgroups, Counts, PodLabels};

/// What readers have seen of each cgroup.
#[derive(Debug)]
pub(super) struct Ages {
    keep: Duration,
    seen: BTreeMap<String, Age>,
}

/// What is shown of a cgroup.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    pub(super) path: &'a str,
    pub(super) container: Option<&'a str>,
    pub(super) called: &'a PodLabels,
    pub(super) counts: Counts,
}

#[derive(Debug)]
struct Age {
    /// As last looked at.
    counts: Counts,
    /// When that changed.
    since: Instant,
    /// What was shown before it went out of sight: a series that comes back begins again.
    base: Counts,
    /// It has been shown with 0.
    begun: bool,
}

impl Counts {
    fn since(self, before: Self) -> Self {
        Self {
            episodes: self.episodes.saturating_sub(before.episodes),
            kills: self.kills.saturating_sub(before.kills),
            events: self.events.saturating_sub(before.events),
        }
    }
}

impl Ages {
    pub(super) fn new(keep: Duration) -> Self {
        Self { keep, seen: BTreeMap::new() }
    }

    /// What to show of each cgroup now.
    pub(super) fn show<'a>(&mut self, cgroups: &'a Cgroups, now: Instant) -> Vec<Shown<'a>> {
        self.seen.retain(|path, _| cgroups.known.contains_key(path));
        let mut shown = Vec::with_capacity(cgroups.known.len());
        for (path, cgroup) in &cgroups.known {
            let age = self.seen.entry(path.clone()).or_insert(Age {
                counts: cgroup.counts,
                since: now,
                base: Counts::default(),
                begun: false,
            });
            // It was forgotten and came back between two looks.
            let anew = cgroup.counts.since(age.counts) == Counts::default() && cgroup.counts != age.counts;
            if anew {
                (age.base, age.begun) = (Counts::default(), false);
            }
            if cgroup.counts != age.counts {
                (age.counts, age.since) = (cgroup.counts, now);
            }
            if now.saturating_duration_since(age.since) > self.keep {
                (age.base, age.begun) = (cgroup.counts, false);
                continue;
            }
            let counts = if age.begun { cgroup.counts.since(age.base) } else { Counts::default() };
            age.begun = true;
            shown.push(Shown {
                path,
                container: cgroup.container.as_deref(),
                called: &cgroup.called,
                counts,
            });
        }
        shown
    }
}
