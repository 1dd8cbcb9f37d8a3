//! Who is chosen under given terms: the kernel's rule over the candidates of one episode.
//!
//! Points that the kernel gave are taken apart into memory and adjustment, which is exact, and put together again with what is
//! changed. What cannot be told stays unknown, and a choice says whether it depends on that.

use std::collections::{HashMap, HashSet};

use crate::badness;
use crate::model::SessionInfo;
use crate::model::episode::{Episode, RankedCandidate, Reason, Verdict, VictimWhy};
use crate::model::observation::{Score, TaskFlags};

/// What one candidate brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Chosen before all that have points: `oom_flag_origin`.
    First,
    /// Scored: the kernel's points, and the part of them that is memory, pages; `None` when they cannot be taken apart.
    Scored { points: i64, memory: Option<i64> },
    /// Only `oom_score_adj` -1000 protects it. Memory from the captured parts, pages.
    Protected { memory: Option<i64> },
    /// Cannot be chosen, whatever its adjustment.
    Never,
    /// Its points are not known.
    Unknown,
}

/// The candidates of one episode, in the order of the scan.
#[derive(Debug)]
pub struct Contest<'a> {
    entries: Vec<(&'a RankedCandidate, Standing)>,
    /// Where each process id is among them; of one that is there twice, the first.
    places: HashMap<i32, usize>,
    /// `oom_control.totalpages`.
    totalpages: Option<u64>,
    /// Candidates that the scan looked at and the recording does not have.
    missing: u64,
    /// Whom the kernel chose.
    chosen: Option<i32>,
    /// Points that nobody exceeded: the chosen one's.
    bound: Option<i64>,
    /// Captured parts of this episode do not add up to the kernel's points.
    parts_approximate: bool,
    /// Process ids that are known to share one mm, and with it their adjustment.
    sharers: HashSet<i32>,
}

/// Under which terms to choose. The default is as it was.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Another `totalpages`.
    pub totalpages: Option<u64>,
    /// Another `oom_score_adj`, by process id.
    pub adj: HashMap<i32, i16>,
    /// Process ids that are not there.
    pub gone: HashSet<i32>,
    /// Who has so many pages more (or less) memory.
    pub growth: Option<(i32, i64)>,
}

/// The choice under some terms.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Who is chosen among those whose points are known; `None`: nobody may be.
    pub pick: Option<Pick<'a>>,
    /// Candidates in the recording whose points under these terms are not known.
    pub unknown: Vec<&'a RankedCandidate>,
    /// Candidates that are not in the recording.
    pub missing: u64,
    /// The choice is the same whatever the unknown and the missing ones had.
    pub certain: bool,
    /// Chosen one or runner-up were scored from parts that are approximate.
    pub approximate: bool,
}

/// The chosen one under some terms.
#[derive(Clone, Copy, Debug)]
pub struct Pick<'a> {
    /// Who.
    pub candidate: &'a RankedCandidate,
    /// Its points; `i64::MAX` stands for "before all others".
    pub points: i64,
    /// Who would be chosen without it, and that one's points.
    pub runner_up: Option<(&'a RankedCandidate, i64)>,
}

/// At which `oom_score_adj` the outcome turns for one candidate, all else being as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The chosen one: the highest value at which somebody else is chosen; -1000 when only that spares it.
    Spared {
        /// The value.
        at: i16,
        /// Process id of the one who is chosen then; `None`: nobody can be.
        instead: Option<i32>,
    },
    /// Another one: the lowest value at which it is chosen.
    Chosen {
        /// The value.
        at: i16,
    },
    /// It dies with the chosen one's group whoever is chosen; only -1000 spares it.
    InGroup,
    /// No value would have it chosen.
    Never,
    /// Cannot be told.
    Unknown,
}

enum Part {
    Out,
    Points { points: i64, from_parts: bool },
    Unknown,
}

