//! A look at the memcgs: which of them use most, of themselves and not through those below them.
//!
//! Usage is hierarchical: a cgroup has at least what one below it has. So the walk goes down where most is, and what it has not
//! come to when its budget is used up is what has least. That it was used up is told ([`Look::cut`]).

use std::collections::BinaryHeap;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir, fstat, openat};

use crate::model::Name;
use crate::model::sample::{CgroupUsage, Look};

use super::meminfo::number;
use super::read_at;

/// Cgroups whose usage is read in one look at most: some 10 us each.
const MOST_READ: usize = 400;
/// Directories that are listed in one look at most: some 30 us each, more for those with many cgroups in them.
const MOST_LISTED: usize = 60;
/// Cgroups that are told.
const TOP: usize = 8;
/// Levels below the root that are gone down.
const DEEPEST: usize = 16;

/// What is kept from look to look.
#[derive(Debug)]
pub(super) struct Walk {
    root: OwnedFd,
    files: Files,
    /// Room for directory entries.
    entries: Box<[MaybeUninit<u8>]>,
    /// Paths told before: a name that goes on being told is not made again.
    paths: Vec<(u64, Arc<Name>)>,
}

/// Names of a version's files.
#[derive(Clone, Copy, Debug)]
struct Files {
    usage: &'static CStr,
    limit: &'static CStr,
}

/// A cgroup that was come to. Ordered by usage.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    usage: u64,
    /// Of what is below it, as far as it was read: taken off when it is listed.
    below: u64,
    id: u64,
    path: Vec<u8>,
    depth: usize,
    /// It has cgroups in it.
    inner: bool,
}

impl Node {
    fn own(&self) -> u64 {
        self.usage.saturating_sub(self.below)
    }
}

impl Walk {
    /// Over the hierarchy that is mounted at `mount`; `None` when it cannot be opened.
    pub(super) fn new(mount: &Path, version: u8) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let files = match version {
            2 => Files { usage: c"memory.current", limit: c"memory.max" },
            _ => Files { usage: c"memory.usage_in_bytes", limit: c"memory.limit_in_bytes" },
        };
        Some(Self {
            root: openat(CWD, mount, flags, Mode::empty()).ok()?,
            files,
            entries: vec![MaybeUninit::uninit(); 16 << 10].into(),
            paths: Vec::new(),
        })
    }

    /// Looks; `None` when the root cannot be read.
    pub(super) fn look(&mut self) -> Option<Look> {
        let mut budget = MOST_READ;
        let mut waiting = BinaryHeap::new();
        let mut seen = Vec::new();
        let mut cut = false;
        // The root itself has no usage of its own on version 2, and is everything on version 1.
        let root = Node { usage: 0, below: 0, id: 0, path: Vec::new(), depth: 0, inner: true };
        self.list(&root, &mut budget, &mut waiting, &mut cut)?;
        let mut lists = MOST_LISTED - 1;
        while let Some(mut node) = waiting.pop() {
            // What is left has less than the last of those that would be told.
            if node.inner {
                if lists == 0 || budget == 0 || node.depth == DEEPEST {
                    cut = true;
                } else {
                    lists -= 1;
                    node.below = self.list(&node, &mut budget, &mut waiting, &mut cut).unwrap_or(0);
                }
            }
            seen.push(node);
        }
        seen.sort_unstable_by_key(|node| std::cmp::Reverse(node.own()));
        seen.truncate(TOP);
        seen.retain(|node| node.own() > 0);
        let top = seen.iter().map(|node| self.told(node)).collect();
        self.paths.retain(|(id, _)| seen.iter().any(|node| node.id == *id));
        Some(Look { top, cut })
    }

    /// Reads the cgroups in one; tells the sum of their usage.
    fn list(
        &mut self,
        parent: &Node,
        budget: &mut usize,
        found: &mut BinaryHeap<Node>,
        cut: &mut bool,
    ) -> Option<u64> {
        let opened;
        let directory = if parent.path.is_empty() {
            // Its position is where the look before has left it.
            rustix::fs::seek(&self.root, rustix::fs::SeekFrom::Start(0)).ok()?;
            self.root.as_fd()
        } else {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            opened = openat(&self.root, &parent.path[1..], flags, Mode::empty()).ok()?;
            opened.as_fd()
        };
        let mut sum = 0_u64;
        let mut entries = RawDir::new(directory, &mut self.entries);
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name();
            if entry.file_type() != FileType::Directory || matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if *budget == 0 {
                *cut = true;
                break;
            }
            *budget -= 1;
            let Some((id, usage, inner)) = read_one(directory, name, self.files) else { continue };
            sum = sum.saturating_add(usage);
            let path = [&parent.path, &b"/"[..], name.to_bytes()].concat();
            found.push(Node { usage, below: 0, id, path, depth: parent.depth + 1, inner });
        }
        Some(sum)
    }

    fn told(&mut self, node: &Node) -> CgroupUsage {
        let known = self.paths.iter().find(|(id, path)| *id == node.id && ***path == *node.path);
        let path = known.map(|(_, path)| Arc::clone(path)).unwrap_or_else(|| {
            let path = Arc::new(Name::from(&node.path[..]));
            self.paths.retain(|(id, _)| *id != node.id);
            self.paths.push((node.id, Arc::clone(&path)));
            path
        });
        let limit = [&node.path[1..], b"/", self.files.limit.to_bytes()].concat();
        let limit_bytes = openat(&self.root, limit, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .ok()
            .and_then(|file| number(read_at(file, &mut [0; 32])?))
            // What version 1 writes out for none: more than any machine has.
            .filter(|&limit| limit < (1 << 62));
        CgroupUsage { id: node.id, path, usage_bytes: node.usage, limit_bytes }
    }
}

/// Id, usage, and whether there are cgroups in it; `None` when it is gone, or does not have the memory controller.
fn read_one(parent: impl AsFd, name: &CStr, files: Files) -> Option<(u64, u64, bool)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty()).ok()?;
    let stat = fstat(&directory).ok()?;
    let file = openat(&directory, files.usage, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let usage = number(read_at(file, &mut [0; 32])?)?;
    // kernfs counts a link for each directory in it, beside the two that every one has. (Others do not count.)
    Some((stat.st_ino, usage, stat.st_nlink != 2))
}
