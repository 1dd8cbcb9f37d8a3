//! What changed from one episode to another: who grew, who is new, who is gone.
//!
//! Processes come and go between two episodes, so they are taken together by name, and by cgroup. Memory is what the scan saw:
//! resident and swapped out. Processes whose memory is not known are counted, and add nothing; those that have none are left out.

use std::collections::BTreeMap;

use crate::model::episode::{Episode, RankedCandidate};
use crate::model::observation::TaskFlags;
use crate::model::{Name, SessionInfo};

/// One of the two.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The episode.
    pub episode: &'a Episode,
    /// The head of its session.
    pub info: &'a SessionInfo,
}

/// Processes that were taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub processes: u64,
    /// Their memory, bytes; `None` when there are some and it is known of none.
    pub bytes: Option<u64>,
}

/// The same name, or cgroup, in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name of the processes, or path of their cgroup.
    pub name: Name,
    /// In the first episode.
    pub before: Share,
    /// In the second one.
    pub after: Share,
}

impl Row {
    /// Growth, bytes; negative: it shrank. Nobody has no memory. `None` when it is not known.
    #[must_use]
    pub fn change(&self) -> Option<i64> {
        let bytes = |share: Share| if share.processes == 0 { Some(0) } else { share.bytes };
        let change = i128::from(bytes(self.after)?) - i128::from(bytes(self.before)?);
        Some(i64::try_from(change).unwrap_or(if change < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// What changed.
#[derive(Clone, Debug)]
pub struct Difference<'a> {
    /// The first episode.
    pub before: Side<'a>,
    /// The second one.
    pub after: Side<'a>,
    /// By name of the process; who grew most first, then who shrank most, last those of whom it is not known.
    pub names: Vec<Row>,
    /// By cgroup, in the same order.
    pub cgroups: Vec<Row>,
}

/// Compares two episodes.
#[must_use]
pub fn diff<'a>(before: Side<'a>, after: Side<'a>) -> Difference<'a> {
    let comm = |candidate: &RankedCandidate| Some(candidate.task.comm.clone());
    let cgroup = |candidate: &RankedCandidate| candidate.task.cgroup.clone();
    Difference { before, after, names: rows(before, after, comm), cgroups: rows(before, after, cgroup) }
}

fn rows(before: Side<'_>, after: Side<'_>, key: fn(&RankedCandidate) -> Option<Name>) -> Vec<Row> {
    let mut all: BTreeMap<Name, (Share, Share)> = BTreeMap::new();
    for (side, is_after) in [(before, false), (after, true)] {
        for candidate in &side.episode.candidates {
            // Kernel threads, and those who have let go of theirs already.
            if candidate.memory.is_none() && !candidate.flags.has(TaskFlags::READ_FAILED) {
                continue;
            }
            let Some(name) = key(candidate) else { continue };
            let shares = all.entry(name).or_default();
            let share = if is_after { &mut shares.1 } else { &mut shares.0 };
            share.processes += 1;
            if let Some(bytes) = memory(candidate, side.info) {
                share.bytes = Some(share.bytes.unwrap_or(0).saturating_add(bytes));
            }
        }
    }
    let mut rows: Vec<Row> =
        all.into_iter().map(|(name, (before, after))| Row { name, before, after }).collect();
    rows.sort_by_key(|row| {
        let change = row.change();
        let size = std::cmp::Reverse(change.map(i64::unsigned_abs));
        (change.is_none(), change.is_some_and(|change| change <= 0), size)
    });
    rows
}

/// Resident and swapped out, bytes.
fn memory(candidate: &RankedCandidate, info: &SessionInfo) -> Option<u64> {
    let memory = candidate.memory?;
    let pages = memory.resident_pages()?.saturating_add(memory.swap_entries.unwrap_or(0));
    Some(info.bytes(pages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;
    use crate::model::observation::Memory;

    #[test]
    fn growth_comes_first_and_unknown_last() {
        let info = made_up::info();
        let before = made_up::assemble(&info, &made_up::one_kill()).remove(0);
        let mut after = before.clone();
        let mut grown = after.candidates[0].clone();
        grown.task.comm = Name::from("new");
        after.candidates.push(grown);
        let mut unknown = after.candidates[0].clone();
        (unknown.task.comm, unknown.memory) = (Name::from("unknown"), Some(Memory::default()));
        after.candidates.push(unknown);
        let gone = after.candidates.remove(0).task.comm;
        let side = |episode| Side { episode, info: &info };

        let found = diff(side(&before), side(&after));
        let first = &found.names[0];
        assert_eq!((first.name.clone(), first.before), (Name::from("new"), Share::default()));
        assert!(first.change().is_some_and(|change| change > 0));
        let last = found.names.last().expect("there are rows");
        assert_eq!((last.name.clone(), last.change()), (Name::from("unknown"), None));
        let lost = found.names.iter().find(|row| row.name == gone).expect("it was there");
        assert!(lost.after.processes < lost.before.processes);
        assert!(lost.change().is_some_and(|change| change < 0));
        let same = diff(side(&before), side(&before));
        assert!(same.names.iter().chain(&same.cgroups).all(|row| row.before == row.after));
    }
}
