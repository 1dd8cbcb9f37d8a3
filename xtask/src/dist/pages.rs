//! Man pages and completions, by the workspace's `packaging` program.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{run, workspace};

/// Writes them where the .deb's metadata looks for them, and tells where that is: `man/` and `completions/` are in it.
pub(crate) fn write(date: &str) -> Result<PathBuf> {
    let folder = workspace::target().join("packaging");
    let mut cargo = run::cargo();
    cargo.args(["run", "--locked", "--quiet", "--package", "oomtrace-packaging", "--"]);
    run::check(cargo.arg(&folder).args(["--date", date]))
        .context("cannot write man pages and completions")?;
    Ok(folder)
}
