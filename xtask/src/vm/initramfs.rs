//! What a guest finds in its root: busybox with all its applets, oomtrace and the guest programs, both static, the
//! command to run, and the files that the caller adds.

use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

use super::cpio::Archive;
use crate::arch::Arch;
use crate::{apt, cache, cross, run, workspace};

/// The profile in the root manifest, for everything that is tested.
pub(crate) const PROFILE: &str = "vm";

/// What is shipped, for what is measured.
pub(crate) const SHIPPED: &str = "dist";

/// A file or folder of the host for the guest, as given on the command line: `HOSTPATH[:GUESTPATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    host: PathBuf,
    guest: String,
}

impl FromStr for Extra {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (host, guest) = match text.rsplit_once(':') {
            Some((host, guest)) if guest.starts_with('/') => (PathBuf::from(host), guest.to_owned()),
            _ => {
                let host = PathBuf::from(text);
                let name = host.file_name().with_context(|| format!("`{text}` names no file"))?;
                let guest = format!("/root/{}", name.to_string_lossy());
                (host, guest)
            }
        };
        Ok(Self { host, guest: guest.trim_matches('/').to_owned() })
    }
}

/// The programs that go into every guest.
pub(crate) struct Programs {
    busybox: Busybox,
    ours: Vec<PathBuf>,
}

/// A busybox without shared libraries.
pub(crate) struct Busybox {
    program: PathBuf,
    /// Paths of its links.
    applets: Vec<String>,
}

impl Programs {
    /// Fetches busybox and builds ours.
    pub(crate) fn get(arch: Arch) -> Result<Self> {
        Self::with_busybox(busybox(arch)?, arch)
    }

    /// Builds ours.
    pub(crate) fn with_busybox(busybox: Busybox, arch: Arch) -> Result<Self> {
        Ok(Self { busybox, ours: build_static(arch)? })
    }

    /// Fetches busybox and builds ours, oomtrace as it is shipped.
    pub(crate) fn as_shipped() -> Result<Self> {
        let arch = Arch::X86_64;
        let oomtrace = shipped(arch)?;
        build(arch, PROFILE, &["--package", "oomtrace-tests", "--bin", "guest"])?;
        Ok(Self { busybox: busybox(arch)?, ours: vec![oomtrace, built(arch, PROFILE, "guest")] })
    }

    /// Writes the archive for one guest.
    pub(crate) fn write(&self, to: &Path, command: &[String], extras: &[Extra]) -> Result<()> {
        let file = File::create(to).with_context(|| format!("cannot create {}", to.display()))?;
        let mut archive = Archive::new(BufWriter::new(file));
        for folder in ["proc", "sys", "dev", "tmp", "run", "root", "out", "etc"] {
            archive.folder(folder)?;
        }
        // The kernel opens the console for process 1 before anything is mounted.
        archive.device("dev/console", 5, 1)?;
        archive.device("dev/null", 1, 3)?;
        archive.file(
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
        )?;
        archive.file("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n")?;
        archive.file("etc/oomtrace-command", 0o644, command.join("\0").as_bytes())?;
        archive.file("bin/busybox", 0o755, &read(&self.busybox.program)?)?;
        for applet in &self.busybox.applets {
            if applet != "bin/busybox" {
                archive.link(applet, "/bin/busybox")?;
            }
        }
        for program in &self.ours {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            archive.file(&format!("usr/bin/{name}"), 0o755, &read(program)?)?;
        }
        archive.link("init", "/usr/bin/guest")?;
        for extra in extras {
            add(&mut archive, &extra.host, &extra.guest)?;
        }
        archive.finish().with_context(|| format!("cannot write {}", to.display()))?;
        Ok(())
    }
}