impl<'a> Contest<'a> {
    /// The contest of an episode.
    #[must_use]
    pub fn new(episode: &'a Episode, session: &SessionInfo) -> Self {
        let known_formula = session.formula_release().is_some_and(badness::applies_to);
        let totalpages = episode.totalpages;
        let mut entries: Vec<_> = episode
            .candidates
            .iter()
            .map(|candidate| {
                let memory = || match (candidate.points(), candidate.task.oom_score_adj, totalpages) {
                    (Some(points), Some(adj), Some(total)) if known_formula => {
                        Some(badness::memory_part(points, adj, total))
                    }
                    _ => None,
                };
                (candidate, standing(candidate, memory(), session, known_formula))
            })
            .collect();
        // A chosen one whose place in the scan was lost came after its equals, else one of them had been chosen.
        entries.sort_by_key(|(candidate, _)| candidate.scan_index.unwrap_or(u32::MAX));
        let chosen = episode.candidates.iter().find(|candidate| candidate.verdict == Verdict::Chosen);
        let seen = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let missing = u64::from(episode.evaluated.unwrap_or(0)).saturating_sub(seen);
        let mut places = HashMap::with_capacity(entries.len());
        for (place, (candidate, _)) in entries.iter().enumerate() {
            places.entry(candidate.task.pid).or_insert(place);
        }
        Self {
            entries,
            places,
            totalpages,
            missing: missing.max(episode.lost.candidates),
            chosen: chosen.map(|candidate| candidate.task.pid),
            bound: chosen.and_then(RankedCandidate::points).or(episode.chosen_points),
            parts_approximate: parts_approximate(episode, session),
            sharers: sharers(episode),
        }
    }

    /// Supposes another adjustment for one process. The kernel writes it to all that share its mm.
    pub fn adjust(&self, terms: &mut Terms, pid: i32, adj: i16) {
        terms.adj.insert(pid, adj);
        if self.sharers.contains(&pid) {
            terms.adj.extend(self.sharers.iter().map(|&sharer| (sharer, adj)));
        }
    }

    /// Process ids that are known to share one mm; empty when none are.
    #[must_use]
    pub fn sharers(&self) -> &HashSet<i32> {
        &self.sharers
    }

