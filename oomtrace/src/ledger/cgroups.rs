//! The counters of single cgroups: `memory.events` as it was each time that an OOM had the cgroup in its chain of limits.
//!
//! What a cgroup counts before the first of these times and after the last is not known, and not compared. The kernel's root
//! counts nothing on cgroup v2, nor do ancestors on v1: fewer counted than captured says nothing.

use std::collections::{BTreeMap, HashMap};

use crate::model::Name;
use crate::model::ledger::CgroupLedger;
use crate::model::observation::{CgroupNode, MemcgLevel};

/// Cgroups whose counters are followed at most.
const MOST_FOLLOWED: usize = 4096;
/// Cgroups whose parents are remembered at most.
const MOST_NODES: usize = 1 << 17;
/// Levels that are gone up at most; deeper is a cycle in damaged data.
const MAX_DEPTH: usize = 1 << 10;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Cgroups {
    /// The counter of an ancestor counts too.
    hierarchical: bool,
    parents: HashMap<u64, u64>,
    /// In a fixed order: what is told must not depend on a hash.
    followed: BTreeMap<u64, Followed>,
}

#[derive(Clone, Debug)]
struct Followed {
    /// Its limit was hit, not only that of a cgroup below.
    limiting: bool,
    /// The counter when it was first seen.
    first: u64,
    /// Kills captured since then.
    captured: u64,
    /// Both when the counter was last seen: counted and captured since the first time.
    last: (u64, u64),
}

impl Cgroups {
    pub(super) fn new(version: Option<u8>) -> Self {
        Self { hierarchical: version != Some(1), parents: HashMap::new(), followed: BTreeMap::new() }
    }

    pub(super) fn learn(&mut self, node: &CgroupNode) {
        if let Some(parent) = node.parent
            && (self.parents.len() < MOST_NODES || self.parents.contains_key(&node.id))
        {
            self.parents.insert(node.id, parent);
        }
    }

    /// A counter, at the entry of a pass.
    pub(super) fn level(&mut self, level: &MemcgLevel) {
        let Some(now) = level.oom_kills.filter(|_| level.cgroup != 0) else { return };
        if self.followed.len() >= MOST_FOLLOWED && !self.followed.contains_key(&level.cgroup) {
            return;
        }
        let new = Followed { limiting: false, first: now, captured: 0, last: (0, 0) };
        let followed = self.followed.entry(level.cgroup).or_insert(new);
        followed.limiting |= level.level == 0;
        followed.last = (now.saturating_sub(followed.first), followed.captured);
    }

    /// A kill that the kernel counted, of a process in this cgroup.
    pub(super) fn kill(&mut self, cgroup: Option<u64>) {
        let mut next = cgroup;
        for _ in 0..MAX_DEPTH {
            let Some(id) = next else { return };
            if let Some(followed) = self.followed.get_mut(&id) {
                followed.captured += 1;
            }
            next = self.parents.get(&id).copied().filter(|_| self.hierarchical);
        }
    }

    /// How many limiting ones counted something while they were followed.
    pub(super) fn compared(&self) -> u64 {
        self.followed.values().filter(|followed| followed.limiting && followed.last.0 > 0).count() as u64
    }

    /// Those that counted more than was captured.
    pub(super) fn missed(&self, mut path: impl FnMut(u64) -> Option<Name>) -> Vec<CgroupLedger> {
        let missed = self.followed.iter().filter(|(_, followed)| followed.last.0 > followed.last.1);
        missed
            .map(|(&id, &Followed { last: (counted, captured), .. })| CgroupLedger {
                path: path(id),
                counted,
                captured,
            })
            .collect()
    }
}
