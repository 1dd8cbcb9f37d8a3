//! What would have happened, said by `oomtrace explain --what-if`, against what does happen: each OOM is recorded, and made a second
//! time with the change really made.
//!
//! - [`case`]: an OOM and what is changed about it;
//! - [`generate`]: from a seed to a case;
//! - [`prediction`]: what explain says.
//!
//! The second run is judged by the kernel's log alone. Processes are the same ones when they have the same place in the case, as their
//! ids differ. How much two runs differ is measured where nothing was changed, and must be far less than what decides.

mod case;
mod generate;
mod prediction;

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use self::case::{Case, Change, Goes, KINDS};
use self::prediction::Prediction;
use super::play::pace::Pace;
use super::play::spec::{Spec, Trigger, comm};
use super::play::stage::{Machine, Play};
use super::replay_identical::Scratch;
use crate::harness::PATIENCE;
use crate::harness::stage::{Flavour, Stage};
use crate::harness::watch::{Mark, Watch};
use crate::oracle::formula;
use crate::oracle::kmsg::KernelLog;
use crate::oracle::report::Reports;

/// Pages by which the same process of two runs may differ; a third of the least that decides.
const NOISE: i64 = 256;

/// What the first run left.
struct First {
    /// The episode in the recording.
    id: u64,
    /// Process id to place in the case.
    pids: BTreeMap<i32, usize>,
    /// The victim's place.
    victim: usize,
    /// What the growing member had grown by, KiB.
    grown_kb: u64,
    /// Memory of each place, pages, as far as the kernel's table told.
    memory: BTreeMap<usize, i64>,
}

/// What the second run showed.
struct Second {
    /// The first victim's place; `None` when nobody died.
    victim: Option<usize>,
    /// As above.
    memory: BTreeMap<usize, i64>,
}

#[derive(Debug, Default)]
struct Tally {
    cases: usize,
    others: usize,
    nobody: usize,
    compared: usize,
    noise: i64,
}

pub(super) fn run(stage: &Stage) -> Result<()> {
    let machine = Machine::look()?;
    let flavour = usize::from(stage.flavour() == Flavour::Kprobe);
    let first_seed = u64::from(machine.release.0) * 100_000 + u64::from(machine.release.1) * 1000;
    let cases: Vec<Case> = (0..KINDS.len())
        .filter(|number| number % 2 == flavour)
        .map(|number| (number, first_seed + number as u64))
        .filter(|(_, seed)| stage.seed().is_none_or(|wanted| wanted == *seed))
        .map(|(number, seed)| generate::generate(seed, number))
        .collect();

    let file = Scratch::new("what_if.oomtrace")?;
    let mut pace = Pace::default();
    let watch = stage.watch(&["-o", file.text()?])?;
    let mut mark = Mark::default();
    let mut firsts = Vec::new();
    for case in &cases {
        pace.wait_for_room(false);
        let first = first(&case.spec, &machine, &watch, &mut mark, &mut pace);
        firsts.push(first.with_context(|| format!("recording {case:?}"))?);
    }
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(0), "oomtrace ended with {:?}: {}", finished.code, finished.stderr.trim());

    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for (case, first) in cases.iter().zip(&firsts) {
        let result = compare(case, first, stage, &machine, file.text()?, &mut pace, &mut tally);
        if let Err(error) = result {
            failures.push(format!("seed {}: {error:#}\nit was {case:?}", case.spec.seed));
        }
    }
    println!("  {}: {tally}", stage.flavour());
    if !failures.is_empty() {
        bail!("{} cases failed\n{}", failures.len(), failures.join("\n"));
    }
    ensure!(tally.noise <= NOISE, "two runs of the same differ by {} pages, more than {NOISE}", tally.noise);
    Ok(())
}

/// Makes the OOM while it is recorded.
fn first(spec: &Spec, machine: &Machine, watch: &Watch, mark: &mut Mark, pace: &mut Pace) -> Result<First> {
    let mut log = KernelLog::from_now()?;
    let mut play = Play::set_up(spec, machine)?;
    until_killed(&mut play, spec, &mut log)?;
    let pids = play.pids().clone();
    drop(play);
    let reports = reports(&mut log, pace)?;
    let killed = first_killed(&reports).context("the kernel killed nobody")?;
    let wanted = |episode: &crate::harness::view::Episode| episode.victim_pids().first() == Some(&killed);
    let episode = watch.await_more(mark, "of this case", 1, wanted)?.pop().context("one was asked for")?;
    let growing = spec.members.iter().position(|member| member.grow_kb.is_some());
    let grown_kb = match growing {
        Some(at) => {
            let candidate = episode.candidates.iter().find(|one| pids.get(&one.task.pid) == Some(&at));
            let pages =
                candidate.and_then(|one| one.memory.anon).context("how far it has grown is not known")?;
            u64::try_from(pages)?.saturating_mul(4).saturating_sub(spec.members[at].anon_kb)
        }
        None => 0,
    };
    let victim = *pids.get(&killed).with_context(|| format!("the victim {killed} is no member"))?;
    let memory = memory(&reports, &pids);
    Ok(First { id: episode.id, pids, victim, grown_kb, memory })
}

