//! What is to be said of an episode that was read from a kernel's log.

use crate::badness::NOT_COMPARABLE;
use crate::explain::told::{self, Because, ScoreUnit};
use crate::model::episode::{Episode, Victim, VictimWhy};
use crate::model::report::{Report, Table};

use super::page::Page;
use super::{Context, words};

/// Beside the reason for the choice: that points are computed, what the log says of the score, who else the points name.
pub(super) fn choice(context: &Context<'_>, computed: String) -> String {
    let Context { episode, info, .. } = context;
    let Some(report) = &episode.report else { return computed };
    let mut parts = Vec::new();
    match (report.score, told::score_unit(info)) {
        (Some(score), Some(ScoreUnit::Heuristic)) => parts.push(format!(
            "chosen with a score of {} by the heuristic of its kernel, no measure of memory and not out of 1000 \
             ({NOT_COMPARABLE})",
            words::grouped(score.into())
        )),
        (Some(score), unit) => {
            let of = if unit.is_some() { " of 1000" } else { "" };
            parts.push(format!("chosen with a score of {}{of}", words::grouped(score.into())));
        }
        (None, _) => {}
    }
    if report.kill_only {
        parts.push("the log has the kill and no report".to_owned());
    } else if let Some(other) = told::other_winner(episode, info) {
        let chosen = super::chosen(episode).map(|chosen| words::task(&chosen.task));
        let name = words::task(&other.winner.task);
        let chosen = chosen.unwrap_or_else(|| "the chosen one".to_owned());
        parts.push(format!(
            "{chosen} was chosen although the computed points name {name}: {}",
            because(other.because)
        ));
    } else if parts.is_empty() || super::chosen(episode).is_some_and(|chosen| chosen.points().is_some()) {
        parts.push(computed);
    }
    let children: Vec<&Victim> =
        episode.victims.iter().filter(|victim| victim.why == VictimWhy::Child).collect();
    if let Some(child) = children.first() {
        parts.push(format!("its child {} was killed in its place", words::task(&child.task)));
    }
    parts.join("; ")
}

fn because(because: Because) -> &'static str {
    match because {
        Because::AllocatingTask => "oom_kill_allocating_task is set, no points were compared",
        Because::SwapUnknown => "the log does not tell the size of swap, which adjustments are scaled by",
        Because::Nodes => "the table has tasks from outside of the cpuset or memory policy",
        Because::RootBonus => "root's bonus in points was guessed from the uid",
        Because::WithoutTable => "lines of the table of tasks are missing",
        Because::Changed => {
            "the table is printed after the choice, and memory had changed, or the other one could not be killed for a \
             reason that no log shows"
        }
    }
}

/// `log       points are computed; …`: what a reader of the numbers has to know.
pub(super) fn notes(context: &Context<'_>, page: &mut Page) {
    let Some(report) = &context.episode.report else { return };
    let notes = notes_of(report, context.episode);
    if !notes.is_empty() {
        page.labelled("log", &notes.join("; "));
    }
}

fn notes_of(report: &Report, episode: &Episode) -> Vec<String> {
    let mut notes = Vec::new();
    let points = episode.candidates.iter().any(|candidate| candidate.points().is_some());
    if points {
        notes.push("points are computed from the table of tasks".to_owned());
    }
    if report.totalpages.is_none() && report.totalpages_without_swap.is_some() && points {
        notes.push("as if there were no swap, of which the log says nothing".to_owned());
    }
    match report.table {
        Some(Table::Part) => notes.push("the table of tasks is not whole".to_owned()),
        None if !report.kill_only && !report.cut => notes.push("there is no table of tasks in it".to_owned()),
        _ => {}
    }
    if report.cut {
        notes.push("a part of the report is not in the log".to_owned());
    }
    notes
}