/// A file, or a folder with everything below it.
fn add(archive: &mut Archive<BufWriter<File>>, host: &Path, guest: &str) -> Result<()> {
    let meta = fs::metadata(host).with_context(|| format!("cannot read {}", host.display()))?;
    if meta.is_dir() {
        archive.folder(guest)?;
        for entry in fs::read_dir(host).with_context(|| format!("cannot list {}", host.display()))? {
            let entry = entry?;
            add(archive, &entry.path(), &format!("{guest}/{}", entry.file_name().to_string_lossy()))?;
        }
        return Ok(());
    }
    archive.file(guest, meta.permissions().mode(), &read(host)?)?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A busybox without shared libraries, from Debian's package; it is not installed.
pub(crate) fn busybox(arch: Arch) -> Result<Busybox> {
    let program = busybox_of(arch)?;
    // What it can do is asked of the one that runs here: Debian builds all from one configuration.
    let list = run::stdout_of(Command::new(busybox_of(Arch::X86_64)?).arg("--list-full"))?;
    let applets = list.lines().map(|path| path.trim_start_matches('/').to_owned()).collect();
    Ok(Busybox { program, applets })
}

/// The program.
fn busybox_of(arch: Arch) -> Result<PathBuf> {
    let name = match arch {
        Arch::X86_64 => "busybox".to_owned(),
        Arch::Aarch64 => format!("busybox-{}", arch.debian()),
    };
    let folder = cache::folder(&name, |folder| {
        let suite = apt::Suite::fetch_for("stable", arch)?;
        let versions = suite.versions("busybox-static")?;
        let version = versions.first().context("Debian's stable suite has no busybox-static")?;
        let unpacked = folder.join("unpacked");
        suite.unpack("busybox-static", version, &unpacked)?;
        let found = ["bin/busybox", "usr/bin/busybox"].map(|path| unpacked.join(path));
        let Some(found) = found.iter().find(|path| path.is_file()) else {
            bail!("there is no busybox in busybox-static {version}");
        };
        fs::rename(found, folder.join("busybox"))?;
        fs::remove_dir_all(&unpacked).context("cannot tidy up")
    })
    .context("cannot get busybox for the guests")?;
    Ok(folder.join("busybox"))
}

/// Where the static oomtrace is, after building it.
pub(crate) fn oomtrace() -> Result<PathBuf> {
    build_static(Arch::X86_64)?.into_iter().next().context("the list of our programs is empty")
}

/// The static oomtrace of a release, after building it.
pub(crate) fn shipped(arch: Arch) -> Result<PathBuf> {
    build(arch, SHIPPED, &["--package", "oomtrace", "--bin", "oomtrace"])?;
    Ok(built(arch, SHIPPED, "oomtrace"))
}

/// oomtrace and the guest programs without shared libraries.
fn build_static(arch: Arch) -> Result<Vec<PathBuf>> {
    let what =
        ["--package", "oomtrace", "--bin", "oomtrace", "--package", "oomtrace-tests", "--bin", "guest"];
    build(arch, PROFILE, &what)?;
    Ok(["oomtrace", "guest"].map(|name| built(arch, PROFILE, name)).to_vec())
}

/// The target folder of static builds, whose flags differ from the ordinary ones.
pub(crate) fn target_dir() -> PathBuf {
    workspace::target().join("static")
}

fn built(arch: Arch, profile: &str, name: &str) -> PathBuf {
    target_dir().join(arch.target()).join(profile).join(name)
}

/// Builds `what` without shared libraries, with flags and a target folder of its own.
fn build(arch: Arch, profile: &str, what: &[&str]) -> Result<()> {
    let mut cargo = match arch {
        Arch::X86_64 => run::cargo(),
        Arch::Aarch64 => cross::cargo()?,
    };
    cargo
        .args(["build", "--locked", "--quiet", "--profile", profile, "--target", arch.target()])
        .args(what)
        .arg("--target-dir")
        .arg(target_dir())
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    run::check(&mut cargo).context("cannot build the programs for the guests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_files_have_a_place_in_the_guest() {
        let parse = |text: &str| text.parse::<Extra>().map(|e| (e.host, e.guest)).ok();
        assert_eq!(parse("a/b"), Some(("a/b".into(), "root/b".into())));
        assert_eq!(parse("a/b:/etc/c"), Some(("a/b".into(), "etc/c".into())));
        assert_eq!(parse("a:b"), Some(("a:b".into(), "root/a:b".into())));
        assert_eq!(parse("/"), None);
    }
}
