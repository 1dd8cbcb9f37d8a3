//! The tools that turn Rust into an eBPF object, or into a program for another architecture, each fetched where it is missing:
//!
//! - rustc of one fixed release, because the committed objects must come out the same everywhere;
//! - the standard library's source (`rust-src`) of that release, from rustup, or from Debian where rustup cannot
//!   download, as on a machine that reaches only package mirrors. Both give the same object;
//! - bpf-linker, for objects, built by `cargo install` into the cache.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::{apt, cache, run, workspace};

/// The rustc that builds the committed object. A newer one means a rebuild and, likely, a newer [`BPF_LINKER`].
const RUSTC: &str = "1.95.0";

/// The last line of bpf-linker that uses the LLVM inside rustc; later ones want an LLVM installed on the system.
const BPF_LINKER: &str = "0.10.3";

/// Where Debian has more than one release of rustc: a stable release's backports.
const DEBIAN_SUITE: &str = "trixie-backports";

/// Where the library's source lies in a sysroot, for `-Zbuild-std`.
const SOURCE_IN_SYSROOT: &str = "lib/rustlib/src/rust";

/// Everything that a build of the eBPF object needs.
pub(crate) struct Toolchain {
    /// What to set `RUSTC` to.
    pub(crate) rustc: PathBuf,
    /// The cargo of the same release.
    pub(crate) cargo: PathBuf,
    /// The folder with rustc's own shared libraries, LLVM among them.
    pub(crate) lib: PathBuf,
    /// Where the library's source is; its path must not get into the object.
    pub(crate) library_source: PathBuf,
    /// The linker.
    pub(crate) bpf_linker: PathBuf,
    /// rustc's and bpf-linker's versions, a line each, for the record beside the object.
    pub(crate) versions: String,
}

/// rustc and cargo of one release, with the source of its library.
pub(crate) struct Rust {
    /// What to set `RUSTC` to.
    pub(crate) rustc: PathBuf,
    /// The cargo of the same release.
    pub(crate) cargo: PathBuf,
}

/// What builds the library with the program, for a target that there is none of.
pub(crate) fn with_library() -> Result<Rust> {
    let real = find_sysroot()?;
    let (rustc, _) = with_source(&real)?;
    Ok(Rust { rustc, cargo: real.join("bin/cargo") })
}

/// Finds the tools and fetches what is missing.
pub(crate) fn get() -> Result<Toolchain> {
    let real = find_sysroot()?;
    let version = run::stdout_of(Command::new(real.join("bin/rustc")).arg("--version"))?;
    let bpf_linker = bpf_linker(&real)?;
    let linker_version = run::stdout_of(Command::new(&bpf_linker).arg("--version"))?;
    let (rustc, sysroot) = with_source(&real)?;
    Ok(Toolchain {
        rustc,
        cargo: real.join("bin/cargo"),
        lib: real.join("lib"),
        library_source: sysroot.join(SOURCE_IN_SYSROOT),
        bpf_linker,
        versions: format!("{}\n{}\n", version.trim(), linker_version.trim()),
    })
}

/// The sysroot of rustc [`RUSTC`]: the one in use, or another one that rustup has.
fn find_sysroot() -> Result<PathBuf> {
    let mut asked = Vec::new();
    for prefix in [&["rustc"][..], &["rustup", "run", RUSTC, "rustc"]] {
        let ask = |args: &[&str]| {
            let mut rustc = Command::new(prefix[0]);
            run::stdout_of(rustc.args(&prefix[1..]).args(args).current_dir(workspace::root()))
        };
        let (Ok(version), Ok(sysroot)) = (ask(&["--version"]), ask(&["--print", "sysroot"])) else {
            continue;
        };
        let sysroot = PathBuf::from(sysroot.trim_end());
        if version.split(' ').nth(1) == Some(RUSTC) && sysroot.join("bin/cargo").exists() {
            return Ok(sysroot);
        }
        asked.push(version.trim_end().to_owned());
    }
    bail!(
        "the eBPF objects are built with rustc {RUSTC}, so that their bytes are the same everywhere; here is {}. Please \
         run:\n  rustup toolchain install {RUSTC} --profile minimal",
        if asked.is_empty() { "no rustc".to_owned() } else { asked.join(" and ") }
    )
}

