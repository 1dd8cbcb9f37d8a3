//! The guest root with the peers: their Debian packages with all dependencies, unpacked and never installed, and the kernel
//! headers that bcc compiles against.
//!
//! It is kept in the cache twice: as a tree, for the programs that run on this machine ([`super::throughput`]), and as an archive
//! that the kernel unpacks below `/peers`. Manuals and the like are left out of the archive.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::apt::{Package, Suite};
use crate::cache;
use crate::kernels::Kernel;
use crate::vm::tree;

/// Where the guest finds it.
const PLACE: &str = "peers";

/// A peer and the packages that a person would install for it.
const PEERS: &[(&str, &[&str])] = &[
    ("bpftrace", &["bpftrace"]),
    ("bcc", &["python3-bpfcc"]),
    ("bcc tools", &["bpfcc-tools"]),
    ("trace-cmd", &["trace-cmd"]),
    ("perf", &["linux-perf"]),
];

/// What is not a peer, but counts what they do when idle.
const TOOLS: &[&str] = &["strace"];

/// Raised when the content changes, so that an old tree in the cache is not taken for a new one.
const EDITION: u32 = 1;

/// A kernel's peers.
pub(super) struct Root {
    /// `root.cpio`.
    pub(super) archive: PathBuf,
    /// The unpacked tree.
    pub(super) tree: PathBuf,
    /// A line of results about each peer: version, and what its packages take.
    pub(super) packages: Vec<Value>,
}

/// The Debian suite whose tools are the peers on this kernel: the release that it came with, or the newest there is.
fn suite_of(kernel: &Kernel) -> &'static str {
    match kernel.name.as_str() {
        "5.10" => "bullseye",
        "6.1" => "bookworm",
        "6.12" => "trixie",
        _ => "sid",
    }
}

/// Gets the root for this kernel, downloading it the first time.
pub(super) fn get(kernel: &Kernel) -> Result<Root> {
    let suite = suite_of(kernel);
    let name = format!("bench/{}-{suite}-{EDITION}", kernel.name);
    let folder = cache::folder(&name, |folder| fill(folder, kernel, suite))
        .with_context(|| format!("cannot get the peers for {}", kernel.name))?;
    let text = fs::read_to_string(folder.join("packages.json"))?;
    Ok(Root {
        archive: folder.join("root.cpio"),
        tree: folder.join("tree"),
        packages: serde_json::from_str(&text).context("packages.json in the cache")?,
    })
}

fn fill(folder: &Path, kernel: &Kernel, suite_name: &str) -> Result<()> {
    let suite = Suite::fetch(suite_name)?;
    let tree = folder.join("tree");
    tree::merged_usr(&tree)?;
    let all: Vec<&str> = PEERS.iter().flat_map(|(_, names)| names.iter()).chain(TOOLS).copied().collect();
    let closure = suite.closure(&all)?;
    suite.unpack_all(&closure, &tree)?;
    let mut lines = Vec::new();
    for (peer, names) in PEERS {
        let needs = suite.closure(names)?;
        let version =
            |name: &str| closure.iter().find(|package| package.name == name).map(|p| p.version.clone());
        lines.push(json!({
            "kernel": kernel.name, "row": "packages", "peer": peer, "suite": suite_name,
            "version": names.last().and_then(|name| version(name)),
            "packages": needs.len(), "installed_kib": kib(&needs),
        }));
    }
    let headers = headers(folder, kernel, &tree)?;
    lines.push(json!({
        "kernel": kernel.name, "row": "packages", "peer": "kernel headers (for bcc)", "suite": suite_name,
        "version": headers.first().map(|package| package.version.clone()),
        "packages": headers.len(), "installed_kib": kib(&headers),
    }));
    fs::write(folder.join("packages.json"), serde_json::to_vec_pretty(&lines)?)?;
    fs::create_dir_all(tree.join("bench"))?;
    tree::pack(&tree, PLACE, &folder.join("root.cpio"))
}

fn kib(packages: &[Package]) -> u64 {
    packages.iter().map(|package| package.installed_kib).sum()
}

/// Unpacks the headers of exactly this kernel, from the suite that it came from. Only the folders of this architecture are kept.
fn headers(folder: &Path, kernel: &Kernel, tree: &Path) -> Result<Vec<Package>> {
    let (package, version) = kernel.description.split_once(' ').context("a kernel without a package")?;
    let release = package
        .strip_prefix("linux-image-")
        .or_else(|| package.strip_prefix("linux-binary-"))
        .context("an odd name of a kernel package")?;
    let suite = Suite::fetch(kernel.suite.context("a kernel that is no package has no headers")?)?;
    let common = format!("{}-common", release.trim_end_matches("-cloud-amd64"));
    let names = [format!("linux-headers-{release}"), format!("linux-headers-{common}")];
    let packages: Vec<Package> = suite.show(&names.map(|name| format!("{name}={version}")))?;
    let unpacked = folder.join("headers");
    tree::merged_usr(&unpacked)?;
    suite.unpack_all(&packages, &unpacked)?;
    for package in &packages {
        let sources = unpacked.join("usr/src").join(&package.name);
        let kept = tree.join("usr/src").join(&package.name);
        fs::create_dir_all(kept.join("arch"))?;
        for part in
            ["include", "arch/x86", "Makefile", "scripts", "tools", "Kconfig", ".config", ".kernelvariables"]
        {
            if sources.join(part).symlink_metadata().is_ok() {
                fs::rename(sources.join(part), kept.join(part))?;
            }
        }
    }
    let modules = tree.join("usr/lib/modules").join(release);
    fs::create_dir_all(&modules)?;
    symlink(format!("/usr/src/linux-headers-{release}"), modules.join("build"))?;
    symlink(format!("/usr/src/linux-headers-{common}"), modules.join("source"))?;
    fs::remove_dir_all(&unpacked).context("cannot tidy up")?;
    Ok(packages)
}
