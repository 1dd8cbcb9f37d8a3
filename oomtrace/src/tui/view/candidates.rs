//! The table of candidates: as many columns as fit, the rows that can be seen, and all of the selected one below.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr as _;

use crate::sink::terminal::text::{cut_in_the_middle, grouped};
use crate::sink::terminal::{Cells, Column, Tone};

use super::super::candidates::Candidates;
use super::super::text::wrapped;
use super::{BOLD, Paint, QUIET};

/// What a narrow screen does without, first to last.
const LEAST_TELLING: [Column; 10] = [
    Column::Cgroup,
    Column::Uid,
    Column::Pgtab,
    Column::Shmem,
    Column::File,
    Column::Share,
    Column::Swap,
    Column::Anon,
    Column::Mark,
    Column::Adj,
];
/// Columns of a screen from which on there are two between columns.
const ROOMY: usize = 100;
/// Columns of a name, and of what came of it, at most.
const MOST_NAME: usize = 32;
/// Columns of a cgroup at the least.
const LEAST_CGROUP: usize = 24;

/// Draws the table, and so many rows of details.
pub(super) fn draw(candidates: &Candidates, paint: &mut Paint<'_>, body: Rect, details: u16) {
    let cells = candidates.cells();
    let table = Rect { height: body.height - details, ..body };
    let rows: Vec<usize> =
        candidates.order.iter().copied().skip(candidates.top).take(usize::from(table.height)).collect();
    let texts: Vec<Vec<String>> =
        rows.iter().map(|&row| Column::ALL.map(|column| cells.text(row, column)).to_vec()).collect();
    let gap = if usize::from(body.width) < ROOMY { 1 } else { 2 };
    let columns = columns(candidates, &cells, &texts, (usize::from(body.width), gap));
    let mut lines = table.rows();
    if let Some(line) = lines.next() {
        heading(candidates, &cells, paint, line, (&columns, gap));
    }
    for (i, ((line, &row), texts)) in lines.zip(&rows).zip(&texts).enumerate() {
        let mut style = if cells.is_victim(row) { paint.tone(Tone::Victim) } else { Style::new() };
        if candidates.top + i == candidates.selected {
            style = style.add_modifier(Modifier::REVERSED);
            paint.buffer.set_style(line, style);
        }
        let marker = if cells.is_victim(row) { "> " } else { "  " };
        let mut text = marker.to_owned();
        for &(place, width) in &columns {
            let cell = texts.get(place).map(String::as_str).unwrap_or_default();
            text.push_str(&padded(&cut_in_the_middle(cell, width), width, Column::ALL[place].is_number()));
            text.push_str(&" ".repeat(gap));
        }
        paint.line(line, vec![Span::styled(text.trim_end().to_owned(), style)]);
    }
    if details > 0 {
        let area = Rect { y: body.y + table.height, height: details, ..body };
        below(candidates, &cells, paint, area);
    }
}

/// Which columns fit, by their places, and how wide each is.
fn columns(
    candidates: &Candidates,
    cells: &Cells<'_>,
    texts: &[Vec<String>],
    (width, gap): (usize, usize),
) -> Vec<(usize, usize)> {
    let place_of = |column| Column::ALL.iter().position(|&other| other == column).unwrap_or(0);
    let mut widths = Column::ALL.map(|column| {
        // With the arrow of the order.
        let title = cells.title(column).width() + 1;
        let place = place_of(column);
        let widest =
            texts.iter().filter_map(|row| row.get(place)).map(|cell| cell.width()).max().unwrap_or(0);
        let most = if column.is_number() { usize::MAX } else { MOST_NAME };
        // So that columns move little from one screen to the next.
        let least = match column {
            Column::Process => 20,
            Column::Adj | Column::Uid | Column::Share => 5,
            _ => 6,
        };
        widest.min(most).max(title).max(least)
    });
    let cgroup = place_of(Column::Cgroup);
    widths[cgroup] = LEAST_CGROUP;
    let mut shown: Vec<usize> = (0..Column::ALL.len()).collect();
    let used =
        |shown: &[usize], widths: &[usize]| 2 + shown.iter().map(|&place| widths[place] + gap).sum::<usize>();
    let sorted = candidates.sort.map(|(column, _)| column);
    for column in LEAST_TELLING {
        if used(&shown, &widths) <= width + gap {
            break;
        }
        // What it is sorted by is seen.
        if Some(column) != sorted {
            shown.retain(|&place| place != place_of(column));
        }
    }
    // What is left over is for the cgroup.
    if shown.contains(&cgroup) {
        widths[cgroup] += (width + gap).saturating_sub(used(&shown, &widths));
    }
    shown.into_iter().map(|place| (place, widths[place])).collect()
}

fn heading(
    candidates: &Candidates,
    cells: &Cells<'_>,
    paint: &mut Paint<'_>,
    line: Rect,
    (columns, gap): (&[(usize, usize)], usize),
) {
    let mut spans = vec![Span::from("  ")];
    for &(place, width) in columns {
        let column = Column::ALL[place];
        let (arrow, style) = match candidates.sort {
            Some((sorted, up)) if sorted == column => (if up { "▲" } else { "▼" }, BOLD),
            _ => ("", QUIET),
        };
        let title = format!("{}{arrow}", cells.title(column));
        spans.push(Span::styled(padded(&title, width, column.is_number()), style));
        spans.push(Span::from(" ".repeat(gap)));
    }
    paint.line(line, spans);
}

/// All of the selected one: what the table has no room for is here.
fn below(candidates: &Candidates, cells: &Cells<'_>, paint: &mut Paint<'_>, area: Rect) {
    let width = usize::from(area.width);
    let rule = "─".repeat(width);
    let order = match candidates.sort {
        None => "as the kernel ranked them".to_owned(),
        Some((column, up)) => {
            let which = match (column.is_number(), up) {
                (true, true) => "smallest first",
                (true, false) => "largest first",
                (false, true) => "a to z",
                (false, false) => "z to a",
            };
            format!("by {}, {which}", cells.title(column))
        }
    };
    let found = match candidates.find.as_str() {
        "" => String::new(),
        find => format!(", {} with \"{find}\"", grouped(candidates.order.len() as i128)),
    };
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        paint.line(row, vec![Span::styled(rule, QUIET)]);
        paint.right(row, Span::styled(format!(" {order}{found} "), QUIET));
    }
    let Some(selected) = candidates.row() else { return };
    let told = Column::ALL.iter().filter(|&&column| column != Column::Cgroup);
    let parts: Vec<String> = told
        .map(|&column| (cells.title(column), cells.text(selected, column)))
        .filter(|(_, text)| !text.is_empty())
        // Broken between two, not within one.
        .map(|(title, text)| format!("{title} {text}").replace(' ', "\u{a0}"))
        .collect();
    let cgroup = cells.text(selected, Column::Cgroup);
    let mut lines = wrapped(&parts.join(" · "), width);
    lines.truncate(2);
    lines.extend(wrapped(&format!("cgroup {}", cut_in_the_middle(&cgroup, width.saturating_sub(7))), width));
    for line in &mut lines {
        for (_, text) in line {
            *text = text.replace('\u{a0}', " ");
        }
    }
    let rest = Rect { y: area.y + 1, height: area.height - 1, ..area };
    paint.text(rest, &lines, 0, Style::new());
}

fn padded(text: &str, width: usize, right: bool) -> String {
    let gap = " ".repeat(width.saturating_sub(text.width()));
    if right { format!("{gap}{text}") } else { format!("{text}{gap}") }
}
