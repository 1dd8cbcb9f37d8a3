//! The choice made again, with something different.
//!
//! Two questions are kept apart. *At that moment*: the same memory, the same request, other terms. *Then*: the moment at which
//! the limit is met has moved, because there was more or less room; who dies when it is met depends on who uses the room, and
//! supposes that it is the trigger, alone.

use std::collections::HashSet;

use crate::model::SessionInfo;
use crate::model::episode::{Episode, MemcgLimit, Person, RankedCandidate, Scope};
use crate::model::observation::Memory;

use super::cause::{self, Basis};
use super::change::{Change, Who};
use super::contest::{Contest, Decision, Terms};
use super::group::{self, Group};
use super::limits::{self, Next};
use super::settings::by_hand;

/// The answer.
#[derive(Clone, Debug)]
pub struct WhatIf<'a> {
    /// What was supposed, and whom it is about.
    pub changes: Vec<(Change, Vec<&'a Person>)>,
    /// What would have happened at that moment.
    pub result: Supposed<'a>,
    /// What would have happened when the limit was met; `None` when the moment did not move, or it cannot be told.
    pub then: Option<Then<'a>>,
    /// Why something cannot be told, or not exactly.
    pub doubts: Vec<Doubt<'a>>,
}

/// What would have happened at that moment.
#[derive(Clone, Debug)]
pub enum Supposed<'a> {
    /// Somebody is killed.
    Kill(Fall<'a>),
    /// Nobody is.
    NoKill(Spared),
    /// The scan would have found nobody it may kill.
    NoneKillable,
    /// Cannot be told; with the best of those that are known.
    Unknown(Option<Fall<'a>>),
}

/// Why nobody is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spared {
    /// There is room for the request: so many pages.
    Room {
        /// Pages that there are more than there were.
        pages: i64,
    },
    /// The one that asked is gone.
    NotAsked,
    /// Nobody was to be killed, whatever the points.
    AsItWas,
}

/// Who would be killed.
#[derive(Clone, Debug)]
pub struct Fall<'a> {
    /// Who.
    pub person: &'a Person,
    /// Its points; `None` when points play no part, or it comes before all that have any.
    pub points: Option<i64>,
    /// The next one, and how many points less it has.
    pub runner_up: Option<(&'a Person, i64)>,
    /// It is the one that was chosen.
    pub same: bool,
    /// Who dies with it.
    pub group: Group<'a>,
}

/// Who would be killed when the limit is met.
#[derive(Clone, Debug)]
pub struct Then<'a> {
    /// Who; `None`: nobody may be.
    pub fall: Option<Fall<'a>>,
    /// The trigger, who is supposed to use the room.
    pub trigger: &'a Person,
    /// By how much its memory is supposed to differ, pages.
    pub growth_pages: i64,
}

/// Why something cannot be told, or not exactly.
#[derive(Clone, Debug)]
pub enum Doubt<'a> {
    /// Candidates were lost, any of which may come before the best of those that are known.
    Missing {
        /// How many.
        count: u64,
    },
    /// The points of these are not known under these terms.
    PointsUnknown {
        /// Whose.
        who: Vec<&'a Person>,
    },
    /// Scored from parts that could only be read approximately.
    Approximate,
    /// A change of these adjustments has no effect: they cannot be killed for another reason, or are chosen in any case.
    NoEffect {
        /// Whose; all for the same reason, which is the first one's.
        who: Vec<&'a RankedCandidate>,
    },
    /// Points play no part in an episode like this one.
    PointsPlayNoPart,
    /// The limit of an ancestor would have been met first, and who dies then may be outside this recording.
    AncestorNext {
        /// Which.
        level: &'a MemcgLimit,
        /// How far the limit could have been raised, pages.
        useful_max_pages: u64,
    },
    /// On cgroup v1 memory and swap together were at their limit as well: supposed is that both were other by as much.
    MemswToo {
        /// That limit, pages.
        max_pages: u64,
    },
    /// The machine does not have that much: it would have run out of memory first, and then all its processes are candidates.
    MachineFirst,
    /// The limits of ancestors are not known: one of them may be met first.
    AncestorsUnknown,
    /// The one that asked is gone: who would have asked next is not known.
    TriggerGone,
    /// The one that asked is no candidate: who uses the room is not known.
    TriggerOutside {
        /// Who asked.
        trigger: &'a Person,
    },
    /// The trigger's memory is less than what the limit is lower: others would have been smaller too.
    TriggerTooSmall {
        /// Pages that others would have to make up.
        pages: i64,
    },
    /// Whether others would have been killed with the victim is not known.
    GroupUnknown,
    /// The scan that would have taken place did not take place.
    NoScan,
    /// The scan ended at the one that was still dying: those behind were not looked at.
    BehindTheDying,
    /// A lower limit would have been met earlier: what there was then is not known.
    Earlier,
    /// What decided was not seen.
    NotSeen,
    /// What the killed ones held is not known.
    HeldUnknown,
}

