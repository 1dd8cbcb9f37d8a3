//! How a pass through `out_of_memory()` ended, from what was seen until its return.
//!
//! The return value alone tells little: true also means "somebody is dying already". The cases follow the steps of the
//! function, see `docs/glossary.md`.

use crate::model::episode::{Outcome, Scope};
use crate::model::observation::{Chosen, Constraint};
use crate::model::report::Report;

use super::Machine;
use super::open::Open;

/// The outcome of a pass whose return has been seen. Adds the trigger as victim when it can only have been the trigger
/// that was dying, though no mark was seen (the tracepoint fires for the first mark only).
pub(super) fn of(open: &mut Open, machine: Machine) -> Outcome {
    let reported = open.report.is_some();
    if open.closed.is_none() && !reported {
        return Outcome::Incomplete;
    }
    let group_message = open.kill_message.as_ref().is_some_and(|m| contains(m, b"memory.oom.group"));
    let kills = open.victims.kills();
    if kills > 1 || (kills == 1 && group_message) {
        return Outcome::GroupKilled;
    }
    if kills == 1 {
        let gone = open.victims.entries().iter().all(super::victims::Entry::was_gone);
        return if gone { Outcome::AlreadyExiting } else { Outcome::Killed };
    }
    if open.victims.entries().iter().any(|victim| victim.signalled) {
        // The kill's record is missing, its signal is here.
        return Outcome::Killed;
    }
    // Marked, and what the log said of it was not read.
    if open.report.as_ref().is_some_and(|report| report.cut) {
        return Outcome::Incomplete;
    }
    if !open.victims.is_empty() {
        return Outcome::AlreadyExiting;
    }
    let Some(closed) = &open.closed else { return told(open.report.as_ref()) };
    match closed.chosen {
        Some(Chosen::Aborted) => Outcome::Skipped,
        // Chosen, and nothing seen of what came of it.
        Some(Chosen::Task) | None => Outcome::Incomplete,
        Some(Chosen::Nobody) if closed.evaluated > 0 => Outcome::NoneKillable,
        Some(Chosen::Nobody) => without_a_scan(open, machine),
    }
}

/// What a log's report says of a pass that killed nobody.
fn told(report: Option<&Report>) -> Outcome {
    match report {
        Some(report) if report.none_killable => Outcome::NoneKillable,
        Some(report) if report.already_exiting => Outcome::AlreadyExiting,
        _ => Outcome::Incomplete,
    }
}

/// Nobody was chosen and nobody was looked at.
fn without_a_scan(open: &mut Open, machine: Machine) -> Outcome {
    let Some(closed) = &open.closed else { return Outcome::Incomplete };
    let scope = scope(open);
    match closed.returned {
        None => Outcome::Incomplete,
        // The memcg has no member. (A global scan always finds at least init.)
        Some(false) if closed.totalpages.is_some() => Outcome::NoneKillable,
        // Suspend or hibernation has switched the OOM killer off.
        Some(false) => Outcome::Skipped,
        Some(true) if closed.totalpages.is_some() => Outcome::Incomplete,
        Some(true) if scope == Some(Scope::Memcg) => {
            // A memcg OOM asks no notifier and needs no `__GFP_FS`: what is left is a dying trigger.
            if let Some(opened) = &open.opened {
                open.victims.add_exiting(opened.trigger.pid);
            }
            Outcome::AlreadyExiting
        }
        Some(true) => {
            let gfp_mask = open.opened.as_ref().and_then(|opened| opened.gfp_mask);
            match (gfp_mask, machine.gfp_fs) {
                (Some(mask), Some(fs)) if mask & fs == 0 => Outcome::Skipped,
                _ => Outcome::Freed,
            }
        }
    }
}

/// Whole machine or one memcg; `None` when neither the entry nor a constraint was seen.
pub(super) fn scope(open: &Open) -> Option<Scope> {
    if let Some(report) = &open.report {
        return report.memcg.map(|memcg| if memcg { Scope::Memcg } else { Scope::Global });
    }
    if let Some(opened) = &open.opened {
        return Some(if opened.memcg.is_some() { Scope::Memcg } else { Scope::Global });
    }
    constraint(open).map(|constraint| match constraint {
        Constraint::Memcg => Scope::Memcg,
        Constraint::None | Constraint::Cpuset | Constraint::MemoryPolicy => Scope::Global,
    })
}

/// `oom_control.constraint`, from whoever saw it.
pub(super) fn constraint(open: &Open) -> Option<Constraint> {
    let closed = open.closed.as_ref().and_then(|closed| closed.constraint);
    let closed = closed.or_else(|| open.report.as_ref().and_then(|report| report.constraint));
    closed.or_else(|| open.choice.as_ref().and_then(|choice| choice.constraint))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
