//! Why this victim, worked out: from an episode to facts about its decision. No words, no I/O: sinks say it.
//!
//! - here: all of it for one episode;
//! - [`cause`]: what decided, what the points were made of, the margin, who could not be killed;
//! - [`contest`]: who is chosen under given terms, and at which adjustments that turns;
//! - [`limits`]: whose limit it was, and the room above it; what the machine had left;
//! - [`group`]: who dies with whom;
//! - [`settings`]: what `/proc/sys/vm` did to it;
//! - [`timeline`]: what happened when;
//! - [`gaps`]: what is not known, and what cannot be told for that reason;
//! - [`told`]: what a log says against what is computed from it;
//! - [`job`]: a job that was run, whose limit ended it, and what would have spared it;
//! - [`change`], [`what_if`]: the choice made again, with something different.

pub mod cause;
pub mod change;
pub mod contest;
pub mod diff;
pub mod gaps;
pub mod group;
pub mod job;
pub mod limits;
pub mod settings;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod told;
pub mod what_if;

use crate::model::SessionInfo;
use crate::model::episode::{Episode, RankedCandidate, Verdict};
use crate::model::evidence::AdjUpdated;

use cause::{Basis, Makeup, Margin, Protected};
use change::Change;
use contest::{Contest, Terms, Turn};
use gaps::Gap;
use group::Group;
use limits::{Limits, Machine};
use settings::InForce;
use timeline::Moment;
use what_if::{Mistake, WhatIf};

/// Candidates that are told one by one: those with the most points.
pub const TOP: usize = 12;

/// All that follows from one episode.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The episode.
    pub episode: &'a Episode,
    /// The session that it is of.
    pub session: &'a SessionInfo,
    /// What decided.
    pub basis: Basis,
    /// The one that the kernel chose.
    pub chosen: Option<&'a RankedCandidate>,
    /// What its points were made of.
    pub makeup: Option<Makeup>,
    /// How far it was ahead.
    pub margin: Option<Margin<'a>>,
    /// Candidates that could be killed.
    pub killable: u64,
    /// The choice made again by the same rule; `None` when no points were compared.
    pub check: Option<Check<'a>>,
    /// The best of the candidates.
    pub top: Vec<Row<'a>>,
    /// Candidates with points that are not among them.
    pub more: u64,
    /// `oom_score_adj` had no effect but for -1000: `totalpages` is below 1000.
    pub adj_without_effect: bool,
    /// Who could not be killed.
    pub protected: Vec<Protected<'a>>,
    /// Limits of a memcg episode.
    pub limits: Option<Limits<'a>>,
    /// What the machine had left.
    pub machine: Machine,
    /// Settings of `/proc/sys/vm`.
    pub settings: InForce,
    /// Changes of `oom_score_adj` of those in the table and of victims, oldest first.
    pub adj_changes: Vec<&'a AdjUpdated>,
    /// What happened when.
    pub timeline: Vec<Moment>,
    /// What is not known.
    pub gaps: Vec<Gap>,
    /// The choice made again with something different.
    pub what_if: Option<WhatIf<'a>>,
}

/// One candidate of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Who.
    pub candidate: &'a RankedCandidate,
    /// The exact memory part of its points, pages.
    pub memory_pages: Option<i64>,
    /// The `oom_score_adj` at which the outcome turns for it.
    pub turn: Turn,
    /// It died.
    pub victim: bool,
}

/// What the rule says of the choice as it was.
#[derive(Clone, Copy, Debug)]
pub enum Check<'a> {
    /// The same as the kernel chose.
    Same,
    /// Nobody may be killed, and nobody was chosen.
    SameNobody,
    /// Somebody else; not to be expected. With the one that the rule names.
    Differs {
        /// Whom the rule names; `None`: nobody.
        named: Option<&'a RankedCandidate>,
    },
    /// Cannot be told: candidates or points are missing.
    CannotTell,
}

