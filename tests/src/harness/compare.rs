//! An episode against the kernel's report of the same OOM.
//!
//! All differences are gathered before the verdict: which candidates differ, and how, tells more than the first of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::view::{Candidate, Episode, Memory};
use crate::oracle::formula;
use crate::oracle::report::{Report, Row};

/// Differences that are listed one by one; more are only counted.
const LISTED: usize = 12;

/// What a comparison depends on besides the two sides.
pub struct Basis {
    /// What the constraint allows, from the limit that the test has set or from `/proc/meminfo`.
    pub totalpages: u64,
    /// How many pages a part of a candidate's memory may differ from the report: 0 where the kernel itself reports what
    /// oomtrace can read.
    pub tolerance: i64,
    /// Process ids of those that run while the kernel scans and writes its table, so that their memory may change in between: the
    /// harness and its like. They cannot be killed, and their memory is not compared.
    pub bystanders: Vec<i32>,
    /// Process ids of those that an earlier kill has signalled without marking them, for sharing its victim's memory: the scan takes
    /// them for anybody, and they may let go of their memory, or be gone, before the kernel writes its table.
    pub dying: Vec<i32>,
}

impl Basis {
    /// For the running kernel.
    ///
    /// From 7.0 on the kernel sums its per-CPU counters for the report, which a tracer cannot do: each may be off by a
    /// batch a CPU.
    pub fn new(totalpages: u64) -> Result<Self> {
        let release =
            std::fs::read_to_string("/proc/sys/kernel/osrelease").context("failed to read the release")?;
        let major: u32 =
            release.split('.').next().and_then(|word| word.parse().ok()).context("no release")?;
        let cpus = i64::try_from(std::thread::available_parallelism()?.get())?;
        Ok(Self {
            totalpages,
            tolerance: if major >= 7 { 64 * cpus } else { 0 },
            bystanders: Vec::new(),
            dying: Vec::new(),
        })
    }
}

/// Compares everything that both sides know.
pub fn with_report(episode: &Episode, report: &Report, basis: &Basis) -> Result<()> {
    let mut differences = Vec::new();
    invocation(episode, report, basis, &mut differences)?;
    candidates(episode, report, basis, &mut differences);
    choice(episode, report, &mut differences)?;
    verdict(&differences)
}

/// Fails with the list when it is not empty.
pub fn verdict(differences: &[String]) -> Result<()> {
    if differences.is_empty() {
        return Ok(());
    }
    let mut text = format!("{} differences from the kernel's report", differences.len());
    for difference in differences.iter().take(LISTED) {
        text.push('\n');
        text.push_str(difference);
    }
    bail!(text)
}

fn invocation(
    episode: &Episode,
    report: &Report,
    basis: &Basis,
    differences: &mut Vec<String>,
) -> Result<()> {
    let mut differ = |what: &str, ours: Option<i64>, kernels: i64| {
        if ours != Some(kernels) {
            differences.push(format!("{what}: {ours:?}, and {kernels} by the kernel"));
        }
    };
    let trigger = episode.trigger()?;
    let gfp_mask = episode.json["gfp_mask"]["raw"].as_i64();
    differ("gfp_mask", gfp_mask, report.gfp_mask.cast_signed());
    differ("order", episode.number("order")?, report.order.into());
    differ("totalpages", episode.number("totalpages")?, basis.totalpages.cast_signed());
    differ("trigger's oom_score_adj", trigger.oom_score_adj, report.trigger_adj.into());
    if let Some(tid) = report.trigger_tid {
        differ("trigger's thread", Some(trigger.tid.into()), tid.into());
    }
    if trigger.comm != report.trigger_comm {
        let (ours, kernels) = (trigger.comm.escape_ascii(), report.trigger_comm.escape_ascii());
        differences.push(format!("trigger: {ours}, and {kernels} by the kernel"));
    }
    Ok(())
}

fn candidates(episode: &Episode, report: &Report, basis: &Basis, differences: &mut Vec<String>) {
    let mut ours = BTreeMap::new();
    for candidate in &episode.candidates {
        let former = ours.insert(candidate.task.pid, candidate);
        if former.is_some() {
            differences.push(format!("{} is there twice", candidate.task.pid));
        }
    }
    for row in &report.rows {
        match ours.remove(&row.tgid) {
            Some(candidate) if basis.dying.contains(&candidate.task.pid) => {}
            Some(candidate) => one(candidate, row, basis, differences),
            None => differences.push(format!("{} ({}) is missing", row.tgid, row.name.escape_ascii())),
        }
    }
    // The table has neither init nor kernel threads nor anything without an mm, such as an earlier victim; the scan looks at all of them.
    for candidate in ours.values().filter(|candidate| !basis.dying.contains(&candidate.task.pid)) {
        let without_row = matches!(
            (candidate.verdict.as_str(), candidate.reason.as_deref()),
            ("passed_over", Some("kthread" | "init" | "reaped")) | ("unkillable", Some("no_mm"))
        );
        if !without_row {
            differences.push(format!(
                "{} ({}) is not in the kernel's table, yet {} {:?}",
                candidate.task.pid,
                candidate.task.comm.escape_ascii(),
                candidate.verdict,
                candidate.reason
            ));
        }
        if candidate.points.is_some() {
            differences.push(format!("{} has points, and no row in the table", candidate.task.pid));
        }
    }
}

