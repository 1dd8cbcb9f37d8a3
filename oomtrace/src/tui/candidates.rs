//! The table of candidates: in which order, which of them, and where one is in it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Episode, Name, SessionInfo};
use crate::sink::terminal::{Cells, Column, Key};

/// A table that somebody looks at.
#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) episode: Arc<Episode>,
    pub(super) info: Arc<SessionInfo>,
    /// Column that it is sorted by, and whether the smallest comes first; `None`: as the kernel ranked them.
    pub(super) sort: Option<(Column, bool)>,
    /// Only those with this text, in lower case.
    pub(super) find: String,
    /// Rows that are shown, in order.
    pub(super) order: Vec<usize>,
    /// Place of the selected one in it.
    pub(super) selected: usize,
    /// Place of the first that is on the screen.
    pub(super) top: usize,
}

impl Candidates {
    /// Of an episode, sorted as another one was.
    pub(super) fn new(episode: Arc<Episode>, info: Arc<SessionInfo>, sort: Option<(Column, bool)>) -> Self {
        let mut candidates =
            Self { episode, info, sort, find: String::new(), order: Vec::new(), selected: 0, top: 0 };
        candidates.arrange();
        candidates
    }

    pub(super) fn cells(&self) -> Cells<'_> {
        Cells::of(&self.episode, &self.info)
    }

    /// The selected row.
    pub(super) fn row(&self) -> Option<usize> {
        self.order.get(self.selected).copied()
    }

    /// Sorts by the next column, so many to the right; what is beside the columns is the kernel's order.
    pub(super) fn sort_by_next(&mut self, right: bool) {
        let choices = Column::ALL.len() + 1;
        let now = self.sort.and_then(|(column, _)| Column::ALL.iter().position(|&other| other == column));
        let now = now.map_or(0, |place| place + 1);
        let next = if right { now + 1 } else { now + choices - 1 } % choices;
        let column = next.checked_sub(1).and_then(|place| Column::ALL.get(place));
        // Names from a to z, numbers from the largest.
        self.sort = column.map(|&column| (column, !column.is_number()));
        self.arrange();
    }

    /// Turns the order round.
    pub(super) fn reverse(&mut self) {
        self.sort = self.sort.map(|(column, up)| (column, !up));
        self.arrange();
    }

    /// As the kernel ranked them.
    pub(super) fn as_ranked(&mut self) {
        self.sort = None;
        self.arrange();
    }

    /// Shows only those with a text in their name, their cgroup, or what came of them.
    pub(super) fn find(&mut self, text: &str) {
        self.find = text.to_lowercase();
        self.arrange();
    }

    /// Moves the selection.
    pub(super) fn step(&mut self, by: isize) {
        let last = self.order.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }

    /// From the top again: it is another order.
    fn arrange(&mut self) {
        let cells = Cells::of(&self.episode, &self.info);
        let has = |row, column| cells.text(row, column).to_lowercase().contains(&self.find);
        // Thousands of candidates are in few cgroups, whose paths are long.
        let mut cgroups: HashMap<&Name, bool> = HashMap::new();
        let found = |&row: &usize| {
            if self.find.is_empty() || has(row, Column::Process) {
                return true;
            }
            let cgroup = cells.task(row).and_then(|task| task.cgroup.as_ref());
            cgroup.is_some_and(|name| *cgroups.entry(name).or_insert_with(|| has(row, Column::Cgroup)))
                || has(row, Column::Mark)
        };
        let mut order: Vec<usize> = (0..cells.len()).filter(found).collect();
        if let Some((column, up)) = self.sort {
            let mut keyed: Vec<(Option<Key>, usize)> =
                order.iter().map(|&row| (cells.key(row, column), row)).collect();
            // Those that are equal stay as the kernel ranked them; what has no value comes last, however it is sorted.
            keyed.sort_by(|(a, _), (b, _)| match (a, b) {
                (Some(a), Some(b)) if up => a.cmp(b),
                (Some(a), Some(b)) => b.cmp(a),
                (a, b) => b.is_some().cmp(&a.is_some()),
            });
            order = keyed.into_iter().map(|(_, row)| row).collect();
        }
        self.order = order;
        (self.selected, self.top) = (0, 0);
    }
}
