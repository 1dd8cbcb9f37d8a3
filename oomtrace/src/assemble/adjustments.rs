//! Who was adjusted, when and by whom: the changes of `oom_score_adj` seen since the capture began, a few for each task.
//!
//! What is forgotten does not depend on where the sequence is cut: keeping the changes of two stretches one after the other
//! comes to the same as keeping what is left of the first and of the second. A recording may therefore leave out what nobody
//! would remember.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;

use crate::model::evidence::AdjUpdated;

/// Changes kept for one task: the oldest go first.
const EACH: usize = 8;
/// Changes kept in all. A service manager writes one for every service that it starts.
const MOST: usize = 16384;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Adjustments {
    /// In the order of seeing.
    changes: VecDeque<AdjUpdated>,
    /// How many there are for each task.
    each: HashMap<i32, usize, RandomState>,
}

impl Adjustments {
    /// Keeps a change.
    pub fn learn(&mut self, update: &AdjUpdated) {
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

    /// Whether there are changes of that task.
    pub(super) fn knows(&self, tid: i32) -> bool {
        self.each.contains_key(&tid)
    }

    /// The changes of some tasks, made before `until_ns`, oldest first. A process id that was used again by another process
    /// brings that one's changes too: each has the name that the task had then.
    pub(super) fn of(&self, tids: &HashSet<i32>, until_ns: u64) -> Vec<AdjUpdated> {
        let wanted = |change: &&AdjUpdated| tids.contains(&change.tid) && change.at.boot_ns <= until_ns;
        self.changes.iter().filter(wanted).cloned().collect()
    }

    /// All that are kept, oldest first; none is kept afterwards.
    pub fn take(&mut self) -> impl Iterator<Item = AdjUpdated> + use<> {
        self.each.clear();
        std::mem::take(&mut self.changes).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Name;
    use crate::model::observation::Stamp;

    fn change(tid: i32, boot_ns: u64) -> AdjUpdated {
        AdjUpdated {
            at: Stamp { boot_ns, episode: 0 },
            tid,
            comm: Name::from("worker"),
            oom_score_adj: (boot_ns % 1000) as i16,
            by_pid: Some(1),
            by_comm: None,
        }
    }

    fn kept(changes: impl IntoIterator<Item = AdjUpdated>) -> Adjustments {
        let mut adjustments = Adjustments::default();
        changes.into_iter().for_each(|change| adjustments.learn(&change));
        adjustments
    }

    fn times(adjustments: &Adjustments, tids: &[i32], until_ns: u64) -> Vec<u64> {
        let tids = tids.iter().copied().collect();
        adjustments.of(&tids, until_ns).iter().map(|change| change.at.boot_ns).collect()
    }

    #[test]
    fn the_changes_of_a_few_tasks_until_a_moment() {
        let adjustments = kept([change(1, 10), change(2, 20), change(1, 30), change(3, 40)]);
        assert_eq!(times(&adjustments, &[1, 3], u64::MAX), [10, 30, 40]);
        assert_eq!(times(&adjustments, &[1, 3], 30), [10, 30]);
        assert_eq!(times(&adjustments, &[4], u64::MAX), [0u64; 0]);
    }

    #[test]
    fn a_task_that_is_adjusted_all_the_time_pushes_out_nobody_else() {
        let mut adjustments = kept([change(7, 1)]);
        (2..5000).for_each(|ns| adjustments.learn(&change(8, ns)));
        assert_eq!(times(&adjustments, &[7], u64::MAX), [1]);
        assert_eq!(times(&adjustments, &[8], u64::MAX), (4992..5000).collect::<Vec<u64>>());
        assert_eq!((adjustments.changes.len(), adjustments.each.len()), (1 + EACH, 2));
    }

    #[test]
    fn very_many_tasks_push_out_the_oldest() {
        let all = MOST as i32 + 100;
        let adjustments = kept((0..all).map(|tid| change(tid, tid as u64)));
        assert_eq!((adjustments.changes.len(), adjustments.each.len()), (MOST, MOST));
        assert_eq!(times(&adjustments, &[0, 99, 100, all - 1], u64::MAX), [100, all as u64 - 1]);
    }

    #[test]
    fn what_was_taken_is_not_remembered() {
        let mut adjustments = kept((0..20).map(|ns| change(1, ns)));
        assert_eq!(
            adjustments.take().map(|change| change.at.boot_ns).collect::<Vec<_>>(),
            (12..20).collect::<Vec<_>>()
        );
        assert_eq!(adjustments.take().count(), 0);
        adjustments.learn(&change(1, 21));
        assert_eq!(times(&adjustments, &[1], u64::MAX), [21]);
    }

    proptest! {
        #[test]
        fn where_the_sequence_is_cut_changes_nothing(
            tids in prop::collection::vec(0i32..6, 0..200),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let changes: Vec<AdjUpdated> =
                tids.iter().zip(0..).map(|(&tid, ns)| change(tid, ns)).collect();
            let mut cut_at: Vec<usize> = cuts.iter().map(|cut| cut.index(changes.len() + 1)).collect();
            cut_at.extend([0, changes.len()]);
            cut_at.sort_unstable();
            let parts = cut_at.windows(2).flat_map(|cut| kept(changes[cut[0]..cut[1]].iter().cloned()).take());
            prop_assert_eq!(kept(parts).take().collect::<Vec<_>>(), kept(changes.iter().cloned()).take().collect::<Vec<_>>());
        }
    }
}
