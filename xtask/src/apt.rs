//! Debian packages, in two ways that are kept apart:
//!
//! - [`install`] puts a tool that we run (QEMU) on the machine, as a person would with `apt-get install`;
//! - [`Suite`] downloads packages of any suite and only unpacks them. It has its own source list and its own lists
//!   folder in the cache and never writes to the machine's configuration. The mirror's address comes from the
//!   machine's own configuration, so a machine behind a local mirror works unchanged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;
use crate::{cache, run};

/// A package, and what it is in the suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What it takes when installed, KiB, as its control file says (`Installed-Size`).
    pub(crate) installed_kib: u64,
}

/// The keys that sign Debian's suites, from the package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes sure that `program` can be run, installing `package` if it cannot.
pub(crate) fn install(program: &str, package: &str) -> Result<()> {
    install_all(program, &[package], || run::exists(program))
}

/// Makes sure that `is_there`, by installing packages for `what` if it is not.
pub(crate) fn install_all(what: &str, packages: &[&str], is_there: impl Fn() -> bool) -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let names = packages.join(" ");
    let several = if packages.len() == 1 { "" } else { "s" };
    let advice = format!("`{what}` is not installed; please install the package{several} `{names}`");
    if !run::exists("apt-get") {
        bail!("{advice} (there is no apt-get here, so this command cannot do it)");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("{advice} (only root can):\n  sudo apt-get install --no-install-recommends {names}");
    }
    let _lock = cache::lock("apt-install")?;
    if is_there() {
        return Ok(());
    }
    eprintln!("installing the package{several} {names}, for `{what}`");
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    if !lists_present() || run::check_quietly(&mut apt).is_err() {
        // Lists may be missing (an image without them) or too old to name files that still exist.
        run::check_quietly(Command::new("apt-get").args(["update", "--quiet"]))
            .context("refreshing apt's lists")?;
        run::check_quietly(&mut apt).context(advice)?;
    }
    Ok(())
}

/// Whether the machine's apt knows any package at all.
fn lists_present() -> bool {
    run::stdout_of(Command::new("apt-get").args(["indextargets", "--format", "$(FILENAME)"]))
        .is_ok_and(|files| files.lines().any(|f| Path::new(f).exists()))
}

/// The mirrors that the machine is configured for: where suites live, and where `…-security` suites live.
struct Mirrors {
    main: String,
    security: String,
}

impl Mirrors {
    /// Asks apt, which answers from its configuration even if it has never fetched a list.
    fn of_this_machine() -> Result<Self> {
        if !run::exists("apt-get") {
            bail!("there is no apt-get here to download Debian packages with");
        }
        let ask = || {
            run::stdout_of(Command::new("apt-get").args([
                "indextargets",
                "--format",
                "$(RELEASE) $(REPO_URI)",
            ]))
        };
        let mut answer = ask()?;
        if answer.trim().is_empty() && rustix::process::geteuid().is_root() {
            run::check_quietly(Command::new("apt-get").args(["update", "--quiet"]))?;
            answer = ask()?;
        }
        Self::parse(&answer)
    }

    /// Reads lines of suite and address.
    fn parse(answer: &str) -> Result<Self> {
        let pairs = || answer.lines().filter_map(|line| line.split_once(' '));
        let is_security =
            |suite: &str, uri: &str| suite.ends_with("-security") || uri.contains("debian-security");
        let Some((_, main)) = pairs().find(|(suite, uri)| !is_security(suite, uri) && uri.contains("debian"))
        else {
            bail!(
                "apt names no Debian mirror (`apt-get indextargets --format '$(RELEASE) $(REPO_URI)'`), and the \
                 packages wanted are Debian's"
            );
        };
        let security = match pairs().find(|(suite, uri)| is_security(suite, uri)) {
            Some((_, uri)) => uri.to_owned(),
            // Mirrors keep the two beside each other.
            None => format!("{}-security/", main.trim_end_matches('/')),
        };
        Ok(Self { main: main.to_owned(), security })
    }
}

