//! The chosen one has been killed by somebody else and has not got to the end of its exit: the kernel marks it, and neither logs nor
//! counts it. The ledger has it.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::common::{MIB, ledger};
use crate::harness::cgroup::Cgroup;
use crate::harness::held::Held;
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::counters;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("already_exiting")?;
    let victim = Launch::guest("hog")?.args(&["--hold", "16384", "--adj", "1000"]);
    let (mut victim, _) = victim.inside(&cgroup).start_ready()?;
    let (mut hog, _) = Launch::guest("hog")?.arg("--wait").inside(&cgroup).start_ready()?;
    cgroup.limit_above_usage(4 * MIB)?;
    let kills = counters::oom_kills()?;
    let watch = stage.watch(&[])?;
    let held = Held::at_exit(victim.pid())?;
    kill_process(Pid::from_raw(victim.pid()).context("a process has an id")?, Signal::KILL)
        .context("failed to kill the victim")?;
    held.await_stop()?;
    hog.go()?;
    // Until the reaper comes, every scan stops at the one that is marked; then it is the hog's turn.
    hog.wait()?;
    drop(held);
    victim.wait()?;
    watch.await_episode("of the dying one", |episode| episode.victim_pids() == [victim.pid()])?;
    watch.await_episode("of the hog", |episode| episode.victim_pids() == [hog.pid()])?;
    let lines = watch.end_json(0)?;
    lines.lossless()?;

    let dying = lines.episodes.iter().find(|episode| episode.victim_pids() == [victim.pid()]);
    let dying = dying.context("it has no episode")?;
    ensure!(dying.outcome == "already_exiting", "outcome {}", dying.outcome);
    ensure!(dying.victims[0].why == "exiting", "it is there as {}", dying.victims[0].why);
    ensure!(
        dying.chosen().is_some_and(|chosen| chosen.task.pid == victim.pid()),
        "chosen: {:?}",
        dying.chosen()
    );
    let logged = stage.logged("Killed process")?;
    ensure!(
        logged.iter().all(|line| !line.contains(&format!("process {} ", victim.pid()))),
        "the log has {logged:?}"
    );
    let counted = counters::oom_kills()? - kills;
    let ledger = ledger(&lines.end)?;
    ensure!(ledger.counted == Some(counted) && counted == 1, "{ledger:?}, /proc/vmstat counts {counted}");
    ensure!((ledger.captured, ledger.missed, ledger.exiting) == (1, Some(0), 1), "{ledger:?}");
    Ok(())
}
