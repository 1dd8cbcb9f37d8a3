//! The candidates: victims, the best of the others, and what the rest were.

use std::collections::{HashMap, HashSet};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use unicode_width::UnicodeWidthStr;

use crate::badness;
use crate::model::episode::{Outcome, Person, RankedCandidate, Reason, Verdict, Victim, VictimWhy};
use crate::model::observation::{Memory, Score, TaskFlags};

use super::page::{Page, Row};
use super::{Context, Options, words};

/// Scored candidates that are shown beside the victims.
const MAX_SCORED: usize = 10;
/// Victims that are shown. A cgroup of thousands can be killed as a group.
const MAX_VICTIMS: usize = 30;
/// Columns of a process's name at most.
const MAX_NAME: usize = 32;

/// Columns, in order. A number gives those that a narrow screen does without, the lowest first.
const COLUMNS: [(&str, u8); 12] = [
    ("process", u8::MAX),
    ("share", 6),
    ("points", u8::MAX),
    ("adj", u8::MAX),
    ("rss", u8::MAX),
    ("anon", 7),
    ("file", 4),
    ("shmem", 3),
    ("swap", 5),
    ("pgtab", 2),
    ("uid", 1),
    ("", u8::MAX),
];
const RSS: usize = 4;
const ANON: usize = 5;
const PGTAB: usize = 9;
const POINTS: usize = 2;
const RSS_KINDS: usize = ANON + 3;
/// Columns of counters that can be approximate: page tables are always exact.
const APPROXIMATE: std::ops::Range<usize> = ANON..PGTAB;
const MARK: usize = COLUMNS.len() - 1;
/// Columns for a cgroup beside the table; with less it goes below.
const MIN_CGROUP: usize = 24;

/// A row of the table.
pub(super) struct Line {
    kind: Row,
    cells: [String; COLUMNS.len()],
    cgroup: Option<String>,
}

/// Writes the table and the line about those that are not in it.
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let episode = context.episode;
    let victims: HashMap<i32, &Victim> = episode.victims.iter().map(|v| (v.task.pid, v)).collect();
    let mut lines = Vec::new();
    let mut in_table = HashSet::new();
    let mut rest = Rest::default();
    let (mut scored, mut killed) = (0, 0);
    for candidate in &episode.candidates {
        let pid = candidate.task.pid;
        let victim = victims.get(&pid).copied();
        let show = context.options.verbose
            || matches!(candidate.verdict, Verdict::Chosen | Verdict::Blocking)
            || match (victim, candidate.verdict) {
                (Some(_), _) => killed < MAX_VICTIMS,
                (None, Verdict::Outscored) => scored < MAX_SCORED,
                // When nobody could be killed, those with memory are what a person wants to see.
                (None, _) => {
                    let stuck = episode.outcome == Outcome::NoneKillable && candidate.memory.is_some();
                    stuck && scored < MAX_SCORED
                }
            };
        in_table.insert(pid);
        if show {
            match victim {
                Some(_) => killed += 1,
                None => scored += 1,
            }
            lines.push(candidate_line(context, candidate, victim));
        } else {
            rest.add(candidate.verdict, victim.is_some());
        }
    }
    // Victims that the scan did not look at: killed without one, or for sharing an mm.
    for victim in episode.victims.iter().filter(|victim| !in_table.contains(&victim.task.pid)) {
        if context.options.verbose || killed < MAX_VICTIMS {
            killed += 1;
            lines.push(victim_line(context, victim));
        } else {
            rest.victims += 1;
        }
    }
    // A victim of which nothing is known but its name is told by the outcome.
    let tells = |line: &Line| {
        line.cells[RSS..=PGTAB]
            .iter()
            .filter(|cell| !cell.is_empty())
            .any(|cell| !matches!(cell.as_str(), "-" | "?"))
    };
    if !episode.candidates.is_empty() || lines.iter().any(tells) {
        render(context.options, &lines, episode.report.is_some(), page);
    }
    let seen = u32::try_from(episode.candidates.len()).unwrap_or(u32::MAX);
    rest.not_captured = episode.evaluated.unwrap_or(0).saturating_sub(seen);
    if let Some(text) = rest.text() {
        page.paragraph(&format!("    … {text}"), 6);
    }
}

fn candidate_line(context: &Context<'_>, candidate: &RankedCandidate, victim: Option<&Victim>) -> Line {
    let (points, share) = match candidate.score {
        Score::Points(points) => {
            let share = context.episode.totalpages.and_then(|total| badness::share(points, total));
            (points.to_string(), words::or_unknown(share))
        }
        Score::NotScored | Score::Unkillable => ("-".to_owned(), "-".to_owned()),
        Score::Unknown => ("?".to_owned(), "?".to_owned()),
    };
    let mark = mark(candidate, victim);
    let unknown = if has_no_memory(candidate) { "-" } else { "?" };
    let mut line = line(
        of(context),
        &candidate.task,
        candidate.memory,
        unknown,
        [share, points, mark],
        victim.is_some(),
    );
    // The parts do not add up to the kernel's points, which are exact: the counters could only be read approximately.
    let approximate = match candidate.explained {
        Some(explained) => explained.difference != 0,
        None => approximate(context),
    };
    if approximate && candidate.memory.is_some() {
        mark_approximate(&mut line);
    }
    line
}

