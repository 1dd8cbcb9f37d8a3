//! What is not known of an episode, and what cannot be told for that reason.

use crate::badness;
use crate::model::SessionInfo;
use crate::model::episode::{Episode, Scope};
use crate::model::observation::Score;

use super::cause::Basis;
use super::contest::Contest;

/// One thing that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The entry was not seen: neither trigger nor delays.
    Entry,
    /// The return was not seen.
    Return,
    /// Candidates that the scan looked at are not in the recording.
    Candidates(u64),
    /// The probe on the scorer never fired.
    ScorerSilent,
    /// So many candidates have unknown points.
    Points(u64),
    /// This kernel's formula is not known: points cannot be taken apart.
    Formula,
    /// Parts of the memory are approximate, the points are not.
    ApproximateParts,
    /// Limits or usage of the limiting cgroup are not known.
    Limits,
    /// Without a scan nobody was compared.
    NoComparison,
    /// The state of the machine's memory was not captured.
    MachineMemory,
    /// Exits of so many victims were not seen.
    Exits(u64),
    /// Changes of `oom_score_adj` were not watched.
    AdjChanges,
    /// Records of this episode were lost.
    Records,
    /// Fields could not be read.
    Reads,
}

/// The gaps of an episode.
pub(super) fn gaps(
    episode: &Episode,
    session: &SessionInfo,
    basis: Basis,
    contest: &Contest<'_>,
) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut add = |missing: bool, gap: Gap| {
        if missing {
            gaps.push(gap);
        }
    };
    let lost = episode.lost;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let unknown = episode.candidates.iter().filter(|c| c.score == Score::Unknown).count();
    let unseen = episode.victims.iter().filter(|victim| victim.exited_ns.is_none()).count();
    let known_formula = session.formula_release().is_some_and(badness::applies_to);
    let hooked = |target: &str| {
        session.hooks.iter().any(|hook| hook.missing.is_none() && hook.target.contains(target))
    };
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    let has_memory = episode.candidates.iter().any(|candidate| candidate.memory.is_some());
    add(episode.trigger.is_none(), Gap::Entry);
    add(episode.closed_ns.is_none() && episode.report.is_none(), Gap::Return);
    add(contest.missing() > 0, Gap::Candidates(contest.missing()));
    add(episode.scorer_silent, Gap::ScorerSilent);
    add(unknown > 0 && !episode.scorer_silent, Gap::Points(count(unknown)));
    add(contest.by_points() && !known_formula, Gap::Formula);
    add(has_memory && contest.parts_approximate(), Gap::ApproximateParts);
    add(
        episode.scope == Some(Scope::Memcg) && limiting.is_none_or(|level| level.usage_pages.is_none()),
        Gap::Limits,
    );
    add(basis == Basis::AllocatingTask, Gap::NoComparison);
    add(
        episode.scope == Some(Scope::Global) && basis.compares_points() && episode.zones.is_empty(),
        Gap::MachineMemory,
    );
    add(unseen > 0, Gap::Exits(count(unseen)));
    let adjustments_seen = hooked("oom_score_adj_update") || !episode.adj_changes.is_empty();
    add(basis.compares_points() && !adjustments_seen, Gap::AdjChanges);
    add(lost.records > 0 || lost.rejected > 0, Gap::Records);
    add(lost.reads > 0, Gap::Reads);
    gaps
}