/// Asks what the change would have made of it, makes it so, and compares.
fn compare(
    case: &Case,
    first: &First,
    stage: &Stage,
    machine: &Machine,
    file: &str,
    pace: &mut Pace,
    tally: &mut Tally,
) -> Result<()> {
    let pid_of = |member: usize| {
        first.pids.iter().find(|(_, at)| **at == member).map(|(pid, _)| *pid).context("it was not there")
    };
    let change = match case.change {
        Change::Adj { member, adj } => format!("adj:{}={adj}", pid_of(member)?),
        Change::Limit { kb } => format!("limit={}", kb * 1024),
        Change::Kill { member } => format!("kill:{}", pid_of(member)?),
    };
    let predicted = Prediction::ask(stage, file, first.id, &change)?;
    pace.wait_for_room(false);
    let second = second(case, first, machine, pace)?;
    let name = |at: Option<usize>| at.map_or_else(|| "nobody".to_owned(), comm);
    let place = |pid: Option<i64>| {
        pid.and_then(|pid| i32::try_from(pid).ok()).and_then(|pid| first.pids.get(&pid).copied())
    };
    let expected = match case.goes {
        Goes::AsFar => {
            ensure!(predicted.result == "no_kill", "{change} should have been no_kill: {}", predicted.json);
            None
        }
        Goes::On if predicted.result == "kill" && predicted.then.is_none() => place(predicted.victim),
        Goes::On => place(predicted.then),
    };
    ensure!(
        expected == second.victim,
        "with {change} {} should have died, and {} did; {} died without it; explain said {}",
        name(expected),
        name(second.victim),
        name(Some(first.victim)),
        predicted.json
    );
    tally.cases += 1;
    tally.nobody += usize::from(second.victim.is_none());
    tally.others += usize::from(second.victim.is_some_and(|victim| victim != first.victim));
    for (at, pages) in &second.memory {
        // The growing one grows to another size when anything else changes.
        let grows = case.spec.members.get(*at).is_some_and(|member| member.grow_kb.is_some());
        if let Some(before) = first.memory.get(at).filter(|_| !grows) {
            tally.compared += 1;
            tally.noise = tally.noise.max((pages - before).abs());
        }
    }
    Ok(())
}

/// Makes the OOM with the change made.
fn second(case: &Case, first: &First, machine: &Machine, pace: &mut Pace) -> Result<Second> {
    let spec = case.changed(first.grown_kb);
    let mut log = KernelLog::from_now()?;
    let mut play = Play::set_up(&spec, machine)?;
    match case.goes {
        Goes::On => until_killed(&mut play, &spec, &mut log)?,
        Goes::AsFar => play.grow()?,
    }
    let pids = play.pids().clone();
    drop(play);
    let reports = reports(&mut log, pace)?;
    let victim = match first_killed(&reports) {
        Some(pid) => Some(*pids.get(&pid).with_context(|| format!("the victim {pid} is no member"))?),
        None => None,
    };
    Ok(Second { victim, memory: memory(&reports, &pids) })
}

/// Goes on until the kernel has killed somebody: what comes after the first kill is not looked at.
fn until_killed(play: &mut Play<'_>, spec: &Spec, log: &mut KernelLog) -> Result<()> {
    if spec.trigger == Trigger::Sysrq {
        return play.make_oom(log).map(drop);
    }
    play.go()?;
    log.wait_for(": Killed process ", PATIENCE)
}

fn reports(log: &mut KernelLog, pace: &mut Pace) -> Result<Reports> {
    let reports = Reports::parse(log.records()?.iter().map(|record| record.message.as_slice()))?;
    pace.reported(reports.reports.len());
    Ok(reports)
}

/// Process id of the first that the kernel killed. No member's leader exits before it, so the log's thread id is the process id.
fn first_killed(reports: &Reports) -> Option<i32> {
    let reported = reports.reports.iter().flat_map(|report| &report.kills);
    reported.chain(&reports.bare_kills).map(|kill| kill.tid).next()
}

/// The memory part of each member's points by the kernel's first table.
fn memory(reports: &Reports, pids: &BTreeMap<i32, usize>) -> BTreeMap<usize, i64> {
    let rows = reports.reports.first().map(|report| report.rows.as_slice()).unwrap_or_default();
    rows.iter().filter_map(|row| Some((*pids.get(&row.tgid)?, formula::memory_pages(row)))).collect()
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cases as predicted: in {} nobody died, in {} somebody else than in the recording; {} processes of two runs compared, \
             largest difference {} pages",
            self.cases, self.nobody, self.others, self.compared, self.noise
        )
    }
}