/// What came of it, in a word or two.
pub(super) fn mark(candidate: &RankedCandidate, victim: Option<&Victim>) -> String {
    let mark = match (victim, candidate.verdict) {
        (Some(victim), _) => victim_word(victim.why).to_owned(),
        (None, Verdict::Chosen) => "chosen".to_owned(),
        (None, Verdict::Blocking) => "still dying".to_owned(),
        (None, Verdict::Unkillable(reason) | Verdict::PassedOver(reason)) => words::reason(reason, 1),
        (None, Verdict::Outscored) if candidate.flags.has(TaskFlags::EXITING) => "exiting".to_owned(),
        (None, Verdict::Outscored) => String::new(),
    };
    if candidate.flags.has(TaskFlags::ORIGIN) {
        return format!("{mark} swapoff or KSM").trim_start().to_owned();
    }
    mark
}

/// Without an mm there is nothing to know.
pub(super) fn has_no_memory(candidate: &RankedCandidate) -> bool {
    candidate.flags.has(TaskFlags::NO_MM) || candidate.flags.has(TaskFlags::KTHREAD)
}

fn victim_line(context: &Context<'_>, victim: &Victim) -> Line {
    let mark = victim_word(victim.why).to_owned();
    let mut line =
        line(of(context), &victim.task, victim.memory, "?", ["-".to_owned(), "-".to_owned(), mark], true);
    if victim.memory.is_some() && approximate(context) {
        mark_approximate(&mut line);
    }
    line
}

/// Whether counters that nothing can be held against are approximate: those of others in this scan are; or, when there are no
/// others, they are per-CPU counters, of which only the shared part can be read.
pub(super) fn approximate(context: &Context<'_>) -> bool {
    let mut explained =
        context.episode.candidates.iter().filter_map(|candidate| candidate.explained).peekable();
    match explained.peek() {
        None => context.info.rss_counters_percpu,
        Some(_) => explained.any(|explained| explained.difference != 0),
    }
}

fn mark_approximate(line: &mut Line) {
    for cell in &mut line.cells[APPROXIMATE] {
        cell.insert(0, '~');
    }
}

pub(crate) fn victim_word(why: VictimWhy) -> &'static str {
    match why {
        VictimWhy::Chosen => "victim",
        VictimWhy::Group => "victim, in its group",
        VictimWhy::SharedMm => "victim, same memory",
        VictimWhy::Exiting => "was dying",
        VictimWhy::Child => "victim, child",
    }
}

fn of(context: &Context<'_>) -> (Options, u32) {
    (context.options, context.info.page_size)
}

/// The row of a process. Of what is not known of its memory it shows `unknown`.
pub(super) fn line(
    (options, page_size): (Options, u32),
    task: &Person,
    memory: Option<Memory>,
    unknown: &str,
    [share, points, mark]: [String; 3],
    victim: bool,
) -> Line {
    let pages = |pages: fn(&Memory) -> Option<u64>| match &memory {
        None => unknown.to_owned(),
        Some(memory) => {
            words::size_or_unknown(pages(memory).map(|pages| pages.saturating_mul(page_size.into())))
        }
    };
    let pgtables = match memory {
        None => unknown.to_owned(),
        Some(memory) => words::size_or_unknown(memory.pgtables_bytes),
    };
    Line {
        kind: if victim { Row::Victim } else { Row::Other },
        cells: [
            words::path(&words::task(task), (options.width / 3).min(MAX_NAME)),
            share,
            points,
            words::or_unknown(task.oom_score_adj),
            // Only where the kinds are not known.
            memory.filter(|m| m.rss_pages.is_some()).map_or_else(String::new, |_| pages(|m| m.rss_pages)),
            pages(|m| m.rss_anon_pages),
            pages(|m| m.rss_file_pages),
            pages(|m| m.rss_shmem_pages),
            pages(|m| m.swap_entries),
            pgtables,
            words::or_unknown(task.uid),
            mark,
        ],
        cgroup: options
            .verbose
            .then(|| task.cgroup.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)),
    }
}

