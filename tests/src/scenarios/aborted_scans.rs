//! Several hogs in one cgroup: around each kill there are scans that stop at a victim still dying. As many episodes as kills
//! are shown; the aborted scans are counted in them.

use anyhow::{Result, ensure};

use super::common::{MIB, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;

const HOGS: usize = 5;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("aborted_scans")?;
    let mut hogs = (0..HOGS).map(|_| waiting_hog(&cgroup)).collect::<Result<Vec<_>>>()?;
    cgroup.limit_above_usage(24 * MIB)?;
    let watch = stage.watch(&[])?;
    for hog in &mut hogs {
        hog.go()?;
    }
    for hog in &mut hogs {
        hog.wait()?;
    }
    watch.await_episodes("a kill for each hog", HOGS, |episode| episode.outcome == "killed")?;
    let lines = watch.end_json(0)?;
    lines.lossless()?;

    ensure!(
        cgroup.oom_kills()? == u64::try_from(HOGS)?,
        "memory.events counts {} kills",
        cgroup.oom_kills()?
    );
    let outcomes: Vec<_> = lines.episodes.iter().map(|episode| episode.outcome.as_str()).collect();
    ensure!(outcomes == ["killed"; HOGS], "outcomes {outcomes:?}");
    let mut victims: Vec<i32> = lines.episodes.iter().flat_map(|episode| episode.victim_pids()).collect();
    victims.sort_unstable();
    let mut killed: Vec<i32> = hogs.iter().map(crate::harness::process::Running::pid).collect();
    killed.sort_unstable();
    ensure!(victims == killed, "victims {victims:?}, killed {killed:?}");
    // Every pass has a number, and those that are not shown have to be counted somewhere.
    let mut passes = 0;
    for episode in &lines.episodes {
        passes += 1
            + episode.folded("aborted_scans")?
            + episode.folded("already_exiting")?
            + episode.folded("repeats")?;
    }
    let last = lines.episodes.iter().map(|episode| episode.id).max().unwrap_or_default();
    ensure!(passes >= last, "{passes} passes are accounted for, and the last one shown has number {last}");
    Ok(())
}
