//! Paths of cgroups from single nodes. Never half a path: a missing ancestor makes the whole path unknown.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::model::Name;
use crate::model::observation::CgroupNode;

/// Nodes that are kept at most.
const MAX_NODES: usize = 1 << 17;
/// Levels that a path has at most; deeper is a cycle in damaged data.
const MAX_DEPTH: usize = 1 << 10;

/// The cgroups that a session has named.
#[derive(Debug, Default)]
pub(super) struct CgroupTable {
    nodes: HashMap<u64, Node, RandomState>,
    /// Counts what is learned and asked, so that the least recently used can be told.
    uses: u64,
    /// Counts what was learned anew of nodes that were known: paths through them may be others now.
    changes: u64,
}

#[derive(Debug)]
struct Node {
    parent: Option<u64>,
    name: Name,
    path: Option<Name>,
    /// Its path from the root, and [`CgroupTable::changes`] when it was put together.
    known: Option<(Name, u64)>,
    /// [`CgroupTable::uses`] when it was last learned, or part of a path that was asked for.
    used: u64,
}

impl CgroupTable {
    /// Adds a node, or replaces it. Not for id 0, which stands for any cgroup whose id could not be read.
    pub(super) fn learn(&mut self, node: CgroupNode) {
        if node.id == 0 {
            return;
        }
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&node.id) {
            self.make_room();
        }
        self.uses += 1;
        let CgroupNode { id, parent, name, path } = node;
        let node = Node { parent, name, path, known: None, used: self.uses };
        if self.nodes.insert(id, node).is_some() {
            self.changes += 1;
        }
    }

    /// Path from the root, `/` for the root itself; `None` when it or an ancestor has not been named.
    pub(super) fn path(&mut self, id: u64) -> Option<Name> {
        self.uses += 1;
        let changes = self.changes;
        if let Some((path, at)) = self.nodes.get(&id)?.known.clone()
            && at == changes
        {
            self.use_all(id);
            return Some(path);
        }
        let path = self.put_together(id)?;
        if let Some(node) = self.nodes.get_mut(&id) {
            node.known = Some((path.clone(), changes));
        }
        Some(path)
    }

    /// Notes the use of a node and of those above it.
    fn use_all(&mut self, id: u64) {
        let mut next = Some(id);
        while let Some(node) =
            next.and_then(|id| self.nodes.get_mut(&id)).filter(|node| node.used != self.uses)
        {
            node.used = self.uses;
            next = node.parent.filter(|_| node.path.is_none());
        }
    }

    fn put_together(&mut self, id: u64) -> Option<Name> {
        let mut names: Vec<Name> = Vec::new();
        let mut next = id;
        let mut path = loop {
            let node = self.nodes.get_mut(&next)?;
            node.used = self.uses;
            if let Some(path) = &node.path {
                break path.to_vec();
            }
            match node.parent {
                // What the kernel calls the root differs ("" or "/"); a path does not show it.
                None => break Vec::new(),
                Some(parent) => next = parent,
            }
            names.push(node.name.clone());
            if names.len() > MAX_DEPTH {
                return None;
            }
        };
        for name in names.iter().rev() {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Some(Name::from(path))
    }

    /// Drops the less recently used half of the leaves: those are the ones that a source, which forgets likewise, names
    /// again when they come back. Inner nodes stay: without one every path below it would be lost.
    fn make_room(&mut self) {
        let parents: HashSet<u64> = self.nodes.values().filter_map(|node| node.parent).collect();
        let mut leaves: Vec<(u64, u64)> = self
            .nodes
            .iter()
            .filter(|(id, _)| !parents.contains(id))
            .map(|(&id, node)| (node.used, id))
            .collect();
        leaves.sort_unstable();
        for (_, id) in &leaves[..leaves.len().div_ceil(2)] {
            self.nodes.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: u64, parent: Option<u64>, name: &str) -> CgroupNode {
        CgroupNode { id, parent, name: Name::from(name), path: None }
    }

    #[test]
    fn paths_start_at_the_root() {
        let mut table = CgroupTable::default();
        for n in [node(1, None, ""), node(5, Some(1), "kubepods"), node(9, Some(5), "pod\n")] {
            table.learn(n);
        }
        assert_eq!(table.path(1), Some(Name::from("/")));
        assert_eq!(table.path(5), Some(Name::from("/kubepods")));
        assert_eq!(table.path(9), Some(Name::from("/kubepods/pod\n")));
    }

    #[test]
    fn a_missing_ancestor_makes_the_path_unknown() {
        let mut table = CgroupTable::default();
        table.learn(node(9, Some(5), "pod"));
        assert_eq!(table.path(9), None);
        assert_eq!(table.path(7), None);
        table.learn(CgroupNode { path: Some(Name::from("/a")), ..node(5, Some(77), "x") });
        assert_eq!(table.path(9), Some(Name::from("/a/pod")));
    }

    #[test]
    fn a_node_that_is_learned_again_changes_the_paths_through_it() {
        let mut table = CgroupTable::default();
        for n in [node(1, None, ""), node(5, Some(1), "old"), node(9, Some(5), "pod")] {
            table.learn(n);
        }
        assert_eq!(table.path(9), Some(Name::from("/old/pod")));
        table.learn(node(5, Some(1), "new"));
        assert_eq!(table.path(9), Some(Name::from("/new/pod")));
        table.learn(node(9, None, ""));
        assert_eq!(table.path(9), Some(Name::from("/")));
    }

    #[test]
    fn cycles_end() {
        let mut table = CgroupTable::default();
        for n in [node(1, Some(2), "a"), node(2, Some(1), "b"), node(3, Some(3), "c")] {
            table.learn(n);
        }
        assert_eq!(table.path(1), None);
        assert_eq!(table.path(3), None);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_ancestors() {
        let mut table = CgroupTable::default();
        table.learn(node(1, None, ""));
        table.learn(node(2, Some(1), "jobs"));
        for id in 3..(MAX_NODES as u64 + 100) {
            table.learn(node(id, Some(2), "job"));
        }
        assert!(table.nodes.len() <= MAX_NODES);
        assert_eq!(table.path(MAX_NODES as u64 + 99), Some(Name::from("/jobs/job")));
        assert_eq!(table.path(3), None);
    }

    #[test]
    fn what_is_in_use_is_kept_however_long_ago_it_was_learned() {
        let mut table = CgroupTable::default();
        table.learn(node(1, None, ""));
        table.learn(node(2, Some(1), "old.service"));
        for id in 3..(3 * MAX_NODES as u64) {
            table.learn(node(id, Some(1), "job"));
            if id % 1000 == 0 {
                assert_eq!(table.path(2), Some(Name::from("/old.service")));
            }
        }
        assert!(table.nodes.len() <= MAX_NODES);
    }
}
