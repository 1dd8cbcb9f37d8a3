//! What is known of containers and pods that are there, or were until lately; which of them are asked for, and which have been told.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;

use crate::model::Name;
use crate::model::cgroup_path::ids_in;
use crate::model::names::Named;

/// Containers and pods that are known at most. A node has some hundreds.
pub(super) const MOST: usize = 8192;
/// Of these, those that are gone: an episode is told seconds after its kill, and a name may have gone by then.
const MOST_GONE: usize = 1024;
/// Ids that cgroups had and nobody knew: the name may come later.
const MOST_ASKED: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Table {
    known: HashMap<Name, Entry, RandomState>,
    /// Oldest first.
    gone: VecDeque<Name>,
    asked: HashSet<Name, RandomState>,
    asked_order: VecDeque<Name>,
    to_tell: VecDeque<Name>,
    /// There was no room for somebody.
    was_full: bool,
}

#[derive(Debug)]
struct Entry {
    named: Named,
    is_gone: bool,
    told: bool,
}

fn key(named: &Named) -> Option<&Name> {
    named.container_id.as_ref().or(named.pod_uid.as_ref())
}

impl Table {
    /// Somebody is there. What another source has told before of the same one and this one does not, stays.
    pub(super) fn learn(&mut self, mut named: Named) {
        let Some(key) = key(&named).cloned() else { return };
        if let Some(entry) = self.known.get_mut(&key) {
            entry.is_gone = false;
            let before = &entry.named;
            named.pod_uid = named.pod_uid.or_else(|| before.pod_uid.clone());
            named.namespace = named.namespace.or_else(|| before.namespace.clone());
            named.pod = named.pod.or_else(|| before.pod.clone());
            named.container = named.container.or_else(|| before.container.clone());
            if entry.named != named {
                entry.named = named;
                if entry.told {
                    entry.told = false;
                    self.to_tell.push_back(key);
                }
            }
            return;
        }
        if self.known.len() >= MOST && !self.drop_gone() {
            self.was_full = true;
            return;
        }
        if self.asked.remove(&key) {
            self.to_tell.push_back(key.clone());
        }
        self.known.insert(key, Entry { named, is_gone: false, told: false });
    }

    /// Somebody is gone. The name stays known for a while.
    pub(super) fn remove(&mut self, named: &Named) {
        let Some(key) = key(named) else { return };
        let Some(entry) = self.known.get_mut(key).filter(|entry| !entry.is_gone) else { return };
        entry.is_gone = true;
        self.gone.push_back(key.clone());
        self.trim();
    }

    /// Everybody is looked for anew: who is not learned or found until [`listed`](Self::listed) is gone.
    pub(super) fn list_anew(&mut self) {
        for (key, entry) in self.known.iter_mut().filter(|(_, entry)| !entry.is_gone) {
            entry.is_gone = true;
            self.gone.push_back(key.clone());
        }
    }

    /// Somebody is there; false when nothing is known of them.
    pub(super) fn find(&mut self, id: &Name) -> bool {
        let entry = self.known.get_mut(id);
        entry.map(|entry| entry.is_gone = false).is_some()
    }

    /// All who are there were learned or found.
    pub(super) fn listed(&mut self) {
        self.gone.retain(|key| self.known.get(key).is_some_and(|entry| entry.is_gone));
        self.trim();
    }

    fn trim(&mut self) {
        while self.gone.len() > MOST_GONE && self.drop_gone() {}
    }

    /// A cgroup has this name, or path: whoever it mentions is to be told.
    pub(super) fn ask(&mut self, cgroup: &Name) {
        for id in ids_in(cgroup) {
            let id = Name::from(id.as_str());
            match self.known.get(&id) {
                Some(entry) if entry.told => {}
                Some(_) => self.to_tell.push_back(id),
                None => {
                    if self.asked.insert(id.clone()) {
                        self.asked_order.push_back(id);
                    }
                    if self.asked_order.len() > MOST_ASKED
                        && let Some(oldest) = self.asked_order.pop_front()
                    {
                        self.asked.remove(&oldest);
                    }
                }
            }
        }
    }

