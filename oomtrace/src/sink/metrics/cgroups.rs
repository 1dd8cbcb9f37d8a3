//! Episodes by cgroup. Whoever may make cgroups decides how many there are: beyond a cap all further ones are one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::model::cgroup_path::owner;
use crate::model::episode::VictimWhy;
use crate::model::{Episode, Name};

/// What a cgroup has been through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Episodes in which its limit was the one that was met.
    pub(super) episodes: u64,
    /// Its processes that were killed.
    pub(super) kills: u64,
    /// Episodes in which one of its processes was killed.
    pub(super) events: u64,
}

/// Names of a pod and a container as labels; empty where they are not known, which in Prometheus is a label that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PodLabels {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) container: String,
}

impl PodLabels {
    fn of(episode: &Episode, path: &Name) -> Self {
        let called = episode.owner(path).1;
        let text = |name: Option<&Name>| name.map(ToString::to_string).unwrap_or_default();
        Self { namespace: text(called.namespace), pod: text(called.pod), container: text(called.container) }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One cgroup.
#[derive(Clone, Debug, Default)]
pub(super) struct Cgroup {
    pub(super) counts: Counts,
    /// Id of the container that its path names.
    pub(super) container: Option<String>,
    /// What its pod and container are called.
    pub(super) called: PodLabels,
    last_ns: u64,
}

/// All that are known, and what is counted together.
#[derive(Clone, Debug)]
pub(super) struct Cgroups {
    most: usize,
    keep_ns: u64,
    pub(super) known: BTreeMap<String, Cgroup>,
    /// Those beyond the cap.
    pub(super) other: Counts,
    /// Those whose path was not captured.
    pub(super) unknown: Counts,
    /// How often one was counted among the others.
    pub(super) overflows: u64,
}

impl Cgroups {
    pub(super) fn new(most: usize, keep: Duration) -> Self {
        Self {
            most,
            keep_ns: u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX),
            known: BTreeMap::new(),
            other: Counts::default(),
            unknown: Counts::default(),
            overflows: 0,
        }
    }

    pub(super) fn episode(&mut self, episode: &Episode) {
        let at_ns = episode.opened_ns.or(episode.closed_ns).unwrap_or(0);
        if let Some(level) = episode.memcg.iter().find(|level| level.limiting) {
            self.count(episode, level.path.as_ref(), at_ns, |counts| counts.episodes += 1);
        }
        let mut hit: Vec<Option<&Name>> = Vec::new();
        // Who was exiting anyway was killed by nobody: the kernel says no word of it, and others count none.
        for victim in episode.victims.iter().filter(|victim| victim.why != VictimWhy::Exiting) {
            let cgroup = victim.task.cgroup.as_ref();
            let first = !hit.contains(&cgroup);
            if first {
                hit.push(cgroup);
            }
            self.count(episode, cgroup, at_ns, |counts| {
                counts.kills += 1;
                counts.events += u64::from(first);
            });
        }
    }

    fn count(&mut self, episode: &Episode, path: Option<&Name>, at_ns: u64, what: impl FnOnce(&mut Counts)) {
        let Some(path) = path else { return what(&mut self.unknown) };
        // The formats have escapes of their own.
        let label = path.as_utf8().map_or_else(|| path.to_string(), str::to_owned);
        if self.known.len() >= self.most && !self.known.contains_key(&label) {
            self.make_room(at_ns);
        }
        let room = self.known.len() < self.most;
        let cgroup = match self.known.entry(label) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) if room => {
                let container = owner(path).container.map(|container| container.id.to_owned());
                entry.insert(Cgroup { container, ..Cgroup::default() })
            }
            Entry::Vacant(_) => {
                self.overflows += 1;
                return what(&mut self.other);
            }
        };
        // Names that come later make another series of it: they are told with the first episode, as a rule.
        if cgroup.called.is_empty() {
            cgroup.called = PodLabels::of(episode, path);
        }
        cgroup.last_ns = cgroup.last_ns.max(at_ns);
        what(&mut cgroup.counts);
    }

    /// Forgets those that nothing has happened in for as long as they are to be kept.
    fn make_room(&mut self, now_ns: u64) {
        let keep_ns = self.keep_ns;
        self.known.retain(|_, cgroup| now_ns.saturating_sub(cgroup.last_ns) <= keep_ns);
    }
}
