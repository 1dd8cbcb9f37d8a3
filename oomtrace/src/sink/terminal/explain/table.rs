//! The best candidates, each with the adjustment at which the outcome turns.

use unicode_width::UnicodeWidthStr;

use crate::explain::contest::Turn;
use crate::explain::{Explanation, Row as Candidate};
use crate::model::observation::Score;

use super::super::page::{Page, Row};
use super::super::{Context, words};
use super::pages;

/// Columns of a process's name at most.
const MAX_NAME: usize = 28;
const TITLES: [&str; 5] = ["process", "points", "adj", "memory", "with oom_score_adj"];
/// The last column.
const TURN: usize = TITLES.len() - 1;

/// Writes the table; nothing without candidates.
pub(super) fn write(explanation: &Explanation<'_>, context: &Context<'_>, page: &mut Page) {
    if explanation.top.is_empty() {
        return;
    }
    let mut lines: Vec<[String; 5]> =
        explanation.top.iter().map(|row| line(explanation, context, row)).collect();
    let mut widths = TITLES.map(UnicodeWidthStr::width);
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line).take(TURN) {
            *width = (*width).max(cell.width());
        }
    }
    let left: usize = widths.iter().take(TURN).map(|width| width + 2).sum();
    let room = context.options.width.saturating_sub(4 + left);
    for (line, row) in lines.iter_mut().zip(&explanation.top) {
        line[TURN] = turn(explanation, row, room);
    }
    page.row(&format!("    {}", laid_out(&TITLES.map(str::to_owned), &widths)), Row::Header);
    for (line, row) in lines.iter().zip(&explanation.top) {
        let (marker, kind) = if row.victim { ("  > ", Row::Victim) } else { ("    ", Row::Other) };
        page.row(&format!("{marker}{}", laid_out(line, &widths)), kind);
    }
    if explanation.more > 0 {
        page.row(&format!("    … {} more", words::grouped(explanation.more.into())), Row::Other);
    }
    if explanation.adj_without_effect {
        page.paragraph(
            "    - no oom_score_adj would have had it chosen: below 1,000 pages it has no effect",
            6,
        );
    } else if explanation.top.iter().any(|row| row.turn == Turn::Never) {
        page.paragraph("    - not even oom_score_adj 1000 would have had it chosen", 6);
    }
}

fn laid_out(cells: &[String; 5], widths: &[usize; 5]) -> String {
    let [process, points, adj, memory, turn] = cells;
    let [process_width, points_width, adj_width, memory_width, _] = widths;
    let gap = " ".repeat(process_width.saturating_sub(process.width()));
    format!("{process}{gap}  {points:>points_width$}  {adj:>adj_width$}  {memory:>memory_width$}  {turn}")
}

fn line(explanation: &Explanation<'_>, context: &Context<'_>, row: &Candidate<'_>) -> [String; 5] {
    let task = &row.candidate.task;
    let points = match row.candidate.score {
        Score::Points(points) => points.to_string(),
        Score::NotScored | Score::Unkillable => "-".to_owned(),
        Score::Unknown => "?".to_owned(),
    };
    let memory = row.memory_pages.map(|memory| pages(explanation.session, memory));
    [
        words::path(&words::task(task), (context.options.width / 3).min(MAX_NAME)),
        points,
        words::or_unknown(task.oom_score_adj),
        words::or_unknown(memory),
        String::new(),
    ]
}

/// `189 or less: gunicorn[48119] instead`, in so many columns.
pub(super) fn turn(explanation: &Explanation<'_>, row: &Candidate<'_>, room: usize) -> String {
    if !explanation.basis.compares_points() {
        return "-".to_owned();
    }
    // The number matters more than the whole of a name.
    let instead = |at: &str, pid: i32| {
        let candidates = &explanation.episode.candidates;
        let candidate = candidates.iter().find(|candidate| candidate.task.pid == pid);
        let name = candidate.map_or_else(|| format!("[{pid}]"), |candidate| words::task(&candidate.task));
        let room = room.saturating_sub(at.len() + ":  instead".len()).max(8);
        format!("{at}: {} instead", words::path(&name, room))
    };
    match row.turn {
        Turn::Spared { at: -1000, instead: None } => "-1000: nobody could be killed".to_owned(),
        Turn::Spared { at: -1000, instead: Some(pid) } => instead("-1000", pid),
        Turn::Spared { at, instead: Some(pid) } => instead(&format!("{at} or less"), pid),
        Turn::Spared { at, instead: None } => format!("{at} or less: nobody could be killed"),
        Turn::Chosen { at: 1000 } => "1000: chosen".to_owned(),
        Turn::Chosen { at } => format!("{at} or more: chosen"),
        Turn::InGroup => "-1000 only, or dies with its group".to_owned(),
        Turn::Never => "-".to_owned(),
        Turn::Unknown => "?".to_owned(),
    }
}
