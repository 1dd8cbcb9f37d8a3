//! A cgroup of nothing but protected processes: the search finds nobody, again and again; no victim is invented.
//!
//! The memory is charged by writes to tmpfs, which fail; a page fault would be retried for ever.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::common::MIB;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::evidence::Comparison;
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::harness::view::Episode;
use crate::harness::{call_path, compare};
use crate::oracle::report::Report;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let tmpfs = Tmpfs::mount("/run-none-killable")?;
    let cgroup = Cgroup::new("none_killable")?;
    let (_idle, _) =
        Launch::guest("idle")?.args(&["5", "--adj", "-1000"]).adj(-1000).inside(&cgroup).start_ready()?;
    cgroup.limit_above_usage(4 * MIB)?;
    let watch = stage.watch(&[])?;
    let fill = Launch::guest("fill")?.args(&["--adj", "-1000"]).arg(tmpfs.directory.join("file")).arg("64");
    let (fill, verdict) = fill.adj(-1000).inside(&cgroup).start_ready()?;
    ensure!(verdict.contains("allocate memory"), "filling the cgroup ended with: {verdict}");
    let lines = watch.end_json(0)?;
    lines.lossless()?;

    let reports = stage.reports()?.reports;
    ensure!(!reports.is_empty(), "the kernel logged no report");
    ensure!(
        reports.iter().all(|report| report.none_killable && report.kills.is_empty()),
        "the kernel found somebody"
    );
    ensure!(cgroup.oom_kills()? == 0, "memory.events counts {} kills", cgroup.oom_kills()?);

    // Repeats may be folded; every report has to be accounted for.
    let mut passes = 0;
    for episode in &lines.episodes {
        ensure!(
            episode.is_of(cgroup.path()),
            "episode {} is of another cgroup: {:?}",
            episode.id,
            episode.memcg
        );
        ensure!(episode.outcome == "none_killable", "outcome {}", episode.outcome);
        ensure!(episode.victims.is_empty(), "victims {:?}", episode.victim_pids());
        ensure!(episode.chosen().is_none(), "{:?} is chosen", episode.chosen());
        passes += 1 + episode.folded("repeats")?;
        let mut ours: Vec<i32> = episode.candidates.iter().map(|candidate| candidate.task.pid).collect();
        ours.sort_unstable();
        let mut kernels: Vec<i32> = reports[0].rows.iter().map(|row| row.tgid).collect();
        kernels.sort_unstable();
        ensure!(ours == kernels, "candidates {ours:?}, and {kernels:?} by the kernel");
        for candidate in &episode.candidates {
            let verdict = (candidate.verdict.as_str(), candidate.reason.as_deref(), candidate.points);
            ensure!(
                verdict == ("unkillable", Some("adj_min"), None),
                "{} is {verdict:?}",
                candidate.task.pid
            );
        }
    }
    let logged = u64::try_from(reports.len())?;
    ensure!(passes == logged, "{passes} passes are accounted for, the kernel logged {logged}");
    ensure!(episode_trigger_is(&lines.episodes, fill.pid())?, "the trigger is not the one that fills");
    evidence(stage, lines.episodes.first().context("there is no episode")?, &reports[0])
}

/// Nobody was chosen, and the situation was captured all the same, when the kernel began its report.
fn evidence(stage: &Stage, episode: &Episode, report: &Report) -> Result<()> {
    let mut comparison = Comparison::new()?;
    // The line that tells of these is only printed with a victim. The guest has one node; the trigger's cpuset is its cgroup, or
    // the root where each controller has a hierarchy of its own.
    let cpuset = if Version::of_guest()? == Version::One { "/" } else { "none_killable" };
    let mut told = report.details.clone();
    told.nodemask = Some("(null)".into());
    told.cpuset = Some(cpuset.into());
    told.mems_allowed = Some("0".into());
    comparison.situation(episode, &told)?;
    compare::verdict(&comparison.differences)?;
    let zones = episode.json["memory"]["zones"].as_array();
    ensure!(zones.is_some_and(|zones| !zones.is_empty()), "no zones: {}", episode.json["memory"]);
    let path = call_path::compared(episode, &report.details, stage.flavour())?;
    ensure!(path.iter().any(|name| name == "vfs_write"), "a write to tmpfs: {path:?}");
    Ok(())
}

fn episode_trigger_is(episodes: &[Episode], pid: i32) -> Result<bool> {
    let first = episodes.first().context("there is no episode")?;
    Ok(first.trigger()?.pid == pid)
}

/// A tmpfs of the scenario's own.
struct Tmpfs {
    directory: PathBuf,
}

impl Tmpfs {
    fn mount(directory: &str) -> Result<Self> {
        std::fs::create_dir_all(directory).with_context(|| format!("failed to make {directory}"))?;
        mount("tmpfs", directory, "tmpfs", MountFlags::empty(), None)
            .with_context(|| format!("failed to mount a tmpfs on {directory}"))?;
        Ok(Self { directory: directory.into() })
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Detached: a process with an open file there may still be about to end.
        if let Err(error) = unmount(&self.directory, UnmountFlags::DETACH) {
            eprintln!("failed to unmount {}: {error}", self.directory.display());
        }
    }
}
