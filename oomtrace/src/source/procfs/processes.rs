//! All processes, or those of a memcg, in the order in which the kernel's scan would come to them.

use std::collections::HashSet;
use std::fs;

use crate::rank::{Process, Unseen};

use super::memcg::{Hierarchy, Memcg};
use super::process::{Found, Missing};
use super::{Error, Root};

/// Processes as they are read one after the other.
#[derive(Debug, Default)]
pub struct Reading {
    /// In scan order.
    pub processes: Vec<Process>,
    /// What could not be read.
    pub unseen: Unseen,
}

impl Root {
    /// All processes. The kernel keeps them in the order in which they were made.
    ///
    /// # Errors
    ///
    /// `/proc` cannot be listed.
    pub fn all(
        &self,
        page_size: u32,
        hierarchy: Option<&Hierarchy>,
        with_scores: bool,
    ) -> Result<Reading, Error> {
        let threads_before = self.threads();
        let listing = fs::read_dir(&self.proc)
            .map_err(|source| Error::Unreadable { path: self.proc.clone(), source })?;
        let mut pids: Vec<i32> =
            listing.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        pids.sort_unstable();
        let (mut found, mut unseen) = self.each(&pids, page_size, hierarchy, with_scores);
        // Numbers start again from the bottom; those made within one tick of the clock have them in order, mostly.
        found.sort_by_key(|it| (it.started, it.process.pid));
        let seen = found.iter().map(|it| it.threads).fold(0u64, u64::saturating_add);
        // Threads come and go meanwhile: only what both counts have more is hidden.
        let all = threads_before.zip(self.threads()).map(|(before, after)| before.min(after));
        unseen.threads = all.map(|all| all.saturating_sub(seen));
        Ok(Reading { processes: found.into_iter().map(|it| it.process).collect(), unseen })
    }

    /// The processes in a memcg and below it, cgroup by cgroup.
    ///
    /// # Errors
    ///
    /// The list of its processes cannot be read.
    pub fn of_memcg(
        &self,
        page_size: u32,
        hierarchy: &Hierarchy,
        memcg: &Memcg,
        with_scores: bool,
    ) -> Result<Reading, Error> {
        let members = hierarchy.members(memcg)?;
        let (found, mut unseen) = self.each(&members.pids, page_size, Some(hierarchy), with_scores);
        unseen.foreign = members.foreign;
        Ok(Reading { processes: found.into_iter().map(|it| it.process).collect(), unseen })
    }

    fn each(
        &self,
        pids: &[i32],
        page_size: u32,
        hierarchy: Option<&Hierarchy>,
        with_scores: bool,
    ) -> (Vec<Found>, Unseen) {
        let mut unseen = Unseen::default();
        let mut found = Vec::with_capacity(pids.len());
        // A process that moves between cgroups while they are read would be there twice.
        let mut seen = HashSet::with_capacity(pids.len());
        for &pid in pids {
            if !seen.insert(pid) {
                continue;
            }
            match self.process(pid, page_size, hierarchy, with_scores) {
                Ok(process) => found.push(process),
                Err(Missing::Gone) => unseen.gone += 1,
                Err(Missing::Forbidden) => unseen.forbidden += 1,
                Err(Missing::Unexpected) => unseen.unexpected += 1,
            }
        }
        (found, unseen)
    }
}
