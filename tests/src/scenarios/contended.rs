//! OOMs while other processors are busy making records of their own: what is told of an episode does not wait for theirs, and
//! none of it is lost.
//!
//! Where a kprobe is a breakpoint, its program runs as if in an NMI, and must not wait for the lock of a ring that another
//! processor writes to: what it has to tell would be lost.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::common::{MIB, ledger};
use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::{Launch, wait_child};
use crate::harness::stage::Stage;
use crate::harness::watch::Lines;

const OOMS: usize = 60;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("contended")?;
    cgroup.limit(4 * MIB)?;
    let watch = stage.watch(&[])?;
    // As many as there are processors: whichever the OOM is on, there is another one that writes.
    let writers = (0..2).map(|_| Launch::guest("adjust")?.start_ready()).collect::<Result<Vec<_>>>()?;
    let mut killed = Vec::new();
    for _ in 0..OOMS {
        let mut hog = Launch::guest("hog")?
            .inside(&cgroup)
            .command()?
            .stdout(Stdio::null())
            .spawn()
            .context("failed to start a hog")?;
        wait_child(&mut hog, PATIENCE).context("while waiting for a hog to be killed")?;
        killed.push(hog.id().cast_signed());
    }
    watch.await_episodes("one a hog", OOMS, |episode| episode.outcome == "killed")?;
    drop(writers);
    // The writers' own records may be more than there is room for, which is counted and nothing of an episode's.
    let lines = Lines::read(&watch.end(Signal::INT)?.stdout)?;
    for episode in &lines.episodes {
        let lost = episode.losses()?;
        ensure!(lost.is_empty(), "something of episode {} was lost ({lost})", episode.id);
    }

    let victims: Vec<i32> = lines.episodes.iter().flat_map(|episode| episode.victim_pids()).collect();
    ensure!(victims == killed, "victims {victims:?}, killed {killed:?}");
    for episode in &lines.episodes {
        for victim in episode.json["victims"].as_array().context("victims are no list")? {
            ensure!(
                victim["released_boot_ns"].is_u64() && victim["exited_boot_ns"].is_u64(),
                "not seen to its end: {victim}"
            );
        }
    }
    let told = ledger(&lines.end)?;
    let expected = OOMS as u64;
    ensure!((told.counted, told.captured, told.missed) == (Some(expected), expected, Some(0)), "{told:?}");
    Ok(())
}
