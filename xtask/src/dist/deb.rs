//! The Debian package, by cargo-deb, which is built into the cache the first time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Commit;
use crate::vm::initramfs::{SHIPPED, TARGET, target_dir};
use crate::{cache, run, workspace};

/// Its output is part of what is shipped.
const CARGO_DEB: &str = "3.8.0";

/// Makes the package of the static program, which is built already.
pub(super) fn make(out: &Path, commit: &Commit) -> Result<PathBuf> {
    let tool = cargo_deb()?;
    // By its path, not as `cargo deb`: the machine may have another one.
    let mut command = Command::new(tool);
    command.current_dir(workspace::root());
    command.args(["--quiet", "--locked", "--no-build", "--no-strip", "--package", "oomtrace"]);
    command.args(["--profile", SHIPPED, "--target", TARGET, "--output"]).arg(out);
    command.env("CARGO_TARGET_DIR", target_dir()).env("SOURCE_DATE_EPOCH", commit.time.to_string());
    run::check_quietly(&mut command).context("cannot make the .deb")?;
    let entries = std::fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("cargo-deb left no .deb")
}

fn cargo_deb() -> Result<PathBuf> {
    let folder = cache::folder(&format!("cargo-deb/{CARGO_DEB}"), |folder| {
        eprintln!("building cargo-deb {CARGO_DEB} (once, some minutes)");
        let mut cargo = run::cargo();
        cargo.args(["install", "cargo-deb", "--locked", "--quiet", "--version", CARGO_DEB]);
        run::check(cargo.arg("--root").arg(folder))
    })?;
    Ok(folder.join("bin/cargo-deb"))
}
