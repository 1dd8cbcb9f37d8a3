//! Reads of `/proc/*/oom_score` run the kernel's scorer outside any OOM: they must not show up, neither by themselves nor as
//! candidates of an OOM that happens meanwhile.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::{Launch, Running};
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

/// Reads before the OOM, and again after it.
const READS: u64 = 2_000;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("no_phantoms")?;
    let _crowd = crowd(&cgroup, 50)?;
    let mut hog = waiting_hog(&cgroup)?;
    let totalpages = cgroup.limit_above_usage(4 * MIB)? / PAGE_BYTES;
    // The readers come after the probes and go before them: an emulated machine with two CPUs now and then crashes when a
    // function's first instruction is patched while the other CPU runs it without a pause.
    let watch = stage.watch(&[])?;
    let (mut reader, _) = Launch::guest("read-scores")?.start_ready()?;

    let before = reads(&mut reader, 0)?;
    let quiet = reads(&mut reader, before + READS)?;
    let early = watch.stdout.text();
    ensure!(!early.contains("\"episode\""), "there is an episode without any OOM: {early}");

    hog.go()?;
    watch.await_episode("among the reads", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    reads(&mut reader, quiet + READS)?;
    drop(reader);
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("among the reads", |report| report.is_of(cgroup.path()))?;
    compare::with_report(episode, &report, &Basis::new(totalpages)?)?;
    let evaluated = i64::try_from(report.rows.len())?;
    ensure!(episode.number("evaluated")? == Some(evaluated), "evaluated {:?}", episode.number("evaluated")?);
    Ok(())
}

/// Waits until there were `wanted` reads; returns how many there are.
fn reads(reader: &mut Running, wanted: u64) -> Result<u64> {
    loop {
        let reads = reader.line()?.parse().context("read-scores said no number")?;
        if reads >= wanted {
            return Ok(reads);
        }
    }
}
