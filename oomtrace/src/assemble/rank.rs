//! What came of each candidate, and the order in which they are shown.

use std::cmp::Reverse;

use crate::model::episode::{Reason, Scope, Verdict};
use crate::model::observation::{Candidate, Choice, Chosen, Closed, Score, TaskFlags};

/// What is known of the scan as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    /// Process id of the chosen one.
    pub(super) chosen: Option<i32>,
    pub(super) scope: Option<Scope>,
    pub(super) scorer_silent: bool,
    /// Points are not the kernel's, but computed.
    pub(super) computed: bool,
}

/// The process that was chosen; `None` when nobody was, or it is not known.
pub(super) fn chosen(
    choice: Option<&Choice>,
    closed: Option<&Closed>,
    candidates: &[(u32, Candidate)],
) -> Option<i32> {
    if let Some(choice) = choice {
        return Some(choice.chosen.task.pid);
    }
    if closed.and_then(|closed| closed.chosen) != Some(Chosen::Task) {
        return None;
    }
    // Chosen without a score, before all that have one; the last such one stayed chosen.
    let unscored =
        candidates.iter().filter(|(_, c)| c.flags.has(TaskFlags::CHOSEN)).max_by_key(|(index, _)| *index);
    unscored.or_else(|| highest(closed?, candidates)).map(|(_, candidate)| candidate.task.pid)
}

/// The one with the most points; of equals the one that the scan came to last, as in the kernel. `None` when it may have
/// been another one: some were lost, or some points are not known.
fn highest<'a>(closed: &Closed, candidates: &'a [(u32, Candidate)]) -> Option<&'a (u32, Candidate)> {
    let complete = usize::try_from(closed.evaluated) == Ok(candidates.len());
    if !complete || candidates.iter().any(|(_, candidate)| candidate.score == Score::Unknown) {
        return None;
    }
    let scored = candidates.iter().filter_map(|candidate| match candidate.1.score {
        Score::Points(points) => Some((points, candidate)),
        Score::NotScored | Score::Unkillable | Score::Unknown => None,
    });
    scored.max_by_key(|(points, candidate)| (*points, candidate.0)).map(|(_, candidate)| candidate)
}

/// Whether the scan took place and the probe on the scorer never reported. A candidate that is chosen without being
/// scored (`oom_flag_origin`) explains the silence when it was the only one.
pub(super) fn scorer_silent(
    choice: Option<&Choice>,
    closed: Option<&Closed>,
    candidates: &[(u32, Candidate)],
) -> bool {
    let (Some(choice), Some(closed)) = (choice, closed) else { return false };
    let scored = |c: &Candidate| matches!(c.score, Score::Points(_) | Score::Unkillable);
    closed.evaluated > 0
        && closed.scored == 0
        && !choice.chosen.flags.has(TaskFlags::ORIGIN)
        && choice.chosen_points != Some(i64::MAX)
        && !candidates.iter().any(|(_, candidate)| scored(candidate))
}

/// What came of one candidate, and its score as far as it can be told.
pub(super) fn verdict(candidate: &Candidate, scan: Scan) -> (Verdict, Score) {
    let flags = candidate.flags;
    let chosen = scan.chosen == Some(candidate.task.pid);
    if chosen {
        let unknown = scan.scorer_silent && candidate.score == Score::NotScored;
        return (Verdict::Chosen, if unknown { Score::Unknown } else { candidate.score });
    }
    if flags.has(TaskFlags::ABORTED_SCAN) {
        return (Verdict::Blocking, candidate.score);
    }
    match candidate.score {
        Score::Points(_) => (Verdict::Outscored, candidate.score),
        Score::Unkillable => (Verdict::Unkillable(unkillable(candidate)), candidate.score),
        Score::NotScored if flags.has(TaskFlags::ORIGIN) => (Verdict::Outscored, candidate.score),
        Score::NotScored if !scan.scorer_silent => {
            (Verdict::PassedOver(passed_over(candidate, scan.scope)), candidate.score)
        }
        Score::NotScored | Score::Unknown => {
            // Without the scorer's word the flags may still tell.
            if let Some(reason) = skipped_before_scoring(candidate) {
                (Verdict::PassedOver(reason), Score::NotScored)
            } else {
                match unkillable(candidate) {
                    Reason::Unknown => (Verdict::Outscored, Score::Unknown),
                    reason => (Verdict::Unkillable(reason), Score::Unkillable),
                }
            }
        }
    }
}

/// The checks of `oom_badness()`, in its order.
fn unkillable(candidate: &Candidate) -> Reason {
    let flags = candidate.flags;
    if candidate.task.pid == 1 {
        Reason::Init
    } else if flags.has(TaskFlags::KTHREAD) {
        Reason::Kthread
    } else if flags.has(TaskFlags::NO_MM) {
        Reason::NoMm
    } else if candidate.task.oom_score_adj == Some(-1000) {
        Reason::AdjMin
    } else if flags.has(TaskFlags::OOM_SKIP) {
        Reason::Reaped
    } else if flags.has(TaskFlags::VFORK) {
        Reason::Vfork
    } else {
        Reason::Unknown
    }
}

/// The checks of `oom_evaluate_task()`, in its order; what is left in a global episode is the cpuset or memory policy,
/// which is not captured.
fn passed_over(candidate: &Candidate, scope: Option<Scope>) -> Reason {
    match (skipped_before_scoring(candidate), scope) {
        (Some(reason), _) => reason,
        (None, Some(Scope::Global)) => Reason::NotEligible,
        (None, _) => Reason::Unknown,
    }
}

fn skipped_before_scoring(candidate: &Candidate) -> Option<Reason> {
    let flags = candidate.flags;
    if candidate.task.pid == 1 {
        Some(Reason::Init)
    } else if flags.has(TaskFlags::KTHREAD) {
        Some(Reason::Kthread)
    } else if flags.has(TaskFlags::VICTIM | TaskFlags::OOM_SKIP) {
        Some(Reason::Reaped)
    } else {
        None
    }
}

/// Sorting key: chosen or blocking, by points, points unknown, unkillable, passed over; each in scan order.
pub(super) fn key(verdict: Verdict, score: Score, scan_index: Option<u32>) -> impl Ord {
    let (class, points) = match (verdict, score) {
        (Verdict::Chosen | Verdict::Blocking, _) => (0, i64::MAX),
        (Verdict::Outscored, Score::Points(points)) => (1, points),
        // Chosen before all that have points, had it not been for the chosen one.
        (Verdict::Outscored, Score::NotScored) => (1, i64::MAX),
        (Verdict::Outscored, _) => (2, 0),
        (Verdict::Unkillable(_), _) => (3, 0),
        (Verdict::PassedOver(_), _) => (4, 0),
    };
    (class, Reverse(points), scan_index)
}
