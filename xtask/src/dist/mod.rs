//! `cargo xtask dist`: what a release has, in `target/packages`.
//!
//! - `oomtrace-VERSION-TARGET.tar.gz`: the static program, man pages, completions, the unit, contrib and documents ([`archive`]);
//! - `oomtrace_VERSION-1_ARCH.deb`, by cargo-deb from the metadata in `oomtrace/Cargo.toml` ([`deb`]);
//! - `image/`, which `contrib/oci/Containerfile` is built in;
//! - `SHA256SUMS` of the first two.
//!
//! Names, order, owners, modes and times in them follow from the commit, so that who builds the same commit with the same compiler gets
//! the same bytes.

mod archive;
pub(crate) mod deb;
mod pages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::arch::Arch;
use crate::{run, vm, workspace};

pub(crate) use pages::write as pages;

/// What to make.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the .deb out, for which cargo-deb is built the first time
    #[arg(long)]
    no_deb: bool,
    /// Only for this architecture [default: both]
    #[arg(long, value_enum, value_name = "ARCH")]
    arch: Option<Arch>,
}

/// The documents that every package has.
pub(crate) const DOCUMENTS: [&str; 5] =
    ["README.md", "CHANGELOG.md", "ARCHITECTURE.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Makes everything.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let commit = Commit::read()?;
    let out = workspace::target().join("packages");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;

    eprintln!("writing man pages and completions");
    let pages = pages::write(&commit.date)?;
    let mut made = Vec::new();
    let (mut programs, mut images) = (Vec::new(), Vec::new());
    for arch in Arch::ALL.into_iter().filter(|arch| args.arch.is_none_or(|wanted| wanted == *arch)) {
        eprintln!("building the static program for {}", arch.name());
        let program = vm::initramfs::shipped(arch)?;
        made.push(archive::make(&out, arch, &program, &pages, &commit)?);
        let image = out.join(image_of(arch));
        write_image(&image, &program)?;
        images.push(image);
        if !args.no_deb {
            made.push(deb::make(&out, arch, &commit)?);
        }
        programs.push(program);
    }
    let sums = out.join("SHA256SUMS");
    fs::write(&sums, sums_of(&made)?).with_context(|| format!("cannot write {}", sums.display()))?;

    println!(
        "of commit {}{}:",
        commit.id,
        if commit.is_clean { "" } else { ", with changes that are not in it" }
    );
    for path in made.iter().chain(&programs) {
        let bytes = fs::metadata(path).with_context(|| format!("no {}", path.display()))?.len();
        println!("{:>10}  {}", bytes, path.display());
    }
    println!("{:>10}  {}", "", sums.display());
    for image in images {
        println!("{:>10}  {}  (podman build -f contrib/oci/Containerfile {1})", "", image.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the packages are of.
pub(crate) struct Commit {
    /// Short, or `unknown` outside of a repository.
    id: String,
    /// Seconds since 1970; `$SOURCE_DATE_EPOCH` goes before.
    time: u64,
    /// `time` as YYYY-MM-DD.
    date: String,
    is_clean: bool,
}

impl Commit {
    /// Asks git; sources without a repository are of 1980, from when on every archive's format has times.
    pub(crate) fn read() -> Result<Self> {
        let git = |args: &[&str]| {
            let answer = run::stdout_of(Command::new("git").args(args).current_dir(workspace::root()));
            answer.ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let given = std::env::var("SOURCE_DATE_EPOCH").ok();
        let time =
            given.or_else(|| git(&["log", "-1", "--format=%ct"])).unwrap_or_else(|| "315532800".to_owned());
        let time = time.parse().with_context(|| format!("no time in seconds: {time}"))?;
        let date = run::stdout_of(Command::new("date").args(["-u", "+%F", "-d", &format!("@{time}")]))?;
        Ok(Self {
            id: git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned()),
            time,
            date: date.trim().to_owned(),
            is_clean: git(&["status", "--porcelain"]).is_none(),
        })
    }
}

/// The name of the folder that an image is built from.
fn image_of(arch: Arch) -> String {
    match arch {
        Arch::X86_64 => "image".to_owned(),
        Arch::Aarch64 => format!("image-{}", arch.debian()),
    }
}

/// What is in it.
fn write_image(folder: &Path, program: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    copy(program, &folder.join("oomtrace"))?;
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&workspace::root().join(name), &folder.join(name))?;
    }
    Ok(())
}

/// Copies a file, with its mode.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// As `sha256sum` writes them.
fn sums_of(files: &[PathBuf]) -> Result<String> {
    let mut lines = String::new();
    for path in files {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        for byte in Sha256::digest(bytes) {
            lines.push_str(&format!("{byte:02x}"));
        }
        lines.push_str(&format!("  {}\n", path.file_name().unwrap_or_default().to_string_lossy()));
    }
    Ok(lines)
}
