//! All candidates of an episode as columns, for the page's own script: it sorts, finds and draws them, and works nothing out.

use std::collections::HashMap;

use serde::Serialize;

use crate::badness;
use crate::explain::Explanation;
use crate::explain::contest::Contest;
use crate::model::episode::{RankedCandidate, Victim};
use crate::model::observation::Score;
use crate::sink::terminal::text;

use super::parts::{Makeup, Part};

/// Candidates of one episode on a page at most; what is more is counted.
pub(super) const MOST: usize = 50_000;

/// A number, `null` when it is not known, `"-"` when there is nothing to know.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Cell {
    Known(i64),
    Unknown(Option<()>),
    Nothing(&'static str),
}

const UNKNOWN: Cell = Cell::Unknown(None);
const NOTHING: Cell = Cell::Nothing("-");

/// The columns. Sizes are bytes; texts are positions in `texts`, which has each of them once.
#[derive(Debug, Default, Serialize)]
pub(super) struct Table {
    texts: Vec<String>,
    process: Vec<usize>,
    pid: Vec<i32>,
    mark: Vec<usize>,
    points: Vec<Cell>,
    share: Vec<Cell>,
    adj: Vec<Cell>,
    memory: Vec<Cell>,
    anon: Vec<Cell>,
    file: Vec<Cell>,
    shmem: Vec<Cell>,
    rss: Vec<Cell>,
    swap: Vec<Cell>,
    pgtab: Vec<Cell>,
    /// Parts of the bar that are not among the columns, bytes.
    rest: Vec<i64>,
    adj_bytes: Vec<i64>,
    uid: Vec<Cell>,
    cgroup: Vec<usize>,
    /// 1: died of it.
    victim: Vec<u8>,
    /// 1: its kinds of memory are approximate.
    about: Vec<u8>,
    /// Candidates of the episode that are not here.
    more: usize,
}

/// The columns of one episode.
pub(super) fn of(explanation: &Explanation<'_>, contest: &Contest<'_>) -> Table {
    let Explanation { episode, session: info, .. } = explanation;
    let looks = text::Candidates::of(explanation);
    let victims: HashMap<i32, &Victim> = episode.victims.iter().map(|v| (v.task.pid, v)).collect();
    let mut table = Table { more: episode.candidates.len().saturating_sub(MOST), ..Table::default() };
    let mut texts = Texts::default();
    for candidate in episode.candidates.iter().take(MOST) {
        let RankedCandidate { task, memory, .. } = candidate;
        let victim = victims.get(&task.pid).copied();
        let makeup = Makeup::of(candidate, contest, info);
        let part = |wanted: Part| makeup.parts.iter().find(|(part, _)| *part == wanted).map_or(0, |it| it.1);
        let none = if looks.has_no_memory(candidate) { NOTHING } else { UNKNOWN };
        let bytes = |number: Option<u64>| number.map_or(none, |number| Cell::Known(clamped(number)));
        let size = |pages: Option<u64>| bytes(pages.map(|pages| info.bytes(pages)));
        let (points, share) = match candidate.score {
            Score::Points(points) => {
                let share = episode.totalpages.and_then(|total| badness::share(points, total));
                (Cell::Known(points), known(share))
            }
            Score::NotScored | Score::Unkillable => (NOTHING, NOTHING),
            Score::Unknown => (UNKNOWN, UNKNOWN),
        };
        let memory = memory.unwrap_or_default();
        table.process.push(texts.at(text::task(task)));
        table.pid.push(task.pid);
        table.mark.push(texts.at(looks.mark(candidate, victim)));
        table.points.push(points);
        table.share.push(share);
        table.adj.push(known(task.oom_score_adj));
        table.memory.push(makeup.memory.map_or(none, Cell::Known));
        table.anon.push(size(memory.rss_anon_pages));
        table.file.push(size(memory.rss_file_pages));
        table.shmem.push(size(memory.rss_shmem_pages));
        table.rss.push(memory.rss_pages.map_or(NOTHING, |pages| size(Some(pages))));
        table.swap.push(size(memory.swap_entries));
        table.pgtab.push(bytes(memory.pgtables_bytes));
        table.rest.push(part(Part::Rest));
        table.adj_bytes.push(part(Part::Adj));
        table.uid.push(known(task.uid));
        table.cgroup.push(texts.at(task.cgroup.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)));
        table.victim.push(u8::from(victim.is_some()));
        table.about.push(u8::from(looks.approximate(candidate)));
    }
    table.texts = texts.all;
    table
}

fn known(number: Option<impl Into<i64>>) -> Cell {
    number.map_or(UNKNOWN, |number| Cell::Known(number.into()))
}

/// A script's numbers are exact up to here, and no machine has more.
fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes.min(1 << 53)).unwrap_or(i64::MAX)
}

/// Each text once: thousands of processes have few names, and fewer cgroups.
#[derive(Default)]
struct Texts {
    all: Vec<String>,
    places: HashMap<String, usize>,
}

impl Texts {
    fn at(&mut self, text: String) -> usize {
        if let Some(&place) = self.places.get(&text) {
            return place;
        }
        let place = self.all.len();
        self.all.push(text.clone());
        self.places.insert(text, place);
        place
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::explain::explain;
    use crate::made_up;

    fn columns(observations: &[crate::model::Observation]) -> Value {
        let info = made_up::info();
        let episode = made_up::assemble(&info, observations).remove(0);
        let explanation = explain(&episode, &info, &[]).expect("nothing is supposed");
        let table = of(&explanation, &Contest::new(&episode, &info));
        serde_json::to_value(&table).expect("it is JSON")
    }

    #[test]
    fn unknown_is_not_zero_and_not_nothing() {
        let table = columns(&made_up::global());
        let points = table["points"].as_array().expect("a column");
        assert!(points.iter().any(|cell| cell == "-"), "{points:?}");
        let silent = columns(&made_up::sysrq_with_silent_scorer());
        assert!(silent["points"].as_array().expect("a column").iter().any(Value::is_null));
        assert!(silent["memory"].as_array().expect("a column").iter().any(|cell| cell.as_i64() > Some(0)));
    }

    #[test]
    fn columns_are_of_one_length_and_texts_are_there_once() {
        let table = columns(&made_up::global());
        let rows = table["pid"].as_array().expect("a column").len();
        for (name, column) in table.as_object().expect("columns") {
            if let (Value::Array(column), false) = (column, name == "texts") {
                assert_eq!(column.len(), rows, "{name}");
            }
        }
        let texts = table["texts"].as_array().expect("there are some");
        let mut once = texts.clone();
        once.dedup();
        assert_eq!(&once, texts);
    }
}