    /// Who is chosen under these terms.
    #[must_use]
    pub fn decide(&self, terms: &Terms) -> Decision<'a> {
        let mut scored = Vec::with_capacity(self.entries.len());
        let mut unknown = Vec::new();
        for (candidate, standing) in &self.entries {
            match self.part(candidate, *standing, terms) {
                Part::Out => {}
                Part::Points { points, from_parts } => scored.push(((*candidate, from_parts), points)),
                Part::Unknown => unknown.push(*candidate),
            }
        }
        let best = badness::choose(scored.iter().copied());
        let second = best.and_then(|((winner, _), _)| {
            badness::choose(scored.iter().copied().filter(|((other, _), _)| !std::ptr::eq(*other, winner)))
        });
        let pick = best.map(|((candidate, _), points)| Pick {
            candidate,
            points,
            runner_up: second.map(|((candidate, _), points)| (candidate, points)),
        });
        let from_parts =
            |of: Option<((&RankedCandidate, bool), i64)>| of.is_some_and(|((_, parts), _)| parts);
        Decision {
            certain: self.certain(pick.as_ref(), &unknown, terms),
            approximate: self.parts_approximate && (from_parts(best) || from_parts(second)),
            pick,
            unknown,
            missing: self.missing,
        }
    }

    /// What one candidate has under the terms.
    fn part(&self, candidate: &RankedCandidate, standing: Standing, terms: &Terms) -> Part {
        let pid = candidate.task.pid;
        if terms.gone.contains(&pid) {
            return Part::Out;
        }
        let changed = terms.adj.get(&pid).copied();
        let growth = terms.growth.filter(|(grower, _)| *grower == pid).map_or(0, |(_, pages)| pages);
        let total = terms.totalpages.or(self.totalpages);
        let put_together =
            |memory: Option<i64>, adj: Option<i16>, from_parts: bool| match (memory, adj, total) {
                (Some(memory), Some(adj), Some(total)) => {
                    let memory = memory.saturating_add(growth);
                    Part::Points { points: memory.saturating_add(badness::adj_pages(adj, total)), from_parts }
                }
                _ => Part::Unknown,
            };
        match standing {
            Standing::Never => Part::Out,
            // The scan takes it before it looks at its adjustment.
            Standing::First => Part::Points { points: i64::MAX, from_parts: false },
            _ if changed == Some(-1000) => Part::Out,
            Standing::Unknown => Part::Unknown,
            Standing::Scored { points, memory } => {
                let as_it_was = changed.is_none() && growth == 0 && total == self.totalpages;
                if as_it_was {
                    return Part::Points { points, from_parts: false };
                }
                put_together(memory, changed.or(candidate.task.oom_score_adj), false)
            }
            Standing::Protected { memory } => match changed {
                None => Part::Out,
                Some(adj) => put_together(memory, Some(adj), true),
            },
        }
    }

    /// Whether those that are not known could not have been chosen instead: the kernel found nobody above the chosen one.
    fn certain(&self, pick: Option<&Pick<'_>>, unknown: &[&RankedCandidate], terms: &Terms) -> bool {
        if self.missing == 0 && unknown.is_empty() {
            return true;
        }
        let same_scale = terms.totalpages.is_none() || terms.totalpages == self.totalpages;
        let changed = |candidate: &&RankedCandidate| {
            let pid = candidate.task.pid;
            terms.adj.contains_key(&pid) || terms.growth.is_some_and(|(grower, _)| grower == pid)
        };
        let (Some(pick), Some(bound)) = (pick, self.bound) else { return false };
        let same = Some(pick.candidate.task.pid) == self.chosen && pick.points >= bound;
        same_scale && !unknown.iter().any(changed) && (same || pick.points > bound)
    }

    /// The adjustment at which the outcome turns for the candidate with this process id.
    #[must_use]
    pub fn turn(&self, pid: i32) -> Turn {
        let Some(&place) = self.places.get(&pid) else { return Turn::Unknown };
        let as_it_was = Terms::default();
        // Those that share its mm share its adjustment, and turn with it.
        let shares = self.sharers.contains(&pid);
        let others = self.entries.iter().enumerate().filter(|(other, (candidate, _))| {
            *other != place && !(shares && self.sharers.contains(&candidate.task.pid))
        });
        let mut unknown = false;
        let rival = badness::choose(others.filter_map(|(other, (candidate, standing))| {
            match self.part(candidate, *standing, &as_it_was) {
                Part::Points { points, .. } => Some((other, points)),
                Part::Out => None,
                Part::Unknown => {
                    unknown = true;
                    None
                }
            }
        }));
        let Some((candidate, standing)) = self.entries.get(place) else { return Turn::Unknown };
        let place = match shares {
            true => {
                self.entries.iter().rposition(|(c, _)| self.sharers.contains(&c.task.pid)).unwrap_or(place)
            }
            false => place,
        };
        let (memory, chosen) = match *standing {
            Standing::Never => return Turn::Never,
            Standing::Unknown => return Turn::Unknown,
            // Chosen whatever its adjustment.
            Standing::First => return Turn::Never,
            // Who shares the chosen one's mm dies with it.
            Standing::Scored { memory, .. } => (memory, shares || self.chosen == Some(candidate.task.pid)),
            Standing::Protected { memory } => (memory, false),
        };
        let (Some(memory), Some(total), false) = (memory, self.totalpages, unknown) else {
            return Turn::Unknown;
        };
        let turn = match (chosen, rival) {
            (true, None) => Turn::Spared { at: -1000, instead: None },
            (true, Some((other, points))) => {
                // Of equals the one that the scan comes to last is chosen.
                let limit = if place < other { points } else { points.saturating_sub(1) };
                let at = badness::highest_adj_within(memory, limit, total).unwrap_or(-1000);
                let instead = self.entries.get(other).map(|(candidate, _)| candidate.task.pid);
                Turn::Spared { at, instead }
            }
            (false, None) => Turn::Chosen { at: -999 },
            (false, Some((_, i64::MAX))) => Turn::Never,
            (false, Some((other, points))) => {
                let needed = if place > other { points } else { points.saturating_add(1) };
                lowest_adj_reaching(memory, needed, total).map_or(Turn::Never, |at| Turn::Chosen { at })
            }
        };
        // A turn on the wrong side of what it had: the kernel did not choose as the rule says.
        match (turn, candidate.task.oom_score_adj) {
            (Turn::Spared { at, .. }, Some(adj)) if at >= adj => Turn::Unknown,
            (Turn::Chosen { at }, Some(adj)) if at <= adj => Turn::Unknown,
            _ => turn,
        }
    }

    /// Whether the kernel's own points were at work: somebody was scored, or might have been.
    #[must_use]
    pub fn by_points(&self) -> bool {
        self.entries.iter().any(|(_, standing)| {
            matches!(standing, Standing::Scored { .. } | Standing::First | Standing::Unknown)
        })
    }

    /// How many could be killed.
    #[must_use]
    pub fn killable(&self) -> u64 {
        let killable =
            |standing: &Standing| !matches!(standing, Standing::Never | Standing::Protected { .. });
        self.entries.iter().filter(|(_, standing)| killable(standing)).count() as u64
    }

    /// Memory of a candidate as the kernel counted it, pages; `None` when it is not known.
    #[must_use]
    pub fn memory(&self, pid: i32) -> Option<i64> {
        match self.entries.get(*self.places.get(&pid)?)?.1 {
            Standing::Scored { memory, .. } | Standing::Protected { memory } => memory,
            Standing::First | Standing::Never | Standing::Unknown => None,
        }
    }

    /// Those whose adjustment plays no part, whatever it is, in the order of the scan.
    pub fn fixed(&self) -> impl Iterator<Item = &'a RankedCandidate> {
        let fixed = |standing: &Standing| matches!(standing, Standing::First | Standing::Never);
        self.entries.iter().filter(move |(_, standing)| fixed(standing)).map(|(candidate, _)| *candidate)
    }

    /// Candidates that the scan looked at and the recording does not have.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Whether no adjustment but -1000 has an effect: the scale is below 1000 pages.
    #[must_use]
    pub fn adj_without_effect(&self) -> bool {
        self.totalpages.is_some_and(|total| total < 1000)
    }

    /// Whether captured parts of this episode are approximate.
    #[must_use]
    pub fn parts_approximate(&self) -> bool {
        self.parts_approximate
    }
}

