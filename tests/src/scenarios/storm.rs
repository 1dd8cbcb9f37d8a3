//! A hundred OOMs in as many cgroups, five a second (or as fast as the guest can): every kill has its episode, none twice,
//! and nothing is lost.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, ledger};
use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::{Launch, wait_child};
use crate::harness::stage::Stage;
use crate::oracle::counters;

const OOMS: u32 = 100;
const INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroups =
        (0..OOMS).map(|index| Cgroup::new(&format!("storm_{index}"))).collect::<Result<Vec<_>>>()?;
    for cgroup in &cgroups {
        cgroup.limit(4 * MIB)?;
    }
    let kills = counters::oom_kills()?;
    let watch = stage.watch(&[])?;
    let started = Instant::now();
    let mut hogs = Vec::new();
    for (index, cgroup) in (0..).zip(&cgroups) {
        let hog = Launch::guest("hog")?.inside(cgroup).command()?.stdout(Stdio::null()).spawn();
        hogs.push(hog.context("failed to start a hog")?);
        // The rate is what is asked for; a guest that is too slow simply gets them one after another.
        std::thread::sleep((INTERVAL * (index + 1)).saturating_sub(started.elapsed()));
    }
    for hog in &mut hogs {
        wait_child(hog, PATIENCE).context("while waiting for a hog to be killed")?;
    }
    watch.await_episodes("one per cgroup", cgroups.len(), |episode| episode.outcome == "killed")?;
    let lines = watch.end_json(0)?;
    lines.lossless()?;

    for (cgroup, hog) in cgroups.iter().zip(&hogs) {
        let victims: Vec<i32> =
            lines.of(cgroup.path()).iter().flat_map(|episode| episode.victim_pids()).collect();
        let counted = cgroup.oom_kills()?;
        ensure!(counted == 1, "{} counts {counted} kills", cgroup.path());
        ensure!(
            victims == [hog.id().cast_signed()],
            "victims in {}: {victims:?}, killed {}",
            cgroup.path(),
            hog.id()
        );
    }
    ensure!(lines.episodes.len() == cgroups.len(), "{} episodes of {OOMS} kills", lines.episodes.len());
    let told = ledger(&lines.end)?;
    let expected = u64::from(OOMS);
    ensure!(
        (told.counted, told.captured, told.missed, told.processes)
            == (Some(expected), expected, Some(0), expected),
        "{told:?}"
    );
    let counted = counters::oom_kills()? - kills;
    ensure!(counted == u64::from(OOMS), "/proc/vmstat counts {counted} kills of {OOMS}");
    Ok(())
}
