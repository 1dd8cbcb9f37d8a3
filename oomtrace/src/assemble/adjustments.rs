//! Who was adjusted, when and by whom: the changes of `oom_score_adj` seen since the capture began, a few for each task.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::model::evidence::AdjUpdated;

/// Changes kept for one task: the oldest go first.
const EACH: usize = 8;
/// Changes kept in all. A service manager writes one for every service that it starts.
const MOST: usize = 16384;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Adjustments {
    /// In the order of seeing.
    changes: VecDeque<AdjUpdated>,
    /// How many there are for each task.
    each: HashMap<i32, usize>,
}

impl Adjustments {
    /// Keeps a change.
    pub(super) fn learn(&mut self, update: &AdjUpdated) {
        let number = self.each.entry(update.tid).or_default();
        *number += 1;
        let too_many = *number > EACH;
        self.changes.push_back(update.clone());
        let forgotten = if too_many {
            self.changes.iter().position(|change| change.tid == update.tid)
        } else if self.changes.len() > MOST {
            Some(0)
        } else {
            None
        };
        if let Some(change) = forgotten.and_then(|position| self.changes.remove(position))
            && let Some(number) = self.each.get_mut(&change.tid)
        {
            *number -= 1;
            if *number == 0 {
                self.each.remove(&change.tid);
            }
        }
    }

    /// The changes of some tasks, made before `until_ns`, oldest first. A process id that was used again by another process
    /// brings that one's changes too: each has the name that the task had then.
    pub(super) fn of(&self, tids: &HashSet<i32>, until_ns: u64) -> Vec<AdjUpdated> {
        let wanted = |change: &&AdjUpdated| tids.contains(&change.tid) && change.at.boot_ns <= until_ns;
        self.changes.iter().filter(wanted).cloned().collect()
    }
}