fn standing(
    candidate: &RankedCandidate,
    memory: Option<i64>,
    session: &SessionInfo,
    known_formula: bool,
) -> Standing {
    let flags = candidate.flags;
    if flags.has(TaskFlags::ORIGIN) && candidate.score == Score::NotScored {
        return Standing::First;
    }
    match (candidate.score, candidate.verdict) {
        (Score::Points(points), _) => Standing::Scored { points, memory },
        (_, Verdict::Unkillable(Reason::AdjMin))
            if !flags.has(TaskFlags::OOM_SKIP) && !flags.has(TaskFlags::VFORK) =>
        {
            let memory = candidate.memory.filter(|_| known_formula);
            Standing::Protected {
                memory: memory.and_then(|memory| badness::memory_pages(&memory, session.page_size)),
            }
        }
        (_, Verdict::Unkillable(_) | Verdict::PassedOver(_) | Verdict::Blocking) => Standing::Never,
        (_, Verdict::Chosen | Verdict::Outscored) => Standing::Unknown,
    }
}

/// Whether captured parts are approximate: those that can be held against the kernel's points do not add up; or, when there are
/// none, they are per-CPU counters, of which only the shared part can be read.
fn parts_approximate(episode: &Episode, session: &SessionInfo) -> bool {
    let mut explained = episode.candidates.iter().filter_map(|candidate| candidate.explained).peekable();
    match explained.peek() {
        None => session.rss_counters_percpu,
        Some(_) => explained.any(|explained| explained.difference != 0),
    }
}

/// Those that died for sharing the chosen one's mm, and the chosen one. In a group kill it cannot be told whose mm was shared.
fn sharers(episode: &Episode) -> HashSet<i32> {
    let why = |wanted: VictimWhy| episode.victims.iter().filter(move |victim| victim.why == wanted);
    if why(VictimWhy::SharedMm).next().is_none() || why(VictimWhy::Group).next().is_some() {
        return HashSet::new();
    }
    why(VictimWhy::SharedMm).chain(why(VictimWhy::Chosen)).map(|victim| victim.task.pid).collect()
}

/// The lowest `oom_score_adj` from -999 on at which a task of `memory` pages has at least `needed` points; `None` when even 1000
/// is too low.
fn lowest_adj_reaching(memory: i64, needed: i64, totalpages: u64) -> Option<i16> {
    let scale = i128::from(totalpages / 1000);
    let lacking = i128::from(needed) - i128::from(memory);
    if scale == 0 {
        return (lacking <= 0).then_some(-999);
    }
    // Rounded up: -((-a) div b) for a positive b.
    let at = -((-lacking).div_euclid(scale));
    if at > 1000 { None } else { i16::try_from(at.max(-999)).ok() }
}
