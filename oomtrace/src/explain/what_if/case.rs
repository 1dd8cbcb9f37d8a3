//! One question under way: the terms that were supposed, and the rule applied to them.

use crate::model::SessionInfo;
use crate::model::episode::{Episode, Person, RankedCandidate, Scope};

use crate::explain::cause::{self, Basis};
use crate::explain::contest::{Contest, Decision, Terms};
use crate::explain::group::{self, Group};
use crate::explain::limits::{self, Next};
use crate::explain::settings::by_hand;

use super::answer::{Doubt, Fall, Spared, Supposed, Then};

/// See the module.
pub(super) struct Case<'c, 'a> {
    pub(super) episode: &'a Episode,
    pub(super) session: &'c SessionInfo,
    pub(super) contest: &'c Contest<'a>,
    pub(super) basis: Basis,
    pub(super) terms: Terms,
    /// How much higher (lower) the limit is, pages.
    pub(super) raise: i64,
    /// What those that are gone had held for themselves, pages.
    pub(super) held: i64,
    /// What the machine's zones lacked to their min watermark, pages.
    pub(super) short: i64,
    /// The machine's RAM, pages.
    pub(super) ram_pages: Option<u64>,
    pub(super) doubts: Vec<Doubt<'a>>,
}

impl<'a> Case<'_, 'a> {
    /// What would have been, at that moment and then.
    pub(super) fn answer(&mut self) -> (Supposed<'a>, Option<Then<'a>>) {
        if self.trigger_gone() {
            self.doubts.push(Doubt::TriggerGone);
            return (Supposed::NoKill(Spared::NotAsked), None);
        }
        let more = self.raise.saturating_add(self.held);
        let makes_room = !by_hand(self.episode) && more >= self.wanted().saturating_add(self.short);
        if !by_hand(self.episode) && !makes_room && more >= self.wanted() {
            self.doubts.push(Doubt::TooLittle { pages: more, short_pages: self.short });
        }
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
        let sharing = self.sharing(trigger.pid);
        let fall = || Fall {
            person: trigger,
            points: None,
            runner_up: None,
            same: true,
            group: Group::Nobody,
            sharing: sharing.clone(),
        };
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
            match limits::limits(self.episode, self.session).map(|limits| limits.next) {
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
                sharing: self.sharing(pick.candidate.task.pid),
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
    pub(super) fn effects(&mut self) {
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

    /// Those that share the memory of `pid` and are still there: the kernel kills them too, whatever their adjustment.
    fn sharing(&self, pid: i32) -> Vec<&'a Person> {
        let sharers = self.contest.sharers();
        if !sharers.contains(&pid) {
            return Vec::new();
        }
        let others = self.episode.victims.iter().map(|victim| &victim.task);
        others
            .filter(|task| {
                task.pid != pid && sharers.contains(&task.pid) && !self.terms.gone.contains(&task.pid)
            })
            .collect()
    }

    /// What those that are gone had for themselves, pages: their memory without file and shared pages, which stay. An mm that is
    /// shared is gone with the last of its processes.
    pub(super) fn held(&mut self) -> i64 {
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
            match own_pages(candidate, self.contest, self.session) {
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
