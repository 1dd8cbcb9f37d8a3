//! What decided: the kernel's way to its choice, the chosen one's points, the margin.

use crate::badness;
use crate::model::episode::{Episode, Outcome, Person, RankedCandidate, Reason, Verdict};
use crate::model::observation::{Memory, TaskFlags};
use crate::model::{SessionInfo, gfp};

use super::contest::Contest;

/// What decided who dies, or that nobody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A scan that compared points.
    Points,
    /// `oom_flag_origin`: in swapoff, or stopping KSM; chosen before all others.
    Origin,
    /// `vm.oom_kill_allocating_task`: the trigger, without a scan.
    AllocatingTask,
    /// The trigger was dying already, no scan took place.
    DyingTrigger,
    /// A notifier made room, no scan took place.
    Notifier,
    /// The scan met an earlier victim, still dying, and was aborted.
    StillDying,
    /// The request does not allow file system reclaim.
    NoFsReclaim,
    /// The OOM killer was switched off (suspend, hibernation), or the scan was aborted: cannot be told apart.
    SwitchedOff,
    /// What decided was not seen.
    NotSeen,
}

/// The kernel's message when it kills the trigger without a scan.
const ALLOCATING_TASK: &str = "*oom_kill_allocating_task*";

impl Basis {
    /// What decided in this episode.
    #[must_use]
    pub fn of(episode: &Episode, session: &SessionInfo) -> Self {
        if episode.message.as_ref().is_some_and(|message| message.matches(ALLOCATING_TASK)) {
            return Self::AllocatingTask;
        }
        let chosen = chosen(episode);
        if chosen.is_some_and(|chosen| chosen.flags.has(TaskFlags::ORIGIN)) {
            return Self::Origin;
        }
        let scanned = episode.evaluated.unwrap_or(0) > 0;
        match episode.outcome {
            Outcome::Killed | Outcome::GroupKilled if chosen.is_none() => Self::NotSeen,
            Outcome::Killed | Outcome::GroupKilled | Outcome::NoneKillable => Self::Points,
            Outcome::AlreadyExiting if scanned => Self::Points,
            Outcome::AlreadyExiting => Self::DyingTrigger,
            Outcome::Freed => Self::Notifier,
            Outcome::Skipped if scanned || episode.blocker.is_some() => Self::StillDying,
            Outcome::Skipped => match (episode.gfp_mask, gfp::bits_of("__GFP_FS", &session.gfp_flags)) {
                (Some(mask), Some(fs)) if mask & fs == 0 => Self::NoFsReclaim,
                _ => Self::SwitchedOff,
            },
            Outcome::Incomplete if chosen.is_some() => Self::Points,
            Outcome::Incomplete => Self::NotSeen,
        }
    }

    /// Whether points decide, or would have.
    #[must_use]
    pub fn compares_points(self) -> bool {
        matches!(self, Self::Points | Self::Origin)
    }
}

/// The one that the kernel chose.
#[must_use]
pub fn chosen(episode: &Episode) -> Option<&RankedCandidate> {
    episode.candidates.iter().find(|candidate| candidate.verdict == Verdict::Chosen)
}

/// What the chosen one's points were made of.
#[derive(Clone, Copy, Debug)]
pub struct Makeup {
    /// The kernel's points, pages.
    pub points: i64,
    /// The part of them that is memory, pages: exact. `None`: this kernel's formula is not known, or an input is missing.
    pub memory_pages: Option<i64>,
    /// The part of them that is `oom_score_adj`, pages.
    pub adj_pages: Option<i64>,
    /// What one step of `oom_score_adj` is worth, pages.
    pub step_pages: Option<u64>,
    /// The captured parts of the memory.
    pub memory: Option<Memory>,
    /// Kernel's points minus those from the captured parts.
    pub difference: Option<i64>,
}

