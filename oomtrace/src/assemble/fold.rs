//! Storms: passes that are counted on another episode instead of being episodes themselves.
//!
//! A starved cgroup makes dozens of passes around one kill: scans aborted because the victim is still dying, passes by
//! the victim itself while it exits, and the same fruitless search over and over. Told one by one they would bury the
//! one that matters. What they lost is added to the episode that they are folded into.

use crate::model::episode::{Folded, Outcome};
use crate::model::observation::{Candidate, Chosen, Closed, TaskFlags};

use super::open::Open;

/// Folds the pass at `position`, which has just returned, into an unfinished episode when it belongs to one.
pub(super) fn fold(open: &mut Vec<Open>, position: usize) {
    let pass = &open[position];
    let others = || (0..open.len()).rev().filter(|&other| other != position);
    let (target, count): (_, fn(&mut Folded) -> &mut u32) = match pass.outcome {
        Some(Outcome::Skipped) => {
            let Some(blocker) = blocker(&pass.candidates, pass.closed.as_ref()) else { return };
            (others().find(|&other| open[other].victims.has(blocker)), |folded| &mut folded.aborted_scans)
        }
        Some(Outcome::AlreadyExiting) => {
            let Some(dying) = pass.victims.entries().first().map(|victim| victim.pid) else { return };
            (others().find(|&other| open[other].victims.has(dying)), |folded| &mut folded.already_exiting)
        }
        Some(Outcome::NoneKillable) => {
            let Some(key) = search(pass) else { return };
            let same = |other: &usize| {
                open[*other].outcome == Some(Outcome::NoneKillable) && search(&open[*other]) == Some(key)
            };
            (others().find(same), |folded| &mut folded.repeats)
        }
        _ => return,
    };
    let Some(target) = target else { return };
    let reported_ns = pass.report.as_ref().map_or(0, |report| report.at.boot_ns);
    let closed_ns = pass.closed.as_ref().map_or(reported_ns, |closed| closed.at.boot_ns);
    let opened_ns = pass.opened.as_ref().map_or(closed_ns, |opened| opened.at.boot_ns);
    let lost = pass.lost();

    let into = &mut open[target];
    let counter = count(&mut into.folded);
    *counter = counter.saturating_add(1);
    into.folded.span_ns = Some(match into.folded.span_ns {
        None => (opened_ns, closed_ns),
        Some((first, last)) => (first.min(opened_ns), last.max(closed_ns)),
    });
    into.more_lost.add(lost);
    open.remove(position);
}

/// The victim that an aborted scan waits for; `None` when the scan was not aborted.
pub(super) fn blocker(candidates: &[(u32, Candidate)], closed: Option<&Closed>) -> Option<i32> {
    let closed = closed.filter(|closed| closed.chosen == Some(Chosen::Aborted))?;
    closed.blocker.or_else(|| {
        let aborted = candidates.iter().find(|(_, candidate)| candidate.flags.has(TaskFlags::ABORTED_SCAN));
        aborted.map(|(_, candidate)| candidate.task.pid)
    })
}

/// What makes two fruitless searches the same one: whose limit, and who asked.
fn search(pass: &Open) -> Option<(Option<u64>, i32)> {
    pass.opened.as_ref().map(|opened| (opened.memcg, opened.trigger.pid))
}
