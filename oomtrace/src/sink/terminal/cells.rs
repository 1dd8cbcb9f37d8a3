//! The candidates as a table of which a part is seen at a time: a cell is written when it is drawn, and can be sorted by without being.

use std::collections::HashMap;

use crate::badness;
use crate::model::SessionInfo;
use crate::model::episode::{Episode, Person, RankedCandidate, Victim};
use crate::model::observation::{Memory, Score};

use super::{Context, Options, table, words};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what their titles say")]
pub enum Column {
    Process,
    Points,
    Share,
    Adj,
    Rss,
    Anon,
    File,
    Shmem,
    Swap,
    Pgtab,
    Uid,
    Mark,
    Cgroup,
}

impl Column {
    /// All, in order.
    pub const ALL: [Self; 13] = [
        Self::Process,
        Self::Points,
        Self::Share,
        Self::Adj,
        Self::Rss,
        Self::Anon,
        Self::File,
        Self::Shmem,
        Self::Swap,
        Self::Pgtab,
        Self::Uid,
        Self::Mark,
        Self::Cgroup,
    ];

    /// Numbers stand at the right of their column, and the largest is of most interest.
    #[must_use]
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Process | Self::Mark | Self::Cgroup)
    }
}

/// What a cell is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A number.
    Number(i64),
    /// A text, and a number for those that have the same.
    Text(String, i64),
}

/// Candidates, and behind them victims that are none, as they are ranked.
pub struct Cells<'a> {
    context: Context<'a>,
    /// By pid.
    victims: HashMap<i32, &'a Victim>,
    /// Victims that are no candidates.
    others: Vec<&'a Victim>,
    /// Counters that nothing can be held against.
    approximate: bool,
}

impl<'a> Cells<'a> {
    /// Of an episode.
    #[must_use]
    pub fn of(episode: &'a Episode, info: &'a SessionInfo) -> Self {
        let context = Context { info, episode, options: Options { width: 80, color: false, verbose: true } };
        let victims: HashMap<i32, &Victim> = episode.victims.iter().map(|v| (v.task.pid, v)).collect();
        let mut others = victims.clone();
        for candidate in &episode.candidates {
            if others.is_empty() {
                break;
            }
            others.remove(&candidate.task.pid);
        }
        let others = episode.victims.iter().filter(|victim| others.contains_key(&victim.task.pid)).collect();
        Self { approximate: table::approximate(&context), context, victims, others }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.context.episode.candidates.len() + self.others.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who it is.
    #[must_use]
    pub fn task(&self, row: usize) -> Option<&'a Person> {
        self.row(row).map(|row| row.task)
    }

    /// Whether it died.
    #[must_use]
    pub fn is_victim(&self, row: usize) -> bool {
        self.row(row).is_some_and(|row| row.victim.is_some())
    }

