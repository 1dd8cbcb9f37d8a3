//! The stock kernels that guests boot: which package each name stands for, and getting its file into the cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::{apt, cache};

/// A name on the command line, and the package it stands for.
struct Series {
    name: &'static str,
    arch: Arch,
    suite: &'static str,
    /// The package that the tests were written against.
    package: &'static str,
    /// What the packages of the same series start with, for when that one is gone from the mirror.
    prefix: &'static str,
}

/// The image for virtual machines: small, with serial ports built in.
fn flavour(arch: Arch) -> String {
    format!("-cloud-{}", arch.debian())
}

const SERIES: &[Series] = &[
    Series {
        name: "5.10",
        arch: Arch::X86_64,
        suite: "bullseye-security",
        package: "linux-image-5.10.0-46-cloud-amd64",
        prefix: "linux-image-5.10.",
    },
    Series {
        name: "6.1",
        arch: Arch::X86_64,
        suite: "bookworm-security",
        package: "linux-image-6.1.0-56-cloud-amd64",
        prefix: "linux-image-6.1.",
    },
    Series {
        name: "6.12",
        arch: Arch::X86_64,
        suite: "trixie-security",
        package: "linux-image-6.12.117+deb13-cloud-amd64",
        prefix: "linux-image-6.12.",
    },
    // From 6.19 on the file is in `linux-binary-…`, and `linux-image-…` is empty.
    Series {
        name: "7.3",
        arch: Arch::X86_64,
        suite: "trixie-backports",
        package: "linux-binary-7.3.4+deb13-cloud-amd64",
        prefix: "linux-binary-7.3.",
    },
    Series {
        name: "6.1-arm64",
        arch: Arch::Aarch64,
        suite: "bookworm-security",
        package: "linux-image-6.1.0-56-cloud-arm64",
        prefix: "linux-image-6.1.",
    },
    Series {
        name: "6.12-arm64",
        arch: Arch::Aarch64,
        suite: "trixie-security",
        package: "linux-image-6.12.117+deb13-cloud-arm64",
        prefix: "linux-image-6.12.",
    },
];

/// A kernel that can be booted.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    /// What to call it: the series, or the file's name.
    pub(crate) name: String,
    pub(crate) arch: Arch,
    /// What it is exactly: package and version, or a path.
    pub(crate) description: String,
    /// The Debian suite that it is from, if it is.
    pub(crate) suite: Option<&'static str>,
    /// The file for QEMU.
    pub(crate) file: PathBuf,
}

/// The names, those of x86-64 first, oldest first.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SERIES.iter().map(|series| series.name)
}

/// The architecture of a kernel's name; the path of a file is one for x86-64.
pub(crate) fn arch_of(name: &str) -> Arch {
    SERIES.iter().find(|series| series.name == name).map_or(Arch::X86_64, |series| series.arch)
}

/// Those of [`names`] for x86-64 that need no download.
pub(crate) fn cached() -> Result<Vec<&'static str>> {
    let cache = cache::dir()?;
    let fast = names().filter(|&name| arch_of(name) == Arch::X86_64);
    Ok(fast.filter(|name| cache.join("kernels").join(name).is_dir()).collect())
}

/// Finds a kernel by name, downloading it the first time, or by the path of a file.
pub(crate) fn get(name: &str) -> Result<Kernel> {
    if let Some(series) = SERIES.iter().find(|series| series.name == name) {
        return series.get().with_context(|| format!("cannot get kernel {name}"));
    }
    let file = Path::new(name);
    if !file.is_file() {
        let names: Vec<&str> = names().collect();
        bail!("`{name}` is neither one of {} nor the path of a kernel image", names.join(", "));
    }
    let short = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Kernel {
        name: short,
        arch: Arch::X86_64,
        description: name.to_owned(),
        suite: None,
        file: file.canonicalize()?,
    })
}

impl Series {
    fn get(&self) -> Result<Kernel> {
        let folder = cache::folder(&format!("kernels/{}", self.name), |folder| self.download(folder))?;
        let description = fs::read_to_string(folder.join("package"))?.trim().to_owned();
        let file = folder.join("vmlinuz");
        Ok(Kernel { name: self.name.to_owned(), arch: self.arch, description, suite: Some(self.suite), file })
    }

    /// Fills the folder with `vmlinuz` and `package`, a line that names package and version.
    fn download(&self, folder: &Path) -> Result<()> {
        let suite = apt::Suite::fetch_for(self.suite, self.arch)?;
        let mut package = self.package.to_owned();
        if suite.versions(&package)?.is_empty() {
            let names = suite.names(self.prefix)?;
            let flavour = flavour(self.arch);
            let newest = newest(&names, &flavour).with_context(|| {
                format!("{} has neither {package} nor any other {}*{flavour}", self.suite, self.prefix)
            })?;
            eprintln!("{package} is gone from {}; taking {newest} instead", self.suite);
            package = newest.to_owned();
        }
        let versions = suite.versions(&package)?;
        let version = versions.first().with_context(|| format!("{} lists no {package}", self.suite))?;
        let unpacked = folder.join("unpacked");
        suite.unpack(&package, version, &unpacked)?;
        let image =
            find_image(&unpacked).with_context(|| format!("there is no vmlinuz in {package} {version}"))?;
        fs::rename(&image, folder.join("vmlinuz"))?;
        fs::remove_dir_all(&unpacked).context("cannot tidy up")?;
        fs::write(folder.join("package"), format!("{package} {version}\n"))?;
        Ok(())
    }
}

/// The newest of the cloud images, by the numbers in their names.
fn newest<'a>(names: &'a [String], flavour: &str) -> Option<&'a str> {
    let numbers = |name: &str| -> Vec<u64> {
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    names
        .iter()
        .map(String::as_str)
        .filter(|name| name.ends_with(flavour) && !name.contains("unsigned"))
        .max_by_key(|name| numbers(name))
}

/// `boot/vmlinuz-…` or `usr/lib/modules/…/vmlinuz`.
fn find_image(unpacked: &Path) -> Option<PathBuf> {
    let list = |folder: PathBuf| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().filter_map(|entry| entry.ok().map(|e| e.path())).collect()
    };
    let in_boot = list(unpacked.join("boot"))
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz")));
    let in_modules = list(unpacked.join("usr/lib/modules")).into_iter().map(|folder| folder.join("vmlinuz"));
    in_boot.chain(in_modules).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_is_by_number_not_by_letter() {
        let names = [
            "linux-image-6.12.9+deb13-cloud-amd64",
            "linux-image-6.12.117+deb13-cloud-amd64",
            "linux-image-6.12.200+deb13-rt-amd64",
            "linux-image-6.12.300+deb13-cloud-amd64-unsigned",
        ]
        .map(str::to_owned);
        assert_eq!(newest(&names, "-cloud-amd64"), Some("linux-image-6.12.117+deb13-cloud-amd64"));
    }
}
