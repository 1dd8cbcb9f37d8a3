//! `oomtrace/ebpf/SOURCES.sha256`: what the committed objects were built from, so that a plain `cargo test` fails when
//! somebody changes the sources and forgets to rebuild, without any BPF tool.
//!
//! The file has one line a fact, sorted within each kind:
//!
//! ```text
//! # comment
//! rustc …                      toolchain, for the reader: not compared, `build-ebpf --check` proves the bytes
//! bpf-linker …
//! object  <sha256>  <file>     an object itself, compared
//! part    <sha256>  <name>     a part of a file, or the recipe, compared
//! source  <sha256>  <path>     a whole file, path relative to the checkout, compared
//! ```
//!
//! Sources are all `*.rs` and `Cargo.toml` below the eBPF crate and the crate that it shares with the collector. The
//! parts are the profiles in the root manifest (without comments), the edition, the locked versions of the registry
//! crates that the objects contain, and the flags in this program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::{FOLDER, PROFILE, TARGET, file, flags, lockfile};
use crate::arch::Arch;

/// The folders whose files are sources.
const FOLDERS: &[&str] = &["oomtrace-common", "oomtrace-ebpf"];

/// The record's place in a checkout.
const FILE: &str = "oomtrace/ebpf/SOURCES.sha256";

/// The record of this checkout.
pub(super) fn record() -> PathBuf {
    crate::workspace::root().join(FILE)
}

/// What is compared, the objects apart: (kind, name) to digest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record(BTreeMap<(String, String), String>);

impl Record {
    /// Computes it from a checkout.
    pub(super) fn of_tree(root: &Path) -> Result<Self> {
        let mut lines = BTreeMap::new();
        let mut add = |kind: &str, name: &str, bytes: &[u8]| {
            lines.insert((kind.to_owned(), name.to_owned()), sha256(bytes));
        };
        for folder in FOLDERS {
            let mut paths = Vec::new();
            collect(&root.join(folder), &mut paths)?;
            for path in paths {
                let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                add("source", &name, &read(&path)?);
            }
        }
        let manifest = read_text(&root.join("Cargo.toml"))?;
        for section in ["profile.release", "profile.bpf", "workspace.package"] {
            let mut text = section_of(&manifest, section);
            if section == "workspace.package" {
                // A version bump does not change the code, the edition does.
                text.retain(|line| line.starts_with("edition"));
            }
            add("part", &format!("Cargo.toml [{section}]"), text.join("\n").as_bytes());
        }
        // The shared crate's dependency on aya is for the collector only.
        let skip = [("oomtrace-common", "aya")];
        let lock = lockfile::below(&read_text(&root.join("Cargo.lock"))?, "oomtrace-ebpf", &skip)?;
        add("part", "Cargo.lock, what oomtrace-ebpf needs", lock.as_bytes());
        for arch in Arch::ALL {
            let recipe = format!("{TARGET} {PROFILE} {}", flags(arch).join(" "));
            add("part", &format!("flags for {} in xtask/src/ebpf/mod.rs", arch.name()), recipe.as_bytes());
        }
        Ok(Self(lines))
    }

    /// The file's text, for the objects that are in `root`.
    pub(super) fn render(&self, versions: &str, root: &Path) -> Result<String> {
        let mut text = String::from(
            "# What the objects were built from. Written by `cargo xtask build-ebpf`, compared by a test; do not edit.\n",
        );
        text += versions;
        for ((kind, name), digest) in objects(root)?.iter().chain(&self.0) {
            text += &format!("{kind}  {digest}  {name}\n");
        }
        Ok(text)
    }
}

/// Fails when the record of `root` does not fit its sources or its objects.
pub(super) fn verify(root: &Path) -> Result<()> {
    let advice = "Run `cargo xtask build-ebpf` and commit what it changes in oomtrace/ebpf/.";
    let text = read_text(&root.join(FILE)).context(advice)?;
    let recorded: BTreeMap<(String, String), String> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.splitn(3, "  ");
            let (kind, digest, name) = (words.next()?, words.next()?, words.next()?);
            Some(((kind.to_owned(), name.to_owned()), digest.to_owned()))
        })
        .collect();
    let mut actual = Record::of_tree(root)?.0;
    actual.extend(objects(root)?);
    if recorded != actual {
        let mut names: Vec<&str> = recorded
            .iter()
            .filter(|(key, digest)| actual.get(key) != Some(digest))
            .map(|(key, _)| key)
            .chain(actual.keys().filter(|key| !recorded.contains_key(key)))
            .map(|(_, name)| name.as_str())
            .collect();
        names.sort_unstable();
        bail!(
            "the committed eBPF objects were not built from these sources; changed: {}. {advice}",
            names.join(", ")
        );
    }
    Ok(())
}

/// The lines of the objects themselves.
fn objects(root: &Path) -> Result<BTreeMap<(String, String), String>> {
    let line = |file: &str| {
        let bytes = read(&root.join(FOLDER).join(file))?;
        Ok((("object".to_owned(), file.to_owned()), sha256(&bytes)))
    };
    Arch::ALL.into_iter().map(|arch| line(file(arch))).collect()
}

/// All source files below `folder`. Build output and hidden files are none.
fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(&path, into)?;
        } else if name == "Cargo.toml" || name.ends_with(".rs") {
            into.push(path);
        }
    }
    Ok(())
}

/// The lines of one `[section]` of a manifest, without comments and blank lines.
fn section_of<'a>(manifest: &'a str, section: &str) -> Vec<&'a str> {
    let header = format!("[{section}]");
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// Reads a whole file, naming it when that fails.
fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a whole text file.
fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The digest in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guard itself: fails when the sources changed and the object was not rebuilt.
    #[test]
    fn committed_object_is_of_these_sources() {
        if let Err(error) = verify(&crate::workspace::root()) {
            panic!("{error:#}");
        }
    }

    #[test]
    fn a_changed_source_or_profile_changes_the_record_and_a_comment_in_the_manifest_does_not() {
        let tree = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        };
        let record = || Record::of_tree(tree.path()).expect("a record");
        write("oomtrace-common/src/lib.rs", "//! a");
        write("oomtrace-ebpf/src/main.rs", "//! b");
        write("Cargo.lock", "[[package]]\nname = \"oomtrace-ebpf\"\nversion = \"0.1.0\"\n");
        write("Cargo.toml", "[profile.bpf]\nopt-level = 3\n[workspace.lints]\nx = 1\n");
        let first = record();
        write("oomtrace-ebpf/.main.rs.swp", "editor");
        write("Cargo.toml", "[profile.bpf]\n# why\nopt-level = 3\n\n[workspace.lints]\nx = 2\n");
        assert_eq!(record(), first);
        write("Cargo.toml", "[profile.bpf]\nopt-level = 2\n");
        assert_ne!(record(), first);
        write("Cargo.toml", "[profile.bpf]\nopt-level = 3\n");
        assert_eq!(record(), first);
        write("oomtrace-ebpf/src/main.rs", "//! c");
        assert_ne!(record(), first);
    }
}
