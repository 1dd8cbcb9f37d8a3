//! Every kill of a case against the kernel's own words, and the count of it.
//!
//! The kernel's report is the measure: its table gives the exact memory of every candidate on every kernel, and so the points.
//! What oomtrace recomputes from the parts that it captured may differ from them only where those parts are approximate.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::harness::compare::{self, Basis};
use crate::harness::view::{Candidate, Episode, need};
use crate::harness::watch::Lines;
use crate::oracle::report::{Report, Reports};
use crate::scenarios::play::spec::{Spec, Trigger};

/// Counters that the points are made of: three kinds of resident pages, and swap entries.
const COUNTERS: i64 = 4;
/// Changes that a CPU keeps to itself before it adds them to a per-CPU counter, on machines of up to 16 CPUs.
const BATCH: i64 = 32;

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct Tally {
    cases: usize,
    lowered: usize,
    grown: usize,
    sysrq: usize,
    machine: usize,
    swapped: usize,
    kills: usize,
    without_report: usize,
    scored: usize,
    unkillable: usize,
    ties: usize,
    residuals: usize,
    largest_residual: i64,
    bound: i64,
    named_by_recomputed: usize,
    within_residual: usize,
    explained: usize,
}

/// Compares all kills of a case.
pub(super) fn case(
    spec: &Spec,
    episodes: &[Episode],
    reports: &Reports,
    totalpages: u64,
    bystanders: Vec<i32>,
    tally: &mut Tally,
) -> Result<()> {
    let mut basis = Basis { bystanders, ..Basis::new(totalpages)? };
    tally.bound = residual_bound(&basis)?;
    let mut kills: Vec<&Episode> = episodes.iter().collect();
    kills.sort_by_key(|episode| episode.id);
    for kill in &reports.bare_kills {
        let at = kills
            .iter()
            .position(|episode| episode.victims.iter().any(|victim| victim.task.tid == kill.tid))
            .with_context(|| format!("the kill of {} is in no episode", kill.tid))?;
        choice(kills.remove(at), None, tally)?;
        tally.without_report += 1;
    }
    let reports: Vec<&Report> = reports.reports.iter().filter(|report| !report.kills.is_empty()).collect();
    ensure!(reports.len() == kills.len(), "{} kills, and {} by the kernel", kills.len(), reports.len());
    ensure!(!episodes.is_empty(), "nobody was killed");
    for (episode, report) in kills.iter().zip(&reports) {
        basis.dying = dying(episode, episodes)?;
        compare::with_report(episode, report, &basis)?;
        choice(episode, Some(report), tally)?;
    }
    tally.swapped += usize::from(reports.iter().any(|report| report.rows.iter().any(|row| row.swapents > 0)));
    tally.cases += 1;
    *(match spec.trigger {
        Trigger::Sysrq => &mut tally.sysrq,
        Trigger::Machine => &mut tally.machine,
        Trigger::Lower { .. } => &mut tally.lowered,
        Trigger::Grow { .. } | Trigger::Meet { .. } => &mut tally.grown,
    }) += 1;
    Ok(())
}

/// Those that shared the memory of an earlier victim and had not exited when `episode` began.
fn dying(episode: &Episode, all: &[Episode]) -> Result<Vec<i32>> {
    let began = episode.number("boot_ns")?.context("the entry was not seen")?;
    let earlier = all.iter().filter(|other| other.id < episode.id).flat_map(|other| &other.victims);
    let alive = |exited: Option<u64>| exited.is_none_or(|ns| i64::try_from(ns).is_ok_and(|ns| ns > began));
    Ok(earlier
        .filter(|victim| victim.why == "shared_mm" && alive(victim.exited_boot_ns))
        .map(|victim| victim.task.pid)
        .collect())
}

/// How far recomputed points may be off: nothing where the scorer reads the same counters, elsewhere a batch a CPU for each.
fn residual_bound(basis: &Basis) -> Result<i64> {
    let cpus = i64::try_from(std::thread::available_parallelism()?.get())?;
    Ok(if basis.tolerance == 0 { 0 } else { COUNTERS * BATCH * cpus })
}

