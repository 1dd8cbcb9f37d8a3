//! The commands of `docs/guide.md` and `README.md` that trace this machine (`sudo oomtrace …`): each starts, says that it waits or ends by
//! itself, sees an OOM, and ends in order. Those that read recordings are run by `oomtrace/tests/guide.rs`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::common::{MIB, waiting_hog};
use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::Stage;

const TEXTS: [&str; 2] = [include_str!("../../../docs/guide.md"), include_str!("../../../README.md")];

pub(super) fn run(stage: &Stage) -> Result<()> {
    let commands = commands();
    ensure!(commands.len() > 5, "only {} commands were found", commands.len());
    let cgroup = Cgroup::new("guide")?;
    for command in commands {
        run_one(stage, &cgroup, &command).with_context(|| format!("`{command}`"))?;
    }
    Ok(())
}

/// What stands behind `sudo` at the beginning of a line of code, without what the README says of it behind two spaces.
fn commands() -> BTreeSet<String> {
    let lines = TEXTS.iter().flat_map(|text| text.lines());
    lines
        .filter_map(|line| line.strip_prefix("$ ").unwrap_or(line).strip_prefix("sudo "))
        .filter(|command| command.starts_with("oomtrace "))
        .filter_map(|command| command.split("  ").next())
        // What reads the output is not ours.
        .filter_map(|command| command.split(" | ").next())
        .map(|command| command.trim().to_owned())
        .collect()
}

fn run_one(stage: &Stage, cgroup: &Cgroup, command: &str) -> Result<()> {
    let launch =
        Launch::of("sh").args(&["-c", &format!("mkdir -p /var/lib /guide && cd /guide && exec {command}")]);
    let running = stage.follow(launch)?;
    let waits = ["watch", "record"].iter().any(|word| command.starts_with(&format!("oomtrace {word}")));
    let finished = if waits {
        running.await_ready()?;
        let mut hog = waiting_hog(cgroup)?;
        cgroup.limit_above_usage(4 * MIB)?;
        hog.go()?;
        hog.wait_within(PATIENCE)?;
        running.end(Signal::INT)?
    } else {
        running.wait()?
    };
    ensure!(finished.code == Some(0), "ended with code {:?}: {}", finished.code, finished.stderr);
    // A recorder is quiet.
    ensure!(
        !finished.stdout.is_empty() || command.contains("record"),
        "it printed nothing: {}",
        finished.stderr
    );
    Ok(())
}
