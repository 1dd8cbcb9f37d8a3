//! OOMs made from seeds: whatever the mixture of processes, limits and triggers, the kernel's points are recomputed and the
//! kernel's victim is the one that the formula names.
//!
//! - [`generate`]: from a seed to a case ([`super::play`] makes it real);
//! - [`check`]: every kill of it against the kernel's report, and the count of what was compared;
//! - [`imported`]: the kernel's log of all of them, imported, against what was traced.
//!
//! Afterwards `oomtrace explain` makes each choice again from the recording, and has to name the victim too.
//!
//! One watch runs over all cases of a flavour. `guest test --group seeded --filter random --seed N` runs one again; a failure prints
//! its seed and what it consisted of.

mod check;
mod generate;
mod imported;

use anyhow::{Context as _, Result, bail};

use self::check::Tally;
use super::play::pace::Pace;
use super::play::spec::Spec;
use super::play::stage::{Machine, Play};
use super::replay_identical::Scratch;
use crate::harness::explain::explain;
use crate::harness::stage::{Flavour, Stage};
use crate::harness::watch::{Mark, Watch};
use crate::oracle::kmsg::KernelLog;
use crate::oracle::report::Reports;

/// Cases on one kernel; each flavour gets half of them.
const CASES: u64 = 52;
/// Failed cases after which the rest is not tried.
const ENOUGH_FAILURES: usize = 3;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let machine = Machine::look()?;
    let seeds: Vec<u64> = match stage.seed() {
        Some(seed) => vec![seed],
        None => {
            let flavour = u64::from(stage.flavour() == Flavour::Kprobe);
            (0..CASES).filter(|case| case % 2 == flavour).map(|case| first_seed(&machine) + case).collect()
        }
    };
    let file = Scratch::new("random.oomtrace")?;
    let watch = stage.watch(&["-o", file.text()?])?;
    let mut mark = Mark::default();
    let mut pace = Pace::default();
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    let mut logged = Vec::new();
    for &seed in &seeds {
        let spec = generate::generate(seed);
        pace.wait_for_room(spec.many_kills());
        let result = case(&spec, &machine, &watch, &mut mark, &mut pace, &mut tally, &mut logged);
        if let Err(error) = result {
            failures.push(format!("seed {seed}: {error:#}\nit was {spec:?}"));
            if failures.len() == ENOUGH_FAILURES {
                break;
            }
        }
    }
    let lines = watch.end_json(0)?;
    if failures.is_empty() {
        for episode in lines.episodes.iter().filter(|episode| episode.outcome == "killed") {
            let said = explain(stage, file.text()?, episode.id, &[])?;
            tally.explained(episode, &said)?;
        }
    }
    println!("  {}: {tally}", stage.flavour());
    if failures.is_empty() {
        let (episodes, fields) = imported::check(stage, &logged, file.text()?)?;
        println!("  {}: {episodes} episodes as the log has them, {fields} fields", stage.flavour());
    }
    if !failures.is_empty() {
        bail!("{} cases failed\n{}", failures.len(), failures.join("\n"));
    }
    lines.lossless()?;
    tally.verdict(seeds.len(), &lines)
}

/// Every kernel has cases of its own.
fn first_seed(machine: &Machine) -> u64 {
    let (major, minor) = machine.release;
    u64::from(major) * 100_000 + u64::from(minor) * 1000
}

fn case(
    spec: &Spec,
    machine: &Machine,
    watch: &Watch,
    mark: &mut Mark,
    pace: &mut Pace,
    tally: &mut Tally,
    logged: &mut Vec<u8>,
) -> Result<()> {
    let mut log = KernelLog::from_now()?;
    let mut play = Play::set_up(spec, machine).context("setting up")?;
    let totalpages = play.make_oom(&mut log).context("making the OOM")?;
    imported::keep(logged, log.records()?);
    let reports = Reports::parse(log.records()?.iter().map(|record| record.message.as_slice()))?;
    pace.reported(reports.reports.len());
    let kills =
        reports.reports.iter().map(|report| report.kills.len()).sum::<usize>() + reports.bare_kills.len();
    let episodes = watch.await_more(mark, "of this case", kills, |episode| {
        episode.victims.iter().any(|victim| victim.why == "chosen")
    })?;
    let mut bystanders = play.bystanders();
    bystanders.push(watch.pid());
    check::case(spec, &episodes, &reports, totalpages, bystanders, tally)
}