/// Something that cannot be supposed of this episode.
#[derive(Clone, Debug)]
pub enum Mistake<'a> {
    /// No such process; these exist, biggest first.
    NoSuch {
        /// Who was meant.
        who: Who,
        /// Who there is, with the memory of each, pages.
        among: Vec<(&'a Person, Option<i64>)>,
    },
    /// It was asked for by hand: no limit was met.
    NoLimitMet,
    /// Which limit was met is not known.
    LimitUnknown,
    /// There is one limit to suppose.
    TwoLimits,
}

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
        contest,
        raise: limit.unwrap_or(0),
        held: 0,
        ram_pages: session.ram_bytes.and_then(|bytes| bytes.checked_div(u64::from(session.page_size))),
        terms,
        doubts,
        basis: Basis::of(episode, session),
    };
    case.held = case.held(session);
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

struct Case<'c, 'a> {
    episode: &'a Episode,
    contest: &'c Contest<'a>,
    basis: Basis,
    terms: Terms,
    /// How much higher (lower) the limit is, pages.
    raise: i64,
    /// What those that are gone had held for themselves, pages.
    held: i64,
    /// The machine's RAM, pages.
    ram_pages: Option<u64>,
    doubts: Vec<Doubt<'a>>,
}

impl<'a> Case<'_, 'a> {
    fn answer(&mut self) -> (Supposed<'a>, Option<Then<'a>>) {
        if self.trigger_gone() {
            self.doubts.push(Doubt::TriggerGone);
            return (Supposed::NoKill(Spared::NotAsked), None);
        }
        let more = self.raise.saturating_add(self.held);
        let makes_room = !by_hand(self.episode) && more >= self.wanted();
        match self.basis {
            _ if self.basis == Basis::NotSeen => {
                self.doubts.push(Doubt::NotSeen);
                (Supposed::Unknown(None), None)
            }
            Basis::Points | Basis::Origin => {
                let moved = !by_hand(self.episode) && (makes_room || more < 0);
                let result = if makes_room {
                    Supposed::NoKill(Spared::Room { pages: more })
                } else {
                    let decision = self.contest.decide(&self.terms);
                    self.supposed(decision)
                };
                let then = if moved { self.then(more) } else { None };
                (result, then)
            }
            Basis::AllocatingTask => self.without_scan(more, makes_room),
            _ => {
                self.doubts.push(Doubt::PointsPlayNoPart);
                if makes_room {
                    return (Supposed::NoKill(Spared::Room { pages: more }), None);
                }
                if self.blocker_gone() {
                    self.doubts.push(Doubt::BehindTheDying);
                    return (Supposed::Unknown(None), None);
                }
                if more < 0 {
                    self.doubts.push(Doubt::Earlier);
                    return (Supposed::Unknown(None), None);
                }
                (Supposed::NoKill(Spared::AsItWas), None)
            }
        }
    }

    /// With `oom_kill_allocating_task` the one that asks dies, if it may be killed.
    fn without_scan(&mut self, more: i64, makes_room: bool) -> (Supposed<'a>, Option<Then<'a>>) {
        self.doubts.push(Doubt::PointsPlayNoPart);
        let Some(trigger) = self.episode.trigger.as_ref() else {
            self.doubts.push(Doubt::NotSeen);
            return (Supposed::Unknown(None), None);
        };
        let fall =
            || Fall { person: trigger, points: None, runner_up: None, same: true, group: Group::Nobody };
        let protected = self.terms.adj.get(&trigger.pid) == Some(&-1000);
        let then = (makes_room || more < 0)
            .then(|| Then { fall: (!protected).then(fall), trigger, growth_pages: more })
            .filter(|_| !protected);
        let result = if makes_room {
            Supposed::NoKill(Spared::Room { pages: more })
        } else if protected {
            self.doubts.push(Doubt::NoScan);
            Supposed::Unknown(None)
        } else {
            Supposed::Kill(fall())
        };
        (result, then)
    }

    /// Who dies when the trigger has used the room, or does without what there was less.
    fn then(&mut self, more: i64) -> Option<Then<'a>> {
        let trigger = self.episode.trigger.as_ref()?;
        let Some(candidate) = self.episode.candidates.iter().find(|c| c.task.pid == trigger.pid) else {
            self.doubts.push(Doubt::TriggerOutside { trigger });
            return None;
        };
        if self.raise > 0 {
            match limits::limits(self.episode).map(|limits| limits.next) {
                Some(Next::Ancestor { level, headroom_pages, useful_max_pages })
                    if i64::try_from(headroom_pages).is_ok_and(|room| room < self.raise) =>
                {
                    self.doubts.push(Doubt::AncestorNext { level, useful_max_pages });
                    return None;
                }
                Some(Next::Unknown) => self.doubts.push(Doubt::AncestorsUnknown),
                _ => {}
            }
        }
        if self.beyond_machine() {
            self.doubts.push(Doubt::MachineFirst);
            return None;
        }
        let mut growth_pages = more;
        if let Some(memory) = self.contest.memory(trigger.pid).filter(|_| more < 0) {
            // The file pages are others' as well, and are not what grew.
            let file = candidate.memory.and_then(|memory| memory.rss_file_pages).unwrap_or(0);
            let can_lose = memory.saturating_sub(i64::try_from(file).unwrap_or(i64::MAX)).max(0);
            let less = more.saturating_neg();
            if less > can_lose {
                self.doubts.push(Doubt::TriggerTooSmall { pages: less.saturating_sub(can_lose) });
                growth_pages = can_lose.saturating_neg();
            }
        }
        let terms = Terms { growth: Some((trigger.pid, growth_pages)), ..self.terms.clone() };
        let decision = self.contest.decide(&terms);
        let fall = match self.supposed(decision) {
            Supposed::Kill(fall) => Some(fall),
            Supposed::NoneKillable => None,
            Supposed::NoKill(_) | Supposed::Unknown(_) => return None,
        };
        Some(Then { fall, trigger, growth_pages })
    }

    fn supposed(&mut self, decision: Decision<'a>) -> Supposed<'a> {
        let fall = decision.pick.map(|pick| {
            let died = cause::chosen(self.episode);
            let group = group::of(self.episode, &pick.candidate.task, &self.terms);
            if matches!(group, Group::Unknown) {
                self.doubt(Doubt::GroupUnknown, |doubt| matches!(doubt, Doubt::GroupUnknown));
            }
            Fall {
                person: &pick.candidate.task,
                points: Some(pick.points).filter(|&points| points != i64::MAX),
                runner_up: pick
                    .runner_up
                    .map(|(candidate, points)| (&candidate.task, pick.points.saturating_sub(points))),
                same: died.is_some_and(|chosen| chosen.task.pid == pick.candidate.task.pid),
                group,
            }
        });
        if decision.approximate {
            self.doubt(Doubt::Approximate, |doubt| matches!(doubt, Doubt::Approximate));
        }
        if !decision.certain {
            if decision.missing > 0 {
                let count = decision.missing;
                self.doubt(Doubt::Missing { count }, |doubt| matches!(doubt, Doubt::Missing { .. }));
            }
            if !decision.unknown.is_empty() {
                let who = decision.unknown.iter().map(|candidate| &candidate.task).collect();
                self.doubt(Doubt::PointsUnknown { who }, |doubt| {
                    matches!(doubt, Doubt::PointsUnknown { .. })
                });
            }
            return Supposed::Unknown(fall);
        }
        fall.map_or(Supposed::NoneKillable, Supposed::Kill)
    }

    /// Whether a memcg's limit was raised beyond what the machine has.
    fn beyond_machine(&self) -> bool {
        let Some(ram) = self.ram_pages.filter(|_| self.episode.scope == Some(Scope::Memcg) && self.raise > 0)
        else {
            return false;
        };
        // What the root uses, where it is counted; else at least what the limiting cgroup does.
        let used = self.episode.memcg.iter().filter_map(|level| level.usage_pages).max().unwrap_or(0);
        used.saturating_add(self.raise.unsigned_abs()) > ram
    }

    /// Adds a doubt once.
    fn doubt(&mut self, doubt: Doubt<'a>, same: impl Fn(&Doubt<'a>) -> bool) {
        if !self.doubts.iter().any(same) {
            self.doubts.push(doubt);
        }
    }

    /// Changes of adjustments that change nothing.
    fn effects(&mut self) {
        if !self.basis.compares_points() {
            return;
        }
        let mut in_vain: Vec<Vec<&RankedCandidate>> = Vec::new();
        for candidate in self.contest.fixed().filter(|c| self.terms.adj.contains_key(&c.task.pid)) {
            let alike = |group: &&mut Vec<&RankedCandidate>| {
                group.first().is_some_and(|first| first.verdict == candidate.verdict)
            };
            match in_vain.iter_mut().find(alike) {
                Some(group) => group.push(candidate),
                None => in_vain.push(vec![candidate]),
            }
        }
        self.doubts.extend(in_vain.into_iter().map(|who| Doubt::NoEffect { who }));
    }

    fn trigger_gone(&self) -> bool {
        let trigger = self.episode.trigger.as_ref().filter(|_| !by_hand(self.episode));
        trigger.is_some_and(|trigger| self.terms.gone.contains(&trigger.pid))
    }

    fn blocker_gone(&self) -> bool {
        self.episode.blocker.is_some_and(|pid| self.terms.gone.contains(&pid))
    }

    /// Pages that were asked for.
    fn wanted(&self) -> i64 {
        match self.episode.order {
            Some(order @ 0..=30) => 1 << order,
            _ => 1,
        }
    }

    /// What those that are gone had for themselves, pages: their memory without file and shared pages, which stay. An mm that is
    /// shared is gone with the last of its processes.
    fn held(&mut self, session: &SessionInfo) -> i64 {
        let sharers = self.contest.sharers();
        let mut counted_shared = !sharers.iter().all(|pid| self.terms.gone.contains(pid));
        let mut held: i64 = 0;
        let mut unknown = false;
        for candidate in &self.episode.candidates {
            let pid = candidate.task.pid;
            if !self.terms.gone.contains(&pid) {
                continue;
            }
            if sharers.contains(&pid) {
                if counted_shared {
                    continue;
                }
                counted_shared = true;
            }
            match own_pages(candidate, self.contest, session) {
                Some(pages) => held = held.saturating_add(pages),
                None => unknown = true,
            }
        }
        if unknown {
            self.doubts.push(Doubt::HeldUnknown);
        }
        held
    }
}

/// Memory of a candidate that nobody else has a part in, pages; `None` when it is not known. Those without an mm have none.
fn own_pages(candidate: &RankedCandidate, contest: &Contest<'_>, session: &SessionInfo) -> Option<i64> {
    use crate::badness::memory_pages;
    let Some(memory) = candidate.memory else {
        return candidate.flags.has(crate::model::observation::TaskFlags::NO_MM).then_some(0);
    };
    let counted = contest.memory(candidate.task.pid).or_else(|| memory_pages(&memory, session.page_size))?;
    let shared = memory.rss_file_pages?.saturating_add(memory.rss_shmem_pages?);
    Some(counted.saturating_sub(i64::try_from(shared).unwrap_or(i64::MAX)).max(0))
}