/// A rustc whose sysroot has the library's source, and that sysroot.
fn with_source(real: &Path) -> Result<(PathBuf, PathBuf)> {
    let has_source = || real.join(SOURCE_IN_SYSROOT).join("library/core").is_dir();
    if has_source() {
        return Ok((real.join("bin/rustc"), real.to_path_buf()));
    }
    // Said for a sysroot of Debian's packages, or of rustup where it can download. The name of the toolchain is the
    // name of the folder that rustup keeps it in.
    let name = real.file_name().unwrap_or_default();
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", "rust-src", "--toolchain"]).arg(name);
    eprintln!("rustc {RUSTC} has no library source yet: adding rustup's component rust-src");
    let refused = match run::check_quietly(&mut rustup) {
        Ok(()) if has_source() => return Ok((real.join("bin/rustc"), real.to_path_buf())),
        Ok(()) => anyhow::anyhow!("rustup added rust-src elsewhere than {}", real.display()),
        Err(refused) => refused,
    };
    eprintln!("rustup cannot; taking Debian's package rust-src of the same version instead");
    let source =
        debian_source().with_context(|| format!("and before that: {refused:#}")).with_context(|| {
            format!("cannot get the library source of rustc {RUSTC} from rustup nor from Debian")
        })?;
    let sysroot = own_sysroot(real, &source)?;
    Ok((sysroot.join("rustc"), sysroot))
}

/// The `library` folder out of Debian's package, in the cache.
fn debian_source() -> Result<PathBuf> {
    cache::folder(&format!("rust-src/{RUSTC}"), |folder| {
        let suite = apt::Suite::fetch(DEBIAN_SUITE)?;
        let versions = suite.versions("rust-src")?;
        let wanted = versions
            .iter()
            .find(|v| v.split(['+', '-', '~']).next() == Some(RUSTC))
            .with_context(|| format!("{DEBIAN_SUITE} has rust-src {}, not {RUSTC}", versions.join(", ")))?;
        let unpacked = folder.join("unpacked");
        suite.unpack("rust-src", wanted, &unpacked)?;
        // The package is the whole compiler; the library alone is a sixth of it.
        let library = unpacked.join(format!("usr/src/rustc-{RUSTC}/library"));
        fs::rename(&library, folder.join("library"))
            .with_context(|| format!("no {} in it", library.display()))?;
        fs::remove_dir_all(&unpacked).context("cannot tidy up")
    })
}

/// A sysroot in the cache: the real one by symbolic links, with the source added, and a `rustc` script that uses it.
///
/// A script rather than a link, because rustc looks for its sysroot where its real file lies, and cargo asks rustc.
fn own_sysroot(real: &Path, source: &Path) -> Result<PathBuf> {
    let key = Sha256::digest(format!("{}\n{}", real.display(), source.display()));
    let name = format!("sysroot/{RUSTC}-{:02x}{:02x}{:02x}{:02x}", key[0], key[1], key[2], key[3]);
    let place = cache::dir()?.join(&name);
    cache::folder(&name, |folder| {
        let rustlib = folder.join("lib/rustlib");
        fs::create_dir_all(rustlib.join("src"))?;
        link_all(real, folder, "lib")?;
        link_all(&real.join("lib"), &folder.join("lib"), "rustlib")?;
        link_all(&real.join("lib/rustlib"), &rustlib, "src")?;
        symlink(source, folder.join(SOURCE_IN_SYSROOT))?;
        let script = folder.join("rustc");
        let text = format!(
            "#!/bin/sh\nexec '{}/bin/rustc' --sysroot '{}' \"$@\"\n",
            real.display(),
            place.display()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        Ok(())
    })
    .with_context(|| format!("cannot make a sysroot with the library source in {}", place.display()))
}

/// Links everything in `from` into `into`, save the one name that is made by hand.
fn link_all(from: &Path, into: &Path, except: &str) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        if entry.file_name() != except {
            symlink(entry.path(), into.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// bpf-linker [`BPF_LINKER`] in the cache, built by the sysroot's cargo if it is not there.
fn bpf_linker(real: &Path) -> Result<PathBuf> {
    let folder = cache::folder(&format!("bpf-linker/{BPF_LINKER}-rustc-{RUSTC}"), |folder| {
        eprintln!("building bpf-linker {BPF_LINKER} (once, about a minute)");
        let mut cargo = run::cargo();
        cargo.args(["install", "bpf-linker", "--locked", "--quiet", "--version", BPF_LINKER]);
        cargo.env("RUSTC", real.join("bin/rustc")).arg("--root").arg(folder);
        run::check(&mut cargo)
    })?;
    Ok(folder.join("bin/bpf-linker"))
}
