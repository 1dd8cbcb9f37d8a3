//! What a report in the kernel's log says beyond the episode.

use serde::Serialize;

use crate::explain::told::{self, Because};
use crate::model::SessionInfo;
use crate::model::episode::Episode;
use crate::model::report::{Report, Table};

use super::NameJson;

#[derive(Serialize)]
pub(super) struct ReportJson<'a> {
    points: &'static str,
    table: Option<&'static str>,
    cut: bool,
    kill_only: bool,
    unread_lines: u32,
    swap_assumed_none: bool,
    score: Option<i64>,
    score_unit: Option<&'static str>,
    computed_winner: Option<WinnerJson<'a>>,
}

#[derive(Serialize)]
struct WinnerJson<'a> {
    pid: i32,
    comm: NameJson<'a>,
    points: i64,
    because: &'static str,
}

impl<'a> ReportJson<'a> {
    pub(super) fn new(report: &Report, episode: &'a Episode, info: &SessionInfo) -> Self {
        Self {
            points: "computed",
            table: report.table.map(|table| match table {
                Table::Whole => "whole",
                Table::Part => "part",
            }),
            cut: report.cut,
            kill_only: report.kill_only,
            unread_lines: report.unread,
            swap_assumed_none: report.totalpages.is_none() && report.totalpages_without_swap.is_some(),
            score: report.score,
            score_unit: report.score.and_then(|_| told::score_unit(info)).map(|unit| match unit {
                told::ScoreUnit::Thousandths => "thousandths",
                told::ScoreUnit::Heuristic => "heuristic",
            }),
            computed_winner: told::other_winner(episode, info).map(|other| WinnerJson {
                pid: other.winner.task.pid,
                comm: NameJson::from(&other.winner.task.comm),
                points: other.points,
                because: because(other.because),
            }),
        }
    }
}

fn because(because: Because) -> &'static str {
    match because {
        Because::AllocatingTask => "allocating_task",
        Because::Nodes => "nodes",
        Because::WithoutTable => "table_cut",
        Because::SwapUnknown => "swap_unknown",
        Because::RootBonus => "root_bonus",
        Because::Changed => "changed",
    }
}
