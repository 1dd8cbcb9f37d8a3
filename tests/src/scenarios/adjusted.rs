//! Somebody else writes a process's `oom_score_adj` before the OOM that kills it: the episode tells who, when and what.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, only_episode};
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::Stage;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("adjusted")?;
    let (mut hog, _) =
        Launch::guest("hog")?.args(&["--wait", "--adj", "100"]).inside(&cgroup).start_ready()?;
    let (bystander, _) = Launch::guest("hog")?.args(&["--hold", "256"]).inside(&cgroup).start_ready()?;
    // Not in the cgroup, and no candidate: its changes are not this episode's.
    let (stranger, _) = Launch::guest("hog")?.args(&["--hold", "64"]).start_ready()?;
    cgroup.limit_above_usage(4 * MIB)?;
    let watch = stage.watch(&[])?;
    let written = [(hog.pid(), 300), (stranger.pid(), 17), (bystander.pid(), -250), (hog.pid(), 700)];
    for (pid, value) in written {
        std::fs::write(format!("/proc/{pid}/oom_score_adj"), value.to_string())
            .with_context(|| format!("failed to adjust {pid}"))?;
    }
    hog.go()?;
    watch.await_episode("of the adjusted hog", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let changes = episode.json["adj_changes"].as_array().context("there are no adj_changes")?;
    let told: Vec<_> =
        changes.iter().map(|change| (change["tid"].as_i64(), change["oom_score_adj"].as_i64())).collect();
    let expected: Vec<_> = written
        .iter()
        .filter(|(pid, _)| *pid != stranger.pid())
        .map(|(pid, value)| (Some(i64::from(*pid)), Some(i64::from(*value))))
        .collect();
    ensure!(told == expected, "told {told:?}, written {expected:?}");
    let own =
        std::fs::read_to_string("/proc/thread-self/comm").context("failed to read the harness's name")?;
    let entered = episode.json["boot_ns"].as_u64().context("no time of entry")?;
    for change in changes {
        ensure!(change["by_pid"].as_u64() == Some(u64::from(std::process::id())), "written by {change}");
        ensure!(change["by_comm"].as_str() == Some(own.trim()), "written by {change}, not {own:?}");
        ensure!(change["boot_ns"].as_u64().is_some_and(|ns| ns < entered), "{change}, entered at {entered}");
    }
    let chosen = episode.chosen().context("nobody is chosen")?;
    ensure!(chosen.task.oom_score_adj == Some(700), "chosen with {:?}", chosen.task.oom_score_adj);
    Ok(())
}