/// Works out one episode; with `changes`, also what they would have changed.
///
/// # Errors
///
/// A change that cannot be supposed of this episode.
pub fn explain<'a>(
    episode: &'a Episode,
    session: &'a SessionInfo,
    changes: &[Change],
) -> Result<Explanation<'a>, Mistake<'a>> {
    let contest = Contest::new(episode, session);
    let basis = Basis::of(episode, session);
    let chosen = cause::chosen(episode);
    let top = top(episode, &contest);
    let in_table = |update: &&AdjUpdated| {
        let is = |pid: i32, tid: i32| update.tid == pid || update.tid == tid;
        top.iter().any(|row| is(row.candidate.task.pid, row.candidate.task.tid))
            || episode.victims.iter().any(|victim| is(victim.task.pid, victim.task.tid))
    };
    let adj_changes = episode.adj_changes.iter().filter(in_table).collect();
    let scored = episode.candidates.iter().filter(|candidate| shown(candidate)).count();
    let what_if =
        if changes.is_empty() { None } else { Some(what_if::suppose(episode, session, &contest, changes)?) };
    Ok(Explanation {
        episode,
        session,
        basis,
        chosen,
        makeup: chosen.and_then(|chosen| cause::makeup(chosen, &contest, episode.totalpages)),
        margin: cause::margin(episode, &contest),
        killable: contest.killable(),
        check: basis.compares_points().then(|| check(&contest, chosen)),
        more: (scored as u64).saturating_sub(top.len() as u64),
        top,
        adj_without_effect: contest.adj_without_effect(),
        protected: cause::protected(episode, session),
        limits: limits::limits(episode, session),
        machine: limits::machine(episode, session),
        settings: settings::in_force(episode, session),
        adj_changes,
        timeline: timeline::timeline(episode),
        gaps: gaps::gaps(episode, session, basis, &contest),
        what_if,
    })
}

/// Whether a candidate belongs into the table: it has points, or could have with another adjustment.
fn shown(candidate: &RankedCandidate) -> bool {
    match candidate.verdict {
        Verdict::Chosen | Verdict::Outscored | Verdict::Blocking => true,
        Verdict::Unkillable(_) => candidate.memory.is_some(),
        Verdict::PassedOver(_) => false,
    }
}

fn top<'a>(episode: &'a Episode, contest: &Contest<'a>) -> Vec<Row<'a>> {
    let rows = episode.candidates.iter().filter(|candidate| shown(candidate)).take(TOP);
    rows.map(|candidate| Row {
        candidate,
        memory_pages: contest.memory(candidate.task.pid),
        turn: turn(episode, contest, candidate),
        victim: episode.victims.iter().any(|victim| victim.task.pid == candidate.task.pid),
    })
    .collect()
}

/// The adjustment at which the outcome turns for one. Being chosen is not all: who is in the group of the one that is chosen
/// dies too.
fn turn(episode: &Episode, contest: &Contest<'_>, candidate: &RankedCandidate) -> Turn {
    let pid = candidate.task.pid;
    let turn = contest.turn(pid);
    let in_group_of = |chosen: i32| {
        let chosen = episode.candidates.iter().find(|candidate| candidate.task.pid == chosen);
        let group = chosen.map(|chosen| group::of(episode, &chosen.task, &Terms::default()));
        matches!(group, Some(Group::With { members, .. }) if members.iter().any(|member| member.pid == pid))
    };
    match (turn, cause::chosen(episode)) {
        (Turn::Spared { instead: Some(other), at }, _) if at > -1000 && in_group_of(other) => {
            Turn::Spared { at: -1000, instead: Some(other) }
        }
        (Turn::Spared { .. }, _) => turn,
        (_, Some(chosen)) if candidate.verdict == Verdict::Outscored && in_group_of(chosen.task.pid) => {
            Turn::InGroup
        }
        _ => turn,
    }
}

fn check<'a>(contest: &Contest<'a>, chosen: Option<&RankedCandidate>) -> Check<'a> {
    let decision = contest.decide(&Terms::default());
    let named = decision.pick.map(|pick| pick.candidate);
    match (named, chosen) {
        _ if !decision.unknown.is_empty() || decision.missing > 0 => Check::CannotTell,
        (None, None) => Check::SameNobody,
        (Some(named), Some(chosen)) if named.task.pid == chosen.task.pid => Check::Same,
        _ => Check::Differs { named },
    }
}