    /// The next one to tell, each once unless something new is known of it.
    pub(super) fn take(&mut self) -> Option<Named> {
        while let Some(id) = self.to_tell.pop_front() {
            if let Some(entry) = self.known.get_mut(&id).filter(|entry| !entry.told) {
                entry.told = true;
                return Some(entry.named.clone());
            }
        }
        None
    }

    /// Those that are known and not gone.
    pub(super) fn present(&self) -> usize {
        self.known.values().filter(|entry| !entry.is_gone).count()
    }

    /// Whether there was no room for somebody.
    pub(super) fn is_full(&self) -> bool {
        self.was_full
    }

    /// Forgets the one that has been gone for longest; false when nobody is gone.
    fn drop_gone(&mut self) -> bool {
        while let Some(key) = self.gone.pop_front() {
            // It may have come back.
            if self.known.get(&key).is_some_and(|entry| entry.is_gone) {
                self.known.remove(&key);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(n: usize) -> Named {
        Named {
            container_id: Some(format!("{n:064x}").as_str().into()),
            container: Some(format!("job-{n}").as_str().into()),
            ..Named::default()
        }
    }

    fn cgroup(n: usize) -> Name {
        Name::from(format!("cri-containerd-{n:064x}.scope").as_str())
    }

    fn take(table: &mut Table) -> Vec<String> {
        std::iter::from_fn(|| table.take()).map(|it| it.container.expect("it has one").to_string()).collect()
    }

    #[test]
    fn who_is_asked_for_is_told_once() {
        let mut table = Table::default();
        table.learn(named(1));
        table.learn(named(2));
        assert!(take(&mut table).is_empty());
        table.ask(&cgroup(1));
        table.ask(&cgroup(1));
        table.ask(&cgroup(3));
        assert_eq!(take(&mut table), ["job-1"]);
        // It comes later.
        table.learn(named(3));
        assert_eq!(take(&mut table), ["job-3"]);
        table.learn(named(3));
        table.ask(&cgroup(1));
        table.ask(&cgroup(3));
        assert!(take(&mut table).is_empty());
        // Something new is known.
        table.learn(Named { pod: Some("p".into()), container: None, ..named(3) });
        assert_eq!(take(&mut table), ["job-3"]);
    }

    #[test]
    fn who_is_gone_is_known_for_a_while() {
        let mut table = Table::default();
        for n in 0..MOST_GONE + 10 {
            table.learn(named(n));
            table.remove(&named(n));
            table.remove(&named(n));
        }
        assert_eq!((table.known.len(), table.present()), (MOST_GONE, 0));
        for n in 0..20 {
            table.ask(&cgroup(n));
        }
        assert_eq!(take(&mut table).len(), 10);
        // One that comes back is not forgotten.
        table.learn(named(10));
        for n in MOST_GONE + 10..3 * MOST_GONE {
            table.learn(named(n));
            table.remove(&named(n));
        }
        assert!(table.known.contains_key(&Name::from(format!("{:064x}", 10).as_str())));
    }

    #[test]
    fn who_is_not_found_again_is_gone() {
        let mut table = Table::default();
        (0..3 * MOST_GONE).for_each(|n| table.learn(named(n)));
        table.ask(&cgroup(7));
        assert_eq!(take(&mut table), ["job-7"]);
        table.list_anew();
        assert!(table.find(&format!("{:064x}", 7).as_str().into()));
        assert!(!table.find(&"who".into()));
        table.learn(named(8));
        table.listed();
        assert_eq!((table.known.len(), table.present(), table.gone.len()), (MOST_GONE + 2, 2, MOST_GONE));
        table.ask(&cgroup(7));
        assert!(take(&mut table).is_empty());
    }

    #[test]
    fn it_is_bounded() {
        let mut table = Table::default();
        (0..MOST).for_each(|n| table.learn(named(n)));
        assert_eq!((table.known.len(), table.is_full()), (MOST, false));
        table.remove(&named(5));
        table.learn(named(MOST));
        assert_eq!((table.known.len(), table.is_full()), (MOST, false));
        table.learn(named(MOST + 1));
        assert_eq!((table.known.len(), table.is_full()), (MOST, true));
        for n in 2 * MOST..4 * MOST {
            table.ask(&cgroup(n));
        }
        assert_eq!((table.asked.len(), table.asked_order.len()), (MOST_ASKED, MOST_ASKED));
    }
}
