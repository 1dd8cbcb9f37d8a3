//! The guest root with Debian's systemd, for the tests of the unit: its packages with all dependencies, unpacked below [`PLACE`].

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::apt::Suite;
use crate::cache;
use crate::vm::tree;

/// Where the guest finds it: `tests/src/scenarios/systemd` knows it too.
const PLACE: &str = "systemd";
const SUITE: &str = "bookworm";
/// Raised when the content changes, so that an old one in the cache is not taken for a new one.
const EDITION: u32 = 2;
/// systemd; and what it takes to install a package: programs that dpkg runs, and the shell and the helper of a package's scripts.
const PACKAGES: &[&str] = &[
    "systemd",
    "dpkg",
    "tar",
    "coreutils",
    "dash",
    "diffutils",
    "libc-bin",
    "sed",
    "init-system-helpers",
    "perl-base",
];

/// The archive, downloaded and made the first time.
pub(super) fn archive() -> Result<PathBuf> {
    let folder = cache::folder(&format!("systemd/{SUITE}-{EDITION}"), fill).context("cannot get systemd")?;
    Ok(folder.join("root.cpio"))
}

fn fill(folder: &Path) -> Result<()> {
    let suite = Suite::fetch(SUITE)?;
    let root = folder.join("tree");
    tree::merged_usr(&root)?;
    suite.unpack_all(&suite.closure(PACKAGES)?, &root)?;
    tree::pack(&root, PLACE, &folder.join("root.cpio"))?;
    fs::remove_dir_all(&root).context("cannot tidy up")
}