/// Who has the most points is the victim; of equals, the last that the scan came to.
fn choice(episode: &Episode, report: Option<&Report>, tally: &mut Tally) -> Result<()> {
    tally.kills += 1;
    let victim = match report.and_then(|report| report.summary.as_ref()) {
        Some(summary) => summary.pid,
        None => episode.chosen().context("nobody is chosen")?.task.pid,
    };
    let mut scored = Vec::new();
    for candidate in &episode.candidates {
        let Some(points) = candidate.points else {
            tally.unkillable += usize::from(candidate.verdict == "unkillable");
            continue;
        };
        let recomputed = candidate
            .explained_points
            .with_context(|| format!("the points of {} are not recomputed", candidate.task.pid))?;
        let residual = points - recomputed;
        ensure!(
            residual.abs() <= tally.bound,
            "the points of {} ({}) are {points}, recomputed {recomputed}",
            candidate.task.pid,
            candidate.task.comm.escape_ascii()
        );
        ensure!(
            candidate.memory_exact == Some(residual == 0),
            "memory_exact of {} is {:?}, and the residual {residual}",
            candidate.task.pid,
            candidate.memory_exact
        );
        tally.scored += 1;
        tally.residuals += usize::from(residual != 0);
        tally.largest_residual = tally.largest_residual.max(residual.abs());
        scored.push((scan_index(candidate)?, candidate.task.pid, points, recomputed));
    }
    scored.sort_unstable();
    let highest = scored.iter().map(|&(_, _, points, _)| points).max().context("nobody was scored")?;
    tally.ties += usize::from(scored.iter().filter(|entry| entry.2 == highest).count() > 1);
    let named = last_of_highest(scored.iter().map(|&(_, pid, points, _)| (pid, points)));
    ensure!(named == Some(victim), "by its points {named:?} is the victim, by the kernel {victim}");
    let named = last_of_highest(scored.iter().map(|&(_, pid, _, recomputed)| (pid, recomputed)));
    if named == Some(victim) {
        tally.named_by_recomputed += 1;
        return Ok(());
    }
    let runner_up =
        scored.iter().filter(|entry| entry.1 != victim).map(|entry| entry.2).max().unwrap_or(i64::MIN);
    let margin = highest.saturating_sub(runner_up);
    ensure!(
        margin <= 2 * tally.bound,
        "recomputed, {named:?} is the victim and not {victim}, though the margin of {margin} pages is beyond what counters are off"
    );
    tally.within_residual += 1;
    Ok(())
}

fn scan_index(candidate: &Candidate) -> Result<i64> {
    candidate.scan_index.with_context(|| format!("where {} was in the scan is not known", candidate.task.pid))
}

fn last_of_highest(scored: impl Iterator<Item = (i32, i64)>) -> Option<i32> {
    // Of equals, `max_by_key` takes the last.
    scored.max_by_key(|&(_, points)| points).map(|(pid, _)| pid)
}

impl Tally {
    /// Takes what explain says of a kill: the choice made again names the victim.
    pub(super) fn explained(&mut self, episode: &Episode, said: &Value) -> Result<()> {
        let check = need(said, "check")?;
        let chosen = need(said, "chosen")?["pid"].as_i64();
        let victim = episode.victims.first().map(|victim| i64::from(victim.task.pid));
        ensure!(chosen == victim, "explain has {chosen:?} as the chosen one, and the victim is {victim:?}");
        ensure!(check["same"] == true, "the choice made again: {check}, and the victim is {victim:?}");
        self.explained += 1;
        Ok(())
    }

    /// Checks what only the whole run shows.
    pub(super) fn verdict(&self, cases: usize, lines: &Lines) -> Result<()> {
        ensure!(self.cases == cases, "{} of {cases} cases were compared", self.cases);
        let killed = lines.episodes.iter().filter(|episode| episode.outcome == "killed").count();
        ensure!(killed == self.kills, "{killed} episodes with a kill, and {} were compared", self.kills);
        ensure!(self.explained == killed, "explain names {} of {killed} victims", self.explained);
        ensure!(
            self.bound > 0 || self.named_by_recomputed == self.kills,
            "recomputed points name {} of {} victims",
            self.named_by_recomputed,
            self.kills
        );
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cases ({} limits lowered, {} outgrown, {} by sysrq, {} of the whole machine; {} with swapped pages), {} kills ({} \
             without a report, {} between equals); {} candidates scored, {} not killable; recomputed points: {} exact, {} with a residual \
             (largest {} pages, bound {}); victims named by explain: {}, by recomputed parts alone: {}, \
             not by those because of residuals: {}",
            self.cases,
            self.lowered,
            self.grown,
            self.sysrq,
            self.machine,
            self.swapped,
            self.kills,
            self.without_report,
            self.ties,
            self.scored,
            self.unkillable,
            self.scored - self.residuals,
            self.residuals,
            self.largest_residual,
            self.bound,
            self.explained,
            self.named_by_recomputed,
            self.within_residual
        )
    }
}
