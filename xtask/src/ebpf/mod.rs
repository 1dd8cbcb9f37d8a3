//! `cargo xtask build-ebpf`: compiles `oomtrace-ebpf` for each architecture and puts the objects beside the loader.
//!
//! The objects are committed, so their bytes must not depend on who built it, where, or with which cache folder: paths are
//! mapped to fixed names, there is no debug information, and the toolchain is of one fixed version. `--check` proves
//! that the committed bytes are what the sources give; [`digest`] lets a plain `cargo test` notice changed sources.

mod digest;
mod lockfile;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::toolchain::{self, Toolchain};
use crate::{run, workspace};

/// Little-endian BPF, what every little-endian machine loads.
const TARGET: &str = "bpfel-unknown-none";

/// The profile in the root manifest.
const PROFILE: &str = "bpf";

/// rustc's flags beside those that name paths, and the one that names the architecture. Part of the digest.
///
/// The CPU is left at bpf-linker's default, as aya-build does. That is the instruction set without 32-bit
/// registers: every kernel with BPF takes it, and the verifiers of 5.10's time track bounds of 64-bit registers better.
/// There is no `--btf`: it wants debug information, and the loader needs neither for these program types.
fn flags(arch: Arch) -> Vec<String> {
    // In which registers a kprobe finds arguments. All else in an object is the same for all.
    vec![format!("--cfg=bpf_target_arch=\"{}\"", arch.name())]
}

/// An architecture's object, in [`FOLDER`].
fn file(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "oomtrace.bpf.o",
        Arch::Aarch64 => "oomtrace.aarch64.bpf.o",
    }
}

/// What to do, as given on the command line.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing: fail unless the committed objects are byte for byte what the sources give
    #[arg(long)]
    check: bool,
    /// Write the objects into this folder, and leave the committed ones alone
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    out: Option<PathBuf>,
}

/// The folder of the committed objects, in a checkout.
const FOLDER: &str = "oomtrace/ebpf";

/// A committed object.
fn object(arch: Arch) -> PathBuf {
    workspace::root().join(FOLDER).join(file(arch))
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<()> {
    let toolchain = toolchain::get()?;
    if args.check {
        return check(&toolchain);
    }
    let folder = args.out.clone().unwrap_or_else(|| workspace::root().join(FOLDER));
    for arch in Arch::ALL {
        let bytes = compile(&toolchain, arch)?;
        let object = folder.join(file(arch));
        replace(&object, &bytes)?;
        eprintln!("{}: {} bytes", object.display(), bytes.len());
    }
    if args.out.is_none() {
        let root = workspace::root();
        let record = digest::Record::of_tree(&root)?;
        replace(&digest::record(), record.render(&toolchain.versions, &root)?.as_bytes())?;
    }
    Ok(())
}

/// Fails unless the committed objects are what the sources give.
pub(crate) fn check(toolchain: &Toolchain) -> Result<()> {
    for arch in Arch::ALL {
        compare(arch, &compile(toolchain, arch)?, toolchain)?;
    }
    digest::verify(&workspace::root())
}

/// Compiles, and returns the object's bytes.
fn compile(toolchain: &Toolchain, arch: Arch) -> Result<Vec<u8>> {
    let root = workspace::root();
    let target_dir = workspace::target().join("ebpf");
    let mut flags = flags(arch);
    flags.push(format!("-Clinker={}", toolchain.bpf_linker.display()));
    // rustc takes the last prefix that fits, so the folders that may lie inside others come later.
    for (from, to) in [(root.clone(), "/oomtrace")]
        .into_iter()
        .chain(registries()?.into_iter().map(|dir| (dir, "/registry")))
        .chain([(toolchain.library_source.clone(), "/rust"), (real(&toolchain.library_source)?, "/rust")])
    {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    let mut cargo = Command::new(&toolchain.cargo);
    cargo
        .args(["build", "--locked", "--package", "oomtrace-ebpf", "--bin", "oomtrace"])
        .args(["--profile", PROFILE, "--target", TARGET, "-Zbuild-std=core"])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTC", &toolchain.rustc)
        // Stable rustc builds `core` when told that it is trusted to; the matching nightly may not be had.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        // bpf-linker looks here first for the LLVM of the rustc in use.
        .env("LD_LIBRARY_PATH", &toolchain.lib)
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_MANIFEST_DIR")
        .current_dir(&root);
    run::check(&mut cargo).with_context(|| format!("cannot build the eBPF object for {}", arch.name()))?;
    let built = target_dir.join(TARGET).join(PROFILE).join("oomtrace");
    fs::read(&built).with_context(|| format!("cannot read {}", built.display()))
}

/// The folders that hold the sources of registry crates. Their names differ between mirrors.
fn registries() -> Result<Vec<PathBuf>> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let sources = home.join("registry/src");
    let listing = fs::read_dir(&sources).with_context(|| format!("cannot list {}", sources.display()))?;
    let mut found: Vec<PathBuf> = listing.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    found.sort();
    Ok(found)
}

/// The path without symbolic links; rustc may see either.
fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot resolve {}", path.display()))
}

/// Compares a fresh object with the committed one.
fn compare(arch: Arch, built: &[u8], toolchain: &Toolchain) -> Result<()> {
    let path = object(arch);
    let advice = "Run `cargo xtask build-ebpf` and commit what it changes in oomtrace/ebpf/.";
    let committed = fs::read(&path)
        .with_context(|| format!("cannot read the committed object {}. {advice}", path.display()))?;
    if committed != built {
        let at = committed.iter().zip(built).position(|(a, b)| a != b);
        bail!(
            "{} is not what the sources give: it has {} bytes, a fresh build {}, and they differ from byte {} on. \
             {advice}\nFresh build by:\n{}",
            path.display(),
            committed.len(),
            built.len(),
            at.unwrap_or(committed.len().min(built.len())),
            toolchain.versions
        );
    }
    eprintln!("{} is byte for byte what the sources give", path.display());
    Ok(())
}

/// Writes a file so that nobody sees half of it, and leaves it untouched when nothing changes.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> Result<()> {
        fs::create_dir_all(parent)?;
        let scratch = tempfile::NamedTempFile::new_in(parent)?;
        fs::write(scratch.path(), bytes)?;
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o644))?;
        scratch.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