/// One suite of the mirror, with lists of our own.
pub(crate) struct Suite {
    name: String,
    dir: PathBuf,
    arch: Arch,
}

impl Suite {
    /// Fetches the suite's lists, and checks their signature as apt always does.
    pub(crate) fn fetch(name: &str) -> Result<Self> {
        Self::fetch_for(name, Arch::X86_64)
    }

    /// The same for an architecture, which need not be the machine's.
    pub(crate) fn fetch_for(name: &str, arch: Arch) -> Result<Self> {
        let mirrors = Mirrors::of_this_machine()?;
        let uri = if name.ends_with("-security") { &mirrors.security } else { &mirrors.main };
        // Without the keyring's file apt falls back to the keys it trusts by default.
        let signed_by =
            if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
        let folder = match arch {
            Arch::X86_64 => name.to_owned(),
            Arch::Aarch64 => format!("{name}-{}", arch.debian()),
        };
        let dir = cache::dir()?.join("apt").join(&folder);
        for part in ["lists/partial", "archives/partial"] {
            let part = dir.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
        }
        let _lock = cache::lock(&format!("apt-{folder}"))?;
        let write = |file: &str, text: &str| {
            let path = dir.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write("sources.list", &format!("deb {signed_by}{uri} {name} main\n"))?;
        // An empty status file: what is installed here must not colour the choice of versions.
        write("status", "")?;
        let suite = Self { name: name.to_owned(), dir, arch };
        run::check_quietly(suite.command("apt-get").args(["update", "--quiet"]))
            .with_context(|| format!("cannot fetch the package lists of {name} from {uri}"))?;
        Ok(suite)
    }

    /// `apt-get` or `apt-cache`, looking at this suite and nothing else.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let dir = self.dir.display();
        for option in [
            format!("Dir::Etc::SourceList={dir}/sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            "Dir::Etc::Preferences=-".to_owned(),
            "Dir::Etc::PreferencesParts=-".to_owned(),
            format!("Dir::State::Lists={dir}/lists"),
            format!("Dir::State::Status={dir}/status"),
            format!("Dir::Cache={dir}"),
            "Acquire::Languages=none".to_owned(),
            "Acquire::Retries=3".to_owned(),
            // Suites that are no longer updated keep an old date; their packages are as good as they were.
            "Acquire::Check-Valid-Until=false".to_owned(),
            // apt's own download user cannot enter a cache below a private home folder.
            "APT::Sandbox::User=root".to_owned(),
            format!("APT::Architecture={}", self.arch.debian()),
            format!("APT::Architectures={}", self.arch.debian()),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }

    /// All package names that start with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = run::stdout_of(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The versions of a package that the suite has, newest first; empty when it has none.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = run::stdout_of(self.command("apt-cache").args(["madison", package]))?;
        Ok(table.lines().filter_map(|line| line.split('|').nth(1)).map(|v| v.trim().to_owned()).collect())
    }

    /// These packages with everything that they depend on, as on a machine with nothing installed; what they only recommend is
    /// left out.
    pub(crate) fn closure(&self, packages: &[&str]) -> Result<Vec<Package>> {
        let mut simulate = self.command("apt-get");
        simulate.args(["install", "--simulate", "--quiet", "--no-install-recommends"]);
        let told = run::stdout_of(simulate.args(["-o", "Debug::NoLocking=true"]).args(packages))?;
        let wanted: Vec<String> = told.lines().filter_map(to_install).collect();
        if wanted.is_empty() {
            bail!("apt-get would install nothing for {}", packages.join(" "));
        }
        self.show(&wanted)
    }

    /// What the suite says of packages, each given as `name=version`.
    pub(crate) fn show(&self, wanted: &[String]) -> Result<Vec<Package>> {
        let shown = run::stdout_of(self.command("apt-cache").arg("show").args(wanted))?;
        let found: Vec<Package> = shown.split("\n\n").filter_map(stanza).collect();
        if found.len() != wanted.len() {
            bail!("apt-cache tells of {} packages, and {} were asked for", found.len(), wanted.len());
        }
        Ok(found)
    }

    /// Downloads packages and unpacks them into one tree, whose folders may be links (`/lib` to `/usr/lib`). Nothing is
    /// installed, and no script of theirs runs.
    pub(crate) fn unpack_all(&self, packages: &[Package], into: &Path) -> Result<()> {
        let scratch =
            tempfile::tempdir_in(&self.dir).context("cannot create a temporary folder in the cache")?;
        eprintln!("downloading {} packages ({})", packages.len(), self.name);
        let names = packages.iter().map(|package| format!("{}={}", package.name, package.version));
        run::check_quietly(
            self.command("apt-get").args(["--quiet", "download"]).args(names).current_dir(scratch.path()),
        )?;
        let mut debs: Vec<PathBuf> =
            fs::read_dir(scratch.path())?.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
        debs.sort();
        if debs.len() != packages.len() {
            bail!("apt-get left {} files for {} packages", debs.len(), packages.len());
        }
        for deb in debs {
            let tar = scratch.path().join("content.tar");
            let file = fs::File::create(&tar).with_context(|| format!("cannot create {}", tar.display()))?;
            run::check(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&deb).stdout(file))?;
            run::check_quietly(
                Command::new("tar")
                    .args(["--extract", "--keep-directory-symlink", "--no-same-owner", "--file"])
                    .arg(&tar)
                    .arg("--directory")
                    .arg(into),
            )?;
        }
        Ok(())
    }

