//! Who dies with whom: `memory.oom.group`.
//!
//! The kernel takes the topmost cgroup with `memory.oom.group` from the victim's up to the one whose limit was met. Of those only
//! the limiting one's setting is captured, and the cgroup that was killed; the rest follows from them or is not known.

use crate::model::Name;
use crate::model::episode::{Episode, Outcome, Person, RankedCandidate, Reason, Verdict, VictimWhy};

use super::contest::Terms;

/// Who dies with a victim.
#[derive(Clone, Debug)]
pub enum Group<'a> {
    /// Nobody.
    Nobody,
    /// The cgroup's others.
    With {
        /// Its path.
        path: Option<&'a Name>,
        /// Those of it that the scan saw and that may be killed, without the victim.
        members: Vec<&'a Person>,
    },
    /// Not known.
    Unknown,
}

/// Who would die with `victim`.
#[must_use]
pub fn of<'a>(episode: &'a Episode, victim: &Person, terms: &Terms) -> Group<'a> {
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    // The topmost that can be: it outweighs all below.
    if let Some(level) = limiting.filter(|level| level.oom_group == Some(true)) {
        return Group::With { path: level.path.as_ref(), members: members(episode, None, victim, terms) };
    }
    let home = victim.cgroup.as_ref();
    if let Some(group) = &episode.oom_group {
        return match home {
            Some(home) if is_within(home, group) => {
                Group::With { path: Some(group), members: members(episode, Some(group), victim, terms) }
            }
            _ => Group::Unknown,
        };
    }
    if episode.outcome == Outcome::GroupKilled {
        // Its path was not captured: whoever died is in it.
        let died = |pid: i32| episode.victims.iter().any(|victim| victim.task.pid == pid);
        let others = episode.victims.iter().filter(|other| other.why != VictimWhy::SharedMm);
        return if died(victim.pid) {
            let others = others.map(|other| &other.task).filter(|other| survives(other, victim, terms));
            Group::With { path: None, members: others.collect() }
        } else {
            Group::Unknown
        };
    }
    // The chosen one died alone: no cgroup from its own up to the limit has it set.
    let alone = super::cause::chosen(episode).filter(|_| episode.outcome == Outcome::Killed);
    let alone = alone.and_then(|chosen| chosen.task.cgroup.as_ref());
    let limit = limiting.and_then(|level| level.path.as_ref());
    match (alone, home) {
        (Some(alone), Some(home)) if is_within(alone, home) => Group::Nobody,
        (_, Some(home))
            if limiting.is_some_and(|level| level.oom_group == Some(false)) && limit == Some(home) =>
        {
            Group::Nobody
        }
        _ => Group::Unknown,
    }
}

/// The candidates that are in the cgroup (`None`: all), and may be killed with the victim.
fn members<'a>(
    episode: &'a Episode,
    group: Option<&Name>,
    victim: &Person,
    terms: &Terms,
) -> Vec<&'a Person> {
    let inside = |candidate: &&RankedCandidate| {
        group.is_none_or(|group| candidate.task.cgroup.as_ref().is_some_and(|home| is_within(home, group)))
    };
    let killable = |candidate: &&RankedCandidate| match candidate.verdict {
        Verdict::Chosen | Verdict::Outscored => true,
        Verdict::Unkillable(Reason::AdjMin) => terms.adj.contains_key(&candidate.task.pid),
        // A group spares init and those with -1000 alone; of the rest it kills whoever has memory.
        Verdict::Unkillable(reason) | Verdict::PassedOver(reason) => reason == Reason::Vfork,
        Verdict::Blocking => false,
    };
    let candidates = episode.candidates.iter().filter(inside).filter(killable);
    candidates.map(|candidate| &candidate.task).filter(|task| survives(task, victim, terms)).collect()
}

/// Not the victim itself, still there, and not protected.
fn survives(other: &Person, victim: &Person, terms: &Terms) -> bool {
    other.pid != victim.pid
        && !terms.gone.contains(&other.pid)
        && terms.adj.get(&other.pid).copied() != Some(-1000)
}

/// Whether `path` is `above`, or below it.
fn is_within(path: &Name, above: &Name) -> bool {
    let above = above.strip_suffix(b"/").unwrap_or(above);
    path.strip_prefix(above).is_some_and(|below| below.is_empty() || below.first() == Some(&b'/'))
}
