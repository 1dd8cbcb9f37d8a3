//! The choice made again, with something different.
//!
//! Two questions are kept apart. *At that moment*: the same memory, the same request, other terms. *Then*: the moment at which
//! the limit is met has moved, because there was more or less room; who dies when it is met depends on who uses the room, and
//! supposes that it is the trigger, alone.

mod answer;
mod case;

use std::collections::HashSet;

use crate::model::SessionInfo;
use crate::model::episode::{Episode, Person, RankedCandidate, Scope};
use crate::model::observation::Memory;

use crate::explain::cause::Basis;
use crate::explain::change::{Change, Who};
use crate::explain::contest::{Contest, Terms};
use crate::explain::limits::{self};
use crate::explain::settings::by_hand;

pub use answer::{Doubt, Fall, Mistake, Spared, Supposed, Then, WhatIf};
use case::Case;

/// Makes the choice again.
///
/// # Errors
///
/// A change that cannot be supposed of this episode.
pub fn suppose<'a>(
    episode: &'a Episode,
    session: &SessionInfo,
    contest: &Contest<'a>,
    changes: &[Change],
) -> Result<WhatIf<'a>, Mistake<'a>> {
    let people = ranked(episode, contest);
    let mut applied = Vec::with_capacity(changes.len());
    let mut terms = Terms::default();
    let mut limit = None;
    let mut doubts = Vec::new();
    let mut explicit = Vec::new();
    for change in changes {
        let whom = match change {
            Change::Adj { who, adj } => {
                let whom = named(&people, who)?;
                explicit.extend(whom.iter().map(|person| (person.pid, *adj)));
                for person in &whom {
                    contest.adjust(&mut terms, person.pid, *adj);
                }
                whom
            }
            Change::Kill { who } => {
                let whom = named(&people, who)?;
                terms.gone.extend(whom.iter().map(|person| person.pid));
                whom
            }
            Change::Limit { bytes } => {
                if by_hand(episode) {
                    return Err(Mistake::NoLimitMet);
                }
                if limit.is_some() {
                    return Err(Mistake::TwoLimits);
                }
                let old = met_limit(episode).ok_or(Mistake::LimitUnknown)?;
                let new = bytes.checked_div(u64::from(session.page_size)).ok_or(Mistake::LimitUnknown)?;
                limit = Some(difference(new, old));
                terms.totalpages = limits::scale_at(episode, session, old, new);
                let limiting = episode.memcg.iter().find(|level| level.limiting);
                if let Some(max_pages) = limiting.and_then(|level| limits::full_memsw(level, session)) {
                    doubts.push(Doubt::MemswToo { max_pages });
                }
                Vec::new()
            }
        };
        applied.push((change.clone(), whom));
    }
    // What was said of one outweighs what follows from its sharing an mm.
    terms.adj.extend(explicit);
    let mut case = Case {
        episode,
        session,
        contest,
        raise: limit.unwrap_or(0),
        held: 0,
        short: i64::try_from(limits::shortage(episode, session)).unwrap_or(i64::MAX),
        ram_pages: session.ram_bytes.and_then(|bytes| bytes.checked_div(u64::from(session.page_size))),
        terms,
        doubts,
        basis: Basis::of(episode, session),
    };
    case.held = case.held();
    case.effects();
    let (result, then) = case.answer();
    Ok(WhatIf { changes: applied, result, then, doubts: case.doubts })
}

/// Those that a change can be about, biggest first, with the memory of each, pages: the candidates; without a scan the victims
/// and the trigger.
#[must_use]
pub fn people<'a>(episode: &'a Episode, session: &SessionInfo) -> Vec<(&'a Person, Option<i64>)> {
    ranked(episode, &Contest::new(episode, session))
}

fn ranked<'a>(episode: &'a Episode, contest: &Contest<'a>) -> Vec<(&'a Person, Option<i64>)> {
    let memory = |candidate: &RankedCandidate| {
        contest.memory(candidate.task.pid).or_else(|| resident(candidate.memory))
    };
    let mut people: Vec<_> =
        episode.candidates.iter().map(|candidate| (&candidate.task, memory(candidate))).collect();
    people.sort_by_key(|(_, memory)| std::cmp::Reverse(memory.unwrap_or(0)));
    let mut seen: HashSet<i32> = people.iter().map(|(person, _)| person.pid).collect();
    let victims = episode.victims.iter().map(|victim| (&victim.task, resident(victim.memory)));
    let trigger = episode.trigger.iter().filter(|_| episode.candidates.is_empty());
    let more = victims.chain(trigger.map(|trigger| (trigger, None)));
    people.extend(more.filter(|(person, _)| seen.insert(person.pid)));
    people
}

fn resident(memory: Option<Memory>) -> Option<i64> {
    i64::try_from(memory?.rss_anon_pages?).ok()
}

fn named<'a>(people: &[(&'a Person, Option<i64>)], who: &Who) -> Result<Vec<&'a Person>, Mistake<'a>> {
    let whom: Vec<&Person> =
        people.iter().map(|(person, _)| *person).filter(|person| who.is(person)).collect();
    if whom.is_empty() {
        return Err(Mistake::NoSuch { who: who.clone(), among: people.to_vec() });
    }
    Ok(whom)
}

/// The limit that was met, pages: the limiting cgroup's; for a global OOM what the constraint allowed, swap included. `None` when
/// it is not known.
#[must_use]
pub fn met_limit(episode: &Episode) -> Option<u64> {
    match episode.scope? {
        Scope::Memcg => episode.memcg.iter().find(|level| level.limiting)?.max_pages,
        Scope::Global => episode.totalpages,
    }
}

fn difference(new: u64, old: u64) -> i64 {
    let difference = i128::from(new) - i128::from(old);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}