    /// Downloads one package and unpacks it into `into`. Nothing is installed, and no script of it runs.
    pub(crate) fn unpack(&self, package: &str, version: &str, into: &Path) -> Result<()> {
        let scratch =
            tempfile::tempdir_in(&self.dir).context("cannot create a temporary folder in the cache")?;
        eprintln!("downloading {package} {version} ({})", self.name);
        run::check_quietly(
            self.command("apt-get")
                .args(["--quiet", "download", &format!("{package}={version}")])
                .current_dir(scratch.path()),
        )?;
        let deb = fs::read_dir(scratch.path())?
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .find(|path| path.extension().is_some_and(|e| e == "deb"))
            .with_context(|| format!("apt-get said it downloaded {package}, but left no .deb file"))?;
        run::check_quietly(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(into))
    }
}

/// `name=version` of a line `Inst name (version …)` of apt-get's simulation.
fn to_install(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    Some(format!("{name}={}", rest.split_whitespace().next()?))
}

/// A package from its paragraph as apt-cache shows it.
fn stanza(text: &str) -> Option<Package> {
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    Some(Package {
        name: field("Package")?.to_owned(),
        version: field("Version")?.to_owned(),
        installed_kib: field("Installed-Size").and_then(|size| size.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_from_what_apt_says() {
        let line = "Inst libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64]) []";
        assert_eq!(to_install(line).as_deref(), Some("libc6=2.36-9+deb12u14"));
        assert_eq!(to_install("Conf libc6 (2.36-9+deb12u14 Debian:12.15/oldstable [amd64])"), None);
        let text = "Package: libc6\nVersion: 2.36-9\nInstalled-Size: 12976\nDescription: Package: none";
        let package = Package { name: "libc6".into(), version: "2.36-9".into(), installed_kib: 12976 };
        assert_eq!(stanza(text), Some(package));
    }

    #[test]
    fn mirrors_are_told_apart() {
        let both = "x-security http://m/debian-security/\nx http://m/debian/\nx-updates http://m/debian/\n";
        let found = Mirrors::parse(both).expect("two mirrors");
        assert_eq!(
            (found.main.as_str(), found.security.as_str()),
            ("http://m/debian/", "http://m/debian-security/")
        );
        let found = Mirrors::parse("x http://m/debian/\n").expect("one mirror");
        assert_eq!(found.security, "http://m/debian-security/");
        assert!(Mirrors::parse("").is_err());
    }
}
