//! The episodes of a job: whoever was killed, was it one of the job's?
//!
//! In this order: the cgroup that was made for the job holds it; it was seen below the command's process; it was in the cgroup that the job
//! shares with others, and then it is told that its start was not seen. Where neither process ids nor paths can be compared (a
//! container with its own namespaces), the cgroup's own count of kills has gone up.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::explain::job::Kill;
use crate::model::episode::{Episode, Person};
use crate::model::{Gap, SessionInfo};
use crate::sink::{Sink, Totals};

use super::cgroup::Place;
use super::family::Family;

/// Episodes of a job that are kept.
const KEPT: usize = 16;

/// What is known of a job while it runs.
pub(super) struct Known {
    pub(super) family: Family,
    pub(super) place: Place,
    /// Process ids of episodes are those that this process sees.
    same_pids: bool,
    /// The processes are looked at: that tells something, and harms nobody.
    walks: bool,
    pub(super) kills: Vec<Kill>,
    pub(super) more_kills: u64,
    pub(super) others: u64,
    /// Kills in the cgroup that are accounted for by episodes.
    accounted: u64,
}

/// The same for the collector, and for whoever tells of it at the end.
pub(super) type Shared = Arc<Mutex<Known>>;

impl Known {
    /// `free`: this process is held by no limit that holds the job.
    pub(super) fn new(family: Family, place: Place, free: bool) -> Self {
        let same_pids = crate::source::procfs::Root::live().all_pids() == Some(true);
        Self {
            family,
            place,
            same_pids,
            walks: same_pids && free,
            kills: Vec::new(),
            more_kills: 0,
            others: 0,
            accounted: 0,
        }
    }

    /// Looks at the job's processes and memory.
    pub(super) fn look(&mut self) {
        if self.walks {
            self.family.walk();
        } else {
            self.family.put_off();
        }
        self.place.look();
    }

    /// Whether somebody was of the job, and whether that is sure.
    fn is_own(&self, victim: &Person) -> Option<bool> {
        if victim.cgroup.as_ref().is_some_and(|cgroup| self.place.home.made_holds(cgroup)) {
            return Some(true);
        }
        if self.same_pids && self.family.has(victim.pid) {
            return Some(true);
        }
        // Whoever is not in the cgroup that was made for the job, and not below its process, is not of it.
        if self.place.home.made.is_some() {
            return None;
        }
        if victim.cgroup.as_ref().is_some_and(|cgroup| self.place.home.shared_holds(cgroup)) {
            return Some(false);
        }
        let comparable = self.same_pids || self.place.home.path.is_some();
        (!comparable && self.place.kills().is_some_and(|kills| kills > self.accounted)).then_some(false)
    }

    fn take(&mut self, mut episode: Episode, info: &SessionInfo) {
        if episode.victims.is_empty() {
            return;
        }
        // Whoever was started after the last walk is still there, with luck.
        if self.walks {
            self.family.walk();
        }
        let own: Vec<Option<bool>> = episode.victims.iter().map(|victim| self.is_own(&victim.task)).collect();
        let Some(first) = own.iter().position(Option::is_some) else {
            self.others += 1;
            return;
        };
        self.accounted += own.iter().flatten().count() as u64;
        if self.kills.len() >= KEPT {
            self.more_kills += 1;
            return;
        }
        let sure = own.contains(&Some(true));
        // The first one that is told of is of the job.
        episode.victims[..=first].rotate_right(1);
        let relative = |pid: &i32| self.same_pids && self.family.has(*pid);
        let in_made =
            |person: &Person| person.cgroup.as_ref().is_some_and(|cgroup| self.place.home.made_holds(cgroup));
        let relatives = episode
            .candidates
            .iter()
            .filter(|candidate| relative(&candidate.task.pid) || in_made(&candidate.task))
            .map(|candidate| candidate.task.pid)
            .collect();
        self.kills.push(Kill { episode, info: info.clone(), sure, relatives });
    }
}

/// Takes the episodes.
pub(super) struct Collector {
    pub(super) known: Shared,
    pub(super) info: Option<SessionInfo>,
}

impl Sink for Collector {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.info = Some(info.clone());
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn gap(&mut self, _: &Gap) -> io::Result<()> {
        Ok(())
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        if let Some(info) = &self.info {
            self.known.lock().unwrap_or_else(PoisonError::into_inner).take(episode.clone(), info);
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}