/// Takes a candidate's points apart; `None` when it has none.
#[must_use]
pub fn makeup(candidate: &RankedCandidate, contest: &Contest<'_>, totalpages: Option<u64>) -> Option<Makeup> {
    let points = candidate.points()?;
    let memory_pages = contest.memory(candidate.task.pid);
    Some(Makeup {
        points,
        memory_pages,
        adj_pages: memory_pages.map(|memory| points.saturating_sub(memory)),
        step_pages: totalpages.filter(|_| memory_pages.is_some()).map(|total| total / 1000),
        memory: candidate.memory,
        difference: candidate.explained.map(|explained| explained.difference),
    })
}

/// How far the chosen one was ahead.
#[derive(Clone, Copy, Debug)]
pub struct Margin<'a> {
    /// The one who would have been chosen without it.
    pub runner_up: &'a Person,
    /// Its points.
    pub runner_up_points: i64,
    /// Points more, pages. 0: a tie; less: the kernel did not choose as the rule says.
    pub points: i64,
    /// What of it is memory, pages; `None` when it cannot be told.
    pub memory_pages: Option<i64>,
    /// What of it is `oom_score_adj`, pages.
    pub adj_pages: Option<i64>,
    /// The runner-up died of the same kill (its group, a shared mm).
    pub died_too: bool,
}

/// The margin between the chosen one and the best of the others; `None` when one of them has no points.
#[must_use]
pub fn margin<'a>(episode: &'a Episode, contest: &Contest<'a>) -> Option<Margin<'a>> {
    let chosen = chosen(episode)?;
    let own = chosen.points()?;
    let others = episode.candidates.iter().filter(|candidate| candidate.verdict == Verdict::Outscored);
    let mut others: Vec<_> = others.filter_map(|c| Some((c, c.points()?))).collect();
    others.sort_by_key(|(candidate, _)| candidate.scan_index.unwrap_or(u32::MAX));
    let (runner_up, points) = badness::choose(others)?;
    let memory = |candidate: &RankedCandidate| contest.memory(candidate.task.pid);
    let memory_pages = memory(chosen).zip(memory(runner_up)).map(|(own, other)| own.saturating_sub(other));
    let margin = own.saturating_sub(points);
    Some(Margin {
        runner_up: &runner_up.task,
        runner_up_points: points,
        points: margin,
        memory_pages,
        adj_pages: memory_pages.map(|memory| margin.saturating_sub(memory)),
        died_too: episode.victims.iter().any(|victim| victim.task.pid == runner_up.task.pid),
    })
}

/// Those who could not be killed for one reason.
#[derive(Clone, Debug)]
pub struct Protected<'a> {
    /// The reason.
    pub reason: Reason,
    /// The scorer said so; else the scan passed them over before.
    pub scored: bool,
    /// How many.
    pub count: u64,
    /// Those with the most memory, biggest first, with that memory (RSS, swap and page tables), pages.
    pub biggest: Vec<(&'a Person, u64)>,
}

/// Names that are told of each reason.
const NAMED: usize = 3;

/// Who could not be killed, by reason, in the order of the ranking.
#[must_use]
pub fn protected<'a>(episode: &'a Episode, session: &SessionInfo) -> Vec<Protected<'a>> {
    let mut all: Vec<Protected<'a>> = Vec::new();
    for candidate in &episode.candidates {
        let (reason, scored) = match candidate.verdict {
            Verdict::Unkillable(reason) => (reason, true),
            Verdict::PassedOver(reason) => (reason, false),
            Verdict::Chosen | Verdict::Outscored | Verdict::Blocking => continue,
        };
        let known = all.iter().position(|group| (group.reason, group.scored) == (reason, scored));
        let place = known.unwrap_or_else(|| {
            all.push(Protected { reason, scored, count: 0, biggest: Vec::new() });
            all.len() - 1
        });
        let Some(group) = all.get_mut(place) else { continue };
        group.count += 1;
        let memory = candidate.memory.and_then(|memory| badness::memory_pages(&memory, session.page_size));
        if let Some(pages) = memory.and_then(|pages| u64::try_from(pages).ok()).filter(|&pages| pages > 0) {
            let place = group.biggest.partition_point(|(_, other)| *other >= pages);
            group.biggest.insert(place, (&candidate.task, pages));
            group.biggest.truncate(NAMED);
        }
    }
    all
}
