//! What containers and pods are called, as far as a session has told it.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::model::Name;
use crate::model::cgroup_path::owner;
use crate::model::names::{Named, Names};

/// Names that are kept at most. A node has some hundreds of containers at a time.
const MOST: usize = 8192;

/// The names that a session has told, by id of the container, or uid of the pod.
#[derive(Debug, Default)]
pub(super) struct NameTable {
    known: HashMap<Name, Entry, RandomState>,
    /// Counts what is learned and asked, so that the least recently used can be told.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    named: Named,
    used: u64,
}

impl NameTable {
    /// Adds names, or replaces those of the same id. Names of nobody are passed over.
    pub(super) fn learn(&mut self, named: Named) {
        let Some(key) = named.container_id.clone().or_else(|| named.pod_uid.clone()) else { return };
        if self.known.len() >= MOST && !self.known.contains_key(&key) {
            self.make_room();
        }
        self.uses += 1;
        self.known.insert(key, Entry { named, used: self.uses });
    }

    /// The names of those whom these cgroups belong to.
    pub(super) fn of<'a>(&mut self, cgroups: impl Iterator<Item = &'a Name>) -> Names {
        if self.known.is_empty() {
            return Names::default();
        }
        self.uses += 1;
        let mut asked = HashSet::new();
        let mut found = Vec::new();
        for cgroup in cgroups {
            let owner = owner(cgroup);
            let keys = [owner.container.map(|it| it.id.to_owned()), owner.pod.map(|pod| pod.uid())];
            for key in keys.into_iter().flatten() {
                if let Some(entry) = self.known.get_mut(&Name::from(key.as_str()))
                    && asked.insert(key)
                {
                    entry.used = self.uses;
                    found.push(entry.named.clone());
                }
            }
        }
        Names::new(found)
    }

    /// Drops the less recently used half.
    fn make_room(&mut self) {
        let mut used: Vec<u64> = self.known.values().map(|entry| entry.used).collect();
        let (_, &mut middle, _) = used.select_nth_unstable(MOST / 2);
        self.known.retain(|_, entry| entry.used > middle);
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

    fn asked(table: &mut NameTable, n: usize) -> Option<Name> {
        let path = Name::from(format!("/docker/{n:064x}").as_str());
        let names = table.of([&path].into_iter());
        names.all().first().and_then(|named| named.container.clone())
    }

    #[test]
    fn what_is_told_again_replaces_what_was_known() {
        let mut table = NameTable::default();
        table.learn(Named::default());
        assert_eq!(asked(&mut table, 1), None);
        table.learn(named(1));
        assert_eq!(asked(&mut table, 1), Some("job-1".into()));
        table.learn(Named { container: Some("renamed".into()), ..named(1) });
        assert_eq!(asked(&mut table, 1), Some("renamed".into()));
        assert_eq!(asked(&mut table, 2), None);
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_in_use() {
        let mut table = NameTable::default();
        for n in 0..5 * MOST {
            table.learn(named(n));
            if n % 1000 == 0 {
                assert_eq!(asked(&mut table, 0), Some("job-0".into()));
            }
            assert!(table.known.len() <= MOST);
        }
        assert_eq!(asked(&mut table, 5 * MOST - 1), Some(format!("job-{}", 5 * MOST - 1).as_str().into()));
        assert_eq!(asked(&mut table, 1), None);
    }
}