    /// What stands over a column.
    #[must_use]
    pub fn title(&self, column: Column) -> &'static str {
        match column {
            Column::Process => "process",
            Column::Points if self.context.episode.report.is_some() => "computed",
            Column::Points => "points",
            Column::Share => "share",
            Column::Adj => "adj",
            Column::Rss => "rss",
            Column::Anon => "anon",
            Column::File => "file",
            Column::Shmem => "shmem",
            Column::Swap => "swap",
            Column::Pgtab => "pgtab",
            Column::Uid => "uid",
            Column::Mark => "what came of it",
            Column::Cgroup => "cgroup",
        }
    }

    /// A cell in full.
    #[must_use]
    pub fn text(&self, row: usize, column: Column) -> String {
        let Some(row) = self.row(row) else { return String::new() };
        let number = |number: Option<i64>, words: fn(i64) -> String| match (number, row.nothing(column)) {
            (Some(number), _) => words(number),
            (None, true) => "-".to_owned(),
            (None, false) => "?".to_owned(),
        };
        match column {
            Column::Process => words::task(row.task),
            Column::Mark => self.mark(&row),
            Column::Cgroup => row.task.cgroup.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string),
            Column::Points | Column::Share | Column::Adj | Column::Uid => {
                number(self.number(&row, column), |number| number.to_string())
            }
            _ => {
                let size = number(self.number(&row, column), |bytes| words::size(bytes.unsigned_abs()));
                let about = column != Column::Pgtab && row.memory.is_some() && self.is_approximate(&row);
                if about { format!("~{size}") } else { size }
            }
        }
    }

    /// What a cell is sorted by; `None` for what is not known, or is nothing.
    #[must_use]
    pub fn key(&self, row: usize, column: Column) -> Option<Key> {
        let row = self.row(row)?;
        let pid = i64::from(row.task.pid);
        match column {
            Column::Process => Some(Key::Text(row.task.comm.to_string(), pid)),
            Column::Mark => {
                Some(self.mark(&row)).filter(|mark| !mark.is_empty()).map(|mark| Key::Text(mark, 0))
            }
            Column::Cgroup => row.task.cgroup.as_ref().map(|cgroup| Key::Text(cgroup.to_string(), 0)),
            _ => self.number(&row, column).map(Key::Number),
        }
    }

    fn row(&self, row: usize) -> Option<Row<'a>> {
        let candidates = &self.context.episode.candidates;
        if let Some(candidate) = candidates.get(row) {
            let RankedCandidate { task, memory, .. } = candidate;
            let victim = self.victims.get(&task.pid).copied();
            return Some(Row { task, memory: *memory, candidate: Some(candidate), victim });
        }
        let victim = *self.others.get(row.checked_sub(candidates.len())?)?;
        Some(Row { task: &victim.task, memory: victim.memory, candidate: None, victim: Some(victim) })
    }

    fn mark(&self, row: &Row<'_>) -> String {
        match (row.candidate, row.victim) {
            (Some(candidate), victim) => table::mark(candidate, victim),
            (None, Some(victim)) => table::victim_word(victim.why).to_owned(),
            (None, None) => String::new(),
        }
    }

    fn is_approximate(&self, row: &Row<'_>) -> bool {
        let explained = row.candidate.and_then(|candidate| candidate.explained);
        explained.map_or(self.approximate, |explained| explained.difference != 0)
    }

    /// Sizes are bytes.
    fn number(&self, row: &Row<'_>, column: Column) -> Option<i64> {
        let info = self.context.info;
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let pages = |pages: fn(&Memory) -> Option<u64>| {
            row.memory.as_ref().and_then(pages).map(|pages| bytes(info.bytes(pages)))
        };
        let points = row.candidate.and_then(RankedCandidate::points);
        match column {
            Column::Points => points,
            Column::Share => badness::share(points?, self.context.episode.totalpages?),
            Column::Adj => row.task.oom_score_adj.map(i64::from),
            Column::Rss => pages(Memory::resident_pages),
            Column::Anon => pages(|memory| memory.rss_anon_pages),
            Column::File => pages(|memory| memory.rss_file_pages),
            Column::Shmem => pages(|memory| memory.rss_shmem_pages),
            Column::Swap => pages(|memory| memory.swap_entries),
            Column::Pgtab => row.memory?.pgtables_bytes.map(bytes),
            Column::Uid => row.task.uid.map(i64::from),
            Column::Process | Column::Mark | Column::Cgroup => None,
        }
    }
}

struct Row<'a> {
    task: &'a Person,
    memory: Option<Memory>,
    /// It was looked at.
    candidate: Option<&'a RankedCandidate>,
    victim: Option<&'a Victim>,
}

impl Row<'_> {
    /// That a number is not there does not mean that it is not known.
    fn nothing(&self, column: Column) -> bool {
        let score = self.candidate.map(|candidate| candidate.score);
        match column {
            Column::Points | Column::Share => {
                matches!(score, None | Some(Score::NotScored | Score::Unkillable))
            }
            Column::Adj | Column::Uid => false,
            _ => self.memory.is_none() && self.candidate.is_some_and(table::has_no_memory),
        }
    }
}
