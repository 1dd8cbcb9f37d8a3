//! What is counted. Unknown is not zero: what an episode does not tell is not observed.

use std::collections::BTreeMap;

use crate::model::episode::{Outcome, Scope, VictimWhy};
use crate::model::observation::Lost;
use crate::model::{Episode, SessionInfo};

use super::cgroups::Cgroups;

/// All outcomes; [`outcome`] has their places.
pub(super) const OUTCOMES: [Outcome; 7] = [
    Outcome::Killed,
    Outcome::GroupKilled,
    Outcome::AlreadyExiting,
    Outcome::Freed,
    Outcome::NoneKillable,
    Outcome::Skipped,
    Outcome::Incomplete,
];
/// All scopes; `None`: the entry was not seen.
pub(super) const SCOPES: [Option<Scope>; 3] = [Some(Scope::Global), Some(Scope::Memcg), None];
/// All reasons to die.
pub(super) const REASONS: [VictimWhy; 5] =
    [VictimWhy::Chosen, VictimWhy::Group, VictimWhy::SharedMm, VictimWhy::Exiting, VictimWhy::Child];

/// Upper bounds of candidates.
const CANDIDATES: &[f64] = &[1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5];
/// Upper bounds of a selection, s: ten candidates take some µs, and a hundred thousand some ten ms.
const SELECTION: &[f64] = &[1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0];
/// Upper bounds of what follows a kill, s. The reaper waits for 2 s before it begins.
const AFTERWARDS: &[f64] = &[1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 10.0];

/// Everything that is counted.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// By scope and outcome.
    pub(super) episodes: [[u64; OUTCOMES.len()]; SCOPES.len()],
    /// By scope and reason.
    pub(super) kills: [[u64; REASONS.len()]; SCOPES.len()],
    /// Evaluations of a scan.
    pub(super) candidates: Histogram,
    /// From the first candidate to the choice, s.
    pub(super) selection: Histogram,
    /// The reaper's work on a victim, s.
    pub(super) reap: Histogram,
    /// From a victim's kill to its exit, s.
    pub(super) exit: Histogram,
    /// Losses that episodes told.
    of_episodes: Lost,
    /// Losses of the session until now.
    of_session: Lost,
    /// Whether all hooks of a target are attached.
    pub(super) probes: BTreeMap<String, bool>,
    /// How it is captured, and the kernel.
    pub(super) capture: Option<(&'static str, Option<String>)>,
    /// By cgroup, when that was asked for.
    pub(super) cgroups: Option<Cgroups>,
}

/// A histogram whose bounds are fixed.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bounds, included, ascending.
    pub bounds: &'static [f64],
    /// Observations of each bound's interval; the last one is of those beyond all bounds.
    pub counts: Vec<u64>,
    /// Their sum.
    pub sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn observe(&mut self, value: f64) {
        let place = self.bounds.partition_point(|&bound| bound < value);
        self.counts[place] += 1;
        self.sum += value;
    }

    fn span(&mut self, from_ns: Option<u64>, to_ns: Option<u64>) {
        let span = from_ns.zip(to_ns).and_then(|(from, to)| to.checked_sub(from));
        if let Some(ns) = span {
            self.observe(ns as f64 / 1e9);
        }
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Numbers {
    pub(super) fn new(cgroups: Option<Cgroups>) -> Self {
        Self {
            episodes: Default::default(),
            kills: Default::default(),
            candidates: Histogram::new(CANDIDATES),
            selection: Histogram::new(SELECTION),
            reap: Histogram::new(AFTERWARDS),
            exit: Histogram::new(AFTERWARDS),
            of_episodes: Lost::default(),
            of_session: Lost::default(),
            probes: BTreeMap::new(),
            capture: None,
            cgroups,
        }
    }

    /// A session begins: counters go on, what is said of the capture is the new one's.
    pub(super) fn session(&mut self, info: &SessionInfo) {
        self.capture = Some((info.source.word(), info.kernel_release.clone()));
        self.probes.clear();
        for hook in &info.hooks {
            *self.probes.entry(hook.target.clone()).or_insert(true) &= hook.missing.is_none();
        }
    }

    pub(super) fn episode(&mut self, episode: &Episode) {
        let place = |found: Option<usize>| found.unwrap_or(0);
        let scope = place(SCOPES.iter().position(|&scope| scope == episode.scope));
        let outcome = place(OUTCOMES.iter().position(|&outcome| outcome == episode.outcome));
        self.episodes[scope][outcome] += 1;
        for victim in &episode.victims {
            self.kills[scope][place(REASONS.iter().position(|&why| why == victim.why))] += 1;
            self.exit.span(victim.killed_ns, victim.exited_ns);
            if let Some(reaped) = victim.reaped.filter(|reaped| !reaped.skipped) {
                self.reap.span(reaped.started_ns, reaped.finished_ns);
            }
        }
        if let Some(evaluated) = episode.evaluated {
            self.candidates.observe(evaluated.into());
        }
        if let Some((from, to)) = episode.scan_ns {
            self.selection.span(Some(from), Some(to));
        }
        self.of_episodes.add(episode.lost);
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.episode(episode);
        }
    }

    /// The session has lost this much until now. Tells whether that is news.
    pub(super) fn told(&mut self, lost: &Lost) -> bool {
        let before = self.lost();
        self.of_session = *lost;
        self.lost() != before
    }

    /// What was lost, as far as anybody has told: never less than before.
    pub(super) fn lost(&self) -> Lost {
        let mut lost = self.of_episodes;
        lost.add(self.of_session.since(self.of_episodes));
        lost
    }
}
