//! Machines that do not allow it: each gets exit code 3 and a message of its own.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};

/// Without root and without capabilities.
pub(super) fn no_root(stage: &Stage) -> Result<()> {
    let said = refused(stage, Launch::of(OOMTRACE).args(&["watch", "--json"]).as_nobody())?;
    ensure!(
        said.contains("root") || said.contains("CAP_"),
        "the message names neither root nor a capability: {said}"
    );
    Ok(())
}

/// On a kernel without type information, when hooks on functions are asked for.
pub(super) fn no_btf(stage: &Stage) -> Result<()> {
    ensure!(Path::new("/sys/kernel/btf/vmlinux").exists(), "this kernel has no BTF anyway");
    let watch = Launch::of(OOMTRACE).args(&["watch", "--json", "--attach", "kprobe"]);
    let said = refused(stage, watch.hiding("/sys/kernel/btf"))?;
    ensure!(said.contains("BTF"), "the message does not name BTF: {said}");
    ensure!(said.contains("--btf"), "the message does not say what to do: {said}");
    Ok(())
}

fn refused(stage: &Stage, launch: Launch) -> Result<String> {
    let finished = stage.follow(launch)?.wait()?;
    ensure!(finished.code == Some(3), "exit code {:?}, not 3: {}", finished.code, finished.stderr.trim());
    ensure!(finished.stdout.is_empty(), "standard output is not empty");
    ensure!(!finished.stderr.contains("panicked"), "it panicked: {}", finished.stderr);
    Ok(finished.stderr)
}
