//! The Debian package, by cargo-deb, which is built into the cache the first time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Commit, pages};
use crate::arch::Arch;
use crate::vm::initramfs::{PROFILE, SHIPPED, target_dir};
use crate::{cache, run, workspace};

/// Its output is part of what is shipped.
const CARGO_DEB: &str = "3.8.0";

/// Makes the package of the static program of a release, which is built already, as man pages and completions are.
pub(super) fn make(out: &Path, arch: Arch, commit: &Commit) -> Result<PathBuf> {
    package(&cargo_deb()?, arch, SHIPPED, out, commit)
}

/// The package with the program that guests have in its place, which is quicker to build and built already. `None`, with why: there is no
/// cargo-deb to be had.
///
/// # Errors
///
/// The package cannot be made.
pub(crate) fn for_guests() -> Result<Option<PathBuf>> {
    let tool = match cargo_deb() {
        Ok(tool) => tool,
        Err(error) => {
            println!("there is no package to install in guests: {error:#}");
            return Ok(None);
        }
    };
    let commit = Commit::read()?;
    pages::write(&commit.date)?;
    let out = workspace::target().join("vm/package");
    if out.exists() {
        std::fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    package(&tool, Arch::X86_64, PROFILE, &out, &commit).map(Some)
}

/// `tool`: run by its path, not as `cargo deb`, as the machine may have another one.
fn package(tool: &Path, arch: Arch, profile: &str, out: &Path, commit: &Commit) -> Result<PathBuf> {
    let mut command = Command::new(tool);
    command.current_dir(workspace::root());
    command.args(["--quiet", "--locked", "--no-build", "--no-strip", "--package", "oomtrace"]);
    command.args(["--profile", profile, "--target", arch.target(), "--output"]).arg(out);
    command.env("CARGO_TARGET_DIR", target_dir()).env("SOURCE_DATE_EPOCH", commit.time.to_string());
    run::check_quietly(&mut command).context("cannot make the .deb")?;
    let entries = std::fs::read_dir(out).with_context(|| format!("cannot read {}", out.display()))?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.to_string_lossy().ends_with(&format!("_{}.deb", arch.debian())))
        .context("cargo-deb left no .deb")
}

fn cargo_deb() -> Result<PathBuf> {
    let folder = cache::folder(&format!("cargo-deb/{CARGO_DEB}"), |folder| {
        eprintln!("building cargo-deb {CARGO_DEB} (once, some minutes)");
        let mut cargo = run::cargo();
        cargo.args(["install", "cargo-deb", "--locked", "--quiet", "--version", CARGO_DEB]);
        // It runs for a second: what it is compiled for is to be compiled soon.
        cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
        run::check(cargo.arg("--root").arg(folder))
    })?;
    Ok(folder.join("bin/cargo-deb"))
}
