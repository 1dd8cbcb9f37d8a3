//! What the kernel's log tells of a choice, against what follows from its table of tasks.
//!
//! A log has the victim and (if the kernel was told to print it) a table of tasks, printed after the choice was made. Points are
//! computed from that table; when they name another one than the kernel chose, the log is right and the question is why.

use crate::badness::{self, Era, Release};
use crate::model::SessionInfo;
use crate::model::episode::{Episode, RankedCandidate};
use crate::model::observation::Constraint;
use crate::model::report::Table;

use super::cause;

/// The one whom the computed points name, when the kernel chose somebody else.
#[derive(Clone, Copy, Debug)]
pub struct OtherWinner<'a> {
    /// Who.
    pub winner: &'a RankedCandidate,
    /// Its computed points.
    pub points: i64,
    /// Why the kernel chose another one, most likely.
    pub because: Because,
}

/// Why the kernel's choice is not that of the computed points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// `vm.oom_kill_allocating_task`: no points were compared.
    AllocatingTask,
    /// The log does not tell how much swap there is, which adjustments are scaled by.
    SwapUnknown,
    /// Tasks outside of the cpuset or memory policy are in the table, and are no candidates.
    Nodes,
    /// The bonus for CAP_SYS_ADMIN (up to Linux 4.16) was guessed from the uid.
    RootBonus,
    /// Lines of the table are missing.
    WithoutTable,
    /// The table is printed after the choice: memory had changed, or the other one could not be killed for a reason that no
    /// log shows (reaped already, between vfork and exec).
    Changed,
}

/// What a `score N` in a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreUnit {
    /// Points per thousand of what was allowed.
    Thousandths,
    /// Linux before 2.6.36: see [`badness::NOT_COMPARABLE`].
    Heuristic,
}

/// The unit of the score that this kernel logs; `None` when its release is not known.
#[must_use]
pub fn score_unit(info: &SessionInfo) -> Option<ScoreUnit> {
    let era = Release::parse(info.formula_release()?)?.era();
    Some(if era == Era::Heuristic { ScoreUnit::Heuristic } else { ScoreUnit::Thousandths })
}

/// Whom the computed points name in place of the chosen one; `None` when they agree with the log, or there is nothing to compare.
#[must_use]
pub fn other_winner<'a>(episode: &'a Episode, info: &SessionInfo) -> Option<OtherWinner<'a>> {
    let report = episode.report.as_ref()?;
    let chosen = cause::chosen(episode)?;
    let own = chosen.points()?;
    let release = Release::parse(info.formula_release()?)?;
    let mut scored: Vec<_> = episode.candidates.iter().filter_map(|c| Some((c, c.points()?))).collect();
    scored.sort_by_key(|(candidate, _)| candidate.scan_index.unwrap_or(u32::MAX));
    let leads = |candidate: &RankedCandidate| candidate.task.pid == candidate.task.tid;
    let scored = scored.into_iter().map(|(candidate, points)| (candidate, points, leads(candidate)));
    let (winner, points) = badness::select(release.ties(), scored)?;
    if winner.task.pid == chosen.task.pid {
        return None;
    }
    let without_scan =
        episode.message.as_ref().is_some_and(|message| message.matches("*oom_kill_allocating_task*"));
    let swap_unknown = report.totalpages.is_none() && winner.task.oom_score_adj != chosen.task.oom_score_adj;
    let root = |candidate: &RankedCandidate| candidate.task.uid == Some(0);
    let because = if without_scan {
        Because::AllocatingTask
    } else if swap_unknown {
        Because::SwapUnknown
    } else if matches!(episode.constraint, Some(Constraint::Cpuset | Constraint::MemoryPolicy))
        && release < Release::new(5, 3, 0)
    {
        Because::Nodes
    } else if release.era().has_root_bonus() && root(winner) != root(chosen) {
        Because::RootBonus
    } else if report.table == Some(Table::Part) && points < own.saturating_mul(2) {
        Because::WithoutTable
    } else {
        Because::Changed
    };
    Some(OtherWinner { winner, points, because })
}