fn one(candidate: &Candidate, row: &Row, basis: &Basis, differences: &mut Vec<String>) {
    let mut differ = |what: &str, ours: Option<i64>, kernels: i64, tolerance: i64| {
        if ours.is_none_or(|ours| (ours - kernels).abs() > tolerance) {
            differences.push(format!(
                "{} ({}) {what}: {ours:?}, and {kernels} by the kernel",
                row.tgid,
                row.name.escape_ascii()
            ));
        }
    };
    let memory = candidate.memory;
    // `memory_exact` says that the parts add up to the points, which approximate ones do now and then: what one counter has too
    // much, another has too little.
    let tolerance = basis.tolerance;
    differ("thread", Some(candidate.task.tid.into()), row.tid.into(), 0);
    differ("uid", candidate.task.uid, row.uid.into(), 0);
    differ("oom_score_adj", candidate.task.oom_score_adj, row.oom_score_adj.into(), 0);
    if !basis.bystanders.contains(&row.tgid) {
        differ("total_vm", candidate.total_vm_pages, row.total_vm, 0);
        differ("pgtables", memory.pgtables_bytes, row.pgtables_bytes, 0);
        differ("swap", memory.swap, row.swapents, tolerance);
        parts(memory, row, tolerance, &mut differ);
    }
    let explained = candidate.explained_memory_pages;
    // An earlier victim whose mm is still there has a row, but is not scored again.
    let reaped = candidate.verdict == "passed_over" && candidate.reason.as_deref() == Some("reaped");
    match formula::points(row, basis.totalpages) {
        Some(points) if !reaped && candidate.reason.as_deref() != Some("vfork") => {
            differ("points", candidate.points, points, 0);
            differ("memory by the points", explained, formula::memory_pages(row), 0);
        }
        _ if reaped && candidate.points.is_none() => {}
        _ => {
            if candidate.points.is_some() || candidate.verdict != "unkillable" {
                let points = candidate.points;
                differences
                    .push(format!("{} is not killable, yet {} with {points:?}", row.tgid, candidate.verdict));
            }
        }
    }
    if row.oom_score_adj == -1000 && candidate.reason.as_deref() != Some("adj_min") {
        differences
            .push(format!("{} is protected by -1000, yet its reason is {:?}", row.tgid, candidate.reason));
    }
    if candidate.task.tid == candidate.task.pid && candidate.task.comm != row.name {
        let (ours, kernels) = (candidate.task.comm.escape_ascii(), row.name.escape_ascii());
        differences.push(format!("{} is called {ours}, and {kernels} by the kernel", row.tgid));
    }
}

/// Resident memory, by kind where the table has kinds.
fn parts(memory: Memory, row: &Row, tolerance: i64, differ: &mut impl FnMut(&str, Option<i64>, i64, i64)) {
    if let Some(parts) = row.parts {
        differ("anon", memory.anon, parts.anon, tolerance);
        differ("file", memory.file, parts.file, tolerance);
        differ("shmem", memory.shmem, parts.shmem, tolerance);
    } else {
        differ("rss", memory.rss(), row.rss, tolerance);
    }
}

fn choice(episode: &Episode, report: &Report, differences: &mut Vec<String>) -> Result<()> {
    let Some(summary) = &report.summary else { return Ok(()) };
    match episode.chosen() {
        Some(chosen) => {
            if chosen.task.pid != summary.pid {
                differences.push(format!("chosen: {}, and {} by the kernel", chosen.task.pid, summary.pid));
            }
            let chosen_points = episode.number("chosen_points")?;
            if chosen.points.is_none() || chosen.points != chosen_points {
                differences.push(format!(
                    "chosen has {:?} points, chosen_points is {chosen_points:?}",
                    chosen.points
                ));
            }
        }
        None => differences.push(format!("nobody is chosen, and {} by the kernel", summary.pid)),
    }
    let logged = report.killed();
    let ours: Vec<i32> =
        episode.victims.iter().filter(|v| v.why != "shared_mm").map(|v| v.task.pid).collect();
    if ours != logged {
        differences.push(format!("victims: {ours:?}, and {logged:?} by the kernel"));
    }
    if episode.memcg != summary.oom_memcg.as_ref().map(|path| path.clone().into_bytes()) {
        differences.push(format!("memcg: {:?}, and {:?} by the kernel", episode.memcg, summary.oom_memcg));
    }
    let constraint = match summary.constraint.as_str() {
        "CONSTRAINT_NONE" => "none",
        "CONSTRAINT_CPUSET" => "cpuset",
        "CONSTRAINT_MEMORY_POLICY" => "mempolicy",
        "CONSTRAINT_MEMCG" => "memcg",
        other => bail!("the kernel has a constraint that is not known: {other}"),
    };
    if episode.string("constraint")? != constraint {
        differences
            .push(format!("constraint: {}, and {constraint} by the kernel", episode.string("constraint")?));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