/// Lays the table out within the width: columns in which nothing stands go first, then the least telling.
/// `computed`: points are not the kernel's.
pub(super) fn render(options: Options, lines: &[Line], computed: bool, page: &mut Page) {
    if lines.is_empty() {
        return;
    }
    let title = |column: usize| if computed && column == POINTS { "computed" } else { COLUMNS[column].0 };
    let mut widths: Vec<usize> = (0..COLUMNS.len()).map(|column| title(column).width()).collect();
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(&line.cells) {
            *width = (*width).max(cell.width());
        }
    }
    // Of those whose memory is not known at all, a column says nothing either.
    let says_nothing = |line: &Line, column: usize| {
        let cell = line.cells[column].as_str();
        matches!(cell, "0" | "~0" | "-" | "") || (cell == "?" && line.cells[ANON] == "?")
    };
    let empty = |column: usize| lines.iter().all(|line| says_nothing(line, column));
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    shown.retain(|&column| COLUMNS[column].0 != "uid" || options.verbose);
    let summed = lines.iter().any(|line| !line.cells[RSS].is_empty());
    shown.retain(|&column| match column {
        RSS => summed,
        // A log tells the kinds, or their sum.
        ANON..RSS_KINDS => !summed || lines.iter().any(|line| line.cells[column] != "?"),
        _ => true,
    });
    let gap = if options.width < 100 { 1 } else { 2 };
    let fits = |shown: &[usize]| {
        4 + shown.iter().map(|&column| widths[column] + gap).sum::<usize>() <= options.width + gap
    };
    let mut order = shown.clone();
    order.retain(|&column| COLUMNS[column].1 != u8::MAX);
    order.sort_by_key(|&column| (!empty(column), COLUMNS[column].1));
    for column in order {
        if fits(&shown) {
            break;
        }
        shown.retain(|&other| other != column);
    }
    // Uid 0 is somebody.
    let left_out: Vec<&str> = (0..COLUMNS.len())
        .filter(|&column| options.verbose && !shown.contains(&column) && column != RSS)
        .filter(|&column| COLUMNS[column].0 == "uid" || !empty(column))
        .map(|column| COLUMNS[column].0)
        .collect();

    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(shown.iter().map(|&column| title(column)));
    for line in lines {
        table.add_row(shown.iter().map(|&column| line.cells[column].clone()));
    }
    for (position, &column) in shown.iter().enumerate() {
        if let Some(settings) = table.column_mut(position) {
            let left = u16::from(position > 0) * gap as u16;
            settings.set_padding((left, 0));
            let text = column == 0 || column == MARK;
            settings.set_cell_alignment(if text { CellAlignment::Left } else { CellAlignment::Right });
        }
    }
    let used = 4 + shown.iter().map(|&column| widths[column] + gap).sum::<usize>();
    let beside = options.width.checked_sub(used).filter(|&room| room >= MIN_CGROUP);
    let kinds = std::iter::once(None).chain(lines.iter().map(Some));
    for (text, line) in table.lines().zip(kinds) {
        let kind = line.map_or(Row::Header, |line| line.kind);
        let marker = if kind == Row::Victim { "  > " } else { "    " };
        let cgroup = line.and_then(|line| line.cgroup.as_ref());
        match (cgroup, beside) {
            (None, Some(_)) if options.verbose => {
                page.row(&format!("{marker}{text:<0$}cgroup", used - 4), kind);
            }
            (None, _) => page.row(&format!("{marker}{text}"), kind),
            (Some(cgroup), Some(room)) => {
                let cgroup = words::path(cgroup, room);
                let padding = " ".repeat((used - 4).saturating_sub(text.width()));
                page.row(&format!("{marker}{text}{padding}{cgroup}"), kind);
            }
            (Some(cgroup), None) => {
                page.row(&format!("{marker}{text}"), kind);
                let room = options.width.saturating_sub(8).max(16);
                page.row(&format!("        {}", words::path(cgroup, room)), Row::Header);
            }
        }
    }
    if !left_out.is_empty() {
        page.paragraph(
            &format!("    no room for {}: a wider screen or --json shows them", left_out.join(", ")),
            6,
        );
    }
}

/// Those that are not in the table.
#[derive(Default)]
pub(super) struct Rest {
    victims: u64,
    scored: u64,
    not_captured: u32,
    /// By reason, in the order of first appearance.
    passed_over: Vec<(Reason, u64)>,
}

impl Rest {
    pub(super) fn add(&mut self, verdict: Verdict, victim: bool) {
        match verdict {
            _ if victim => self.victims += 1,
            Verdict::Chosen | Verdict::Blocking | Verdict::Outscored => self.scored += 1,
            Verdict::Unkillable(reason) | Verdict::PassedOver(reason) => {
                match self.passed_over.iter_mut().find(|(other, _)| *other == reason) {
                    Some((_, number)) => *number += 1,
                    None => self.passed_over.push((reason, 1)),
                }
            }
        }
    }

    /// `12 more scored, 3 passed over (2 protected by -1000, 1 kernel thread)`
    pub(super) fn text(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.victims > 0 {
            parts.push(words::count(self.victims, "more victim"));
        }
        if self.scored > 0 {
            parts.push(format!("{} more scored", words::grouped(self.scored.into())));
        }
        let passed: u64 = self.passed_over.iter().map(|(_, number)| number).sum();
        if self.passed_over.len() == 1 {
            parts.push(reasons(&self.passed_over));
        } else if passed > 0 {
            parts.push(format!(
                "{} passed over ({})",
                words::grouped(passed.into()),
                reasons(&self.passed_over)
            ));
        }
        if self.not_captured > 0 {
            parts.push(format!("{} not captured", words::grouped(self.not_captured.into())));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// `2 protected by -1000, 1 kernel thread`
pub(super) fn reasons(counts: &[(Reason, u64)]) -> String {
    let part = |&(reason, number): &(Reason, u64)| {
        format!("{} {}", words::grouped(number.into()), words::reason(reason, number))
    };
    counts.iter().map(part).collect::<Vec<_>>().join(", ")
}
