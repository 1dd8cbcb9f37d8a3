//! A real systemd as process 1 of a PID namespace, with a root, mounts and a cgroup of its own, and what it says of a unit.
//!
//! Its packages were unpacked below [`PACKAGES`] by `cargo xtask test`; nothing of them was ever installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::{Launch, Running};
use crate::skip;

/// Where the packages are.
const PACKAGES: &str = "/systemd";

/// The unit, where it is put, and where it looks for the program.
const UNIT: &str = include_str!("../../../../contrib/systemd/oomtrace.service");
const UNIT_FILE: &str = "etc/systemd/system/oomtrace.service";
const PROGRAM: &str = "usr/local/bin/oomtrace";

/// Makes the root a mount of its own, as units with a private view of the files need one, and becomes systemd.
const START: &str = "
set -e
mount --make-rprivate /
mount -t tmpfs root /run-systemd
cp -a /systemd/. /run-systemd/
cd /run-systemd
mount -t proc proc proc
mount -o rbind /sys sys
mount -o rbind /dev dev
mount -t tmpfs run run
mount -o move . /
exec env -i container=other PATH=/usr/sbin:/usr/bin /bin/busybox chroot . \
    /lib/systemd/systemd --log-target=console --show-status=0 --unit=basic.target
";

/// systemd, running. Dropping it ends it and all that it started.
pub(super) struct Machine {
    // Before the cgroup, which has to be empty when it goes.
    _outer: Running,
    pid: i32,
    _cgroup: Cgroup,
}

fn packages() -> Result<&'static Path> {
    let packages = Path::new(PACKAGES);
    if !packages.is_dir() {
        skip!("this guest was booted without systemd's packages");
    }
    Ok(packages)
}

fn write(name: &str, text: &str) -> Result<()> {
    let file = packages()?.join(name);
    fs::create_dir_all(file.parent().context("it is in a folder")?)?;
    fs::write(&file, text).with_context(|| format!("failed to write {name}"))
}

impl Machine {
    /// Boots it with oomtrace and its unit put in place. `drop_in`: settings of the unit that differ from the ones in the repository.
    pub(super) fn with_unit(drop_in: &str) -> Result<Self> {
        let packages = packages()?;
        write(UNIT_FILE, UNIT)?;
        write(&format!("{UNIT_FILE}.d/test.conf"), drop_in)?;
        fs::create_dir_all(packages.join("usr/local/bin"))?;
        fs::copy("/usr/bin/oomtrace", packages.join(PROGRAM)).context("failed to copy oomtrace")?;
        Self::boot()
    }

    /// Boots it without oomtrace, with `package` in `/tmp` and nothing installed as far as its dpkg knows.
    pub(super) fn with_package(package: &Path) -> Result<Self> {
        let packages = packages()?;
        for left in [UNIT_FILE, PROGRAM] {
            // Of another test.
            let _ = fs::remove_file(packages.join(left));
        }
        for folder in ["info", "updates", "triggers", "alternatives", "parts"] {
            fs::create_dir_all(packages.join("var/lib/dpkg").join(folder))?;
        }
        write("var/lib/dpkg/status", "")?;
        fs::create_dir_all(packages.join("opt"))?;
        fs::copy(package, packages.join("opt/oomtrace.deb")).context("failed to copy the package")?;
        Self::boot()
    }

    fn boot() -> Result<Self> {
        let packages = packages()?;
        write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")?;
        write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")?;
        write("etc/group", "root:x:0:\nnogroup:x:65534:\n")?;
        // `kill`, for the unit's reload.
        fs::copy("/bin/busybox", packages.join("usr/bin/kill")).context("failed to copy busybox")?;
        fs::create_dir_all("/run-systemd")?;

        let cgroup = Cgroup::new("machine")?;
        let words = ["unshare", "-m", "-p", "-f", "sh", "-c", START];
        let outer = Launch::of("busybox").args(&words).inside(&cgroup).start()?;
        let children = format!("/proc/{0}/task/{0}/children", outer.pid());
        let machine = |pid| Self { _outer: outer, pid, _cgroup: cgroup };
        let deadline = Instant::now() + PATIENCE;
        let pid = loop {
            let text = fs::read_to_string(&children).context("systemd was not started")?;
            let pid = text.split_whitespace().next().and_then(|pid| pid.parse::<i32>().ok());
            if let Some(pid) = pid
                && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "systemd")
            {
                break pid;
            }
            ensure!(Instant::now() < deadline, "systemd was not started");
            thread::sleep(Duration::from_millis(20));
        };
        let machine = machine(pid);
        machine.wait_until("that it is up", || {
            Ok(machine.run(&["systemctl", "is-active", "basic.target"])?.0.trim() == "active")
        })?;
        Ok(machine)
    }

    /// Runs a command inside; returns its output, and whether it succeeded.
    pub(super) fn run(&self, words: &[&str]) -> Result<(String, bool)> {
        let pid = self.pid.to_string();
        let done = Command::new("busybox").args(["nsenter", "-t", &pid, "-m", "-p"]).args(words).output();
        let done = done.context("failed to run busybox")?;
        let text = [done.stdout, done.stderr].concat();
        Ok((String::from_utf8_lossy(&text).into_owned(), done.status.success()))
    }

    /// Runs `systemctl` for the unit; its failure is an error that has what the unit is at.
    pub(super) fn systemctl(&self, verb: &str) -> Result<()> {
        let (said, fine) = self.run(&["systemctl", verb, "oomtrace.service"])?;
        ensure!(fine, "systemctl {verb}: {said}\n{}", self.status()?);
        Ok(())
    }

    /// What a person would look at.
    pub(super) fn status(&self) -> Result<String> {
        Ok(self.run(&["systemctl", "status", "--no-pager", "-l", "oomtrace.service"])?.0)
    }

    /// One property of the unit.
    pub(super) fn property(&self, name: &str) -> Result<String> {
        let (said, fine) = self.run(&["systemctl", "show", "--value", "-p", name, "oomtrace.service"])?;
        ensure!(fine, "systemctl show: {said}");
        Ok(said.trim().to_owned())
    }

    /// The unit's main process, as the guest numbers it.
    pub(super) fn main_pid(&self) -> Result<i32> {
        let inside = self.property("MainPID")?;
        ensure!(inside != "0", "the unit has no main process: {}", self.status()?);
        for entry in fs::read_dir("/proc").context("failed to list /proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let same = |key: &str, wanted: &str| {
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(key))
                    .is_some_and(|words| words.split_whitespace().next_back() == Some(wanted))
            };
            if same("NSpid:", &inside) && same("Name:", "oomtrace") {
                return Ok(pid);
            }
        }
        bail!("there is no process {inside} in the namespace")
    }

    /// A path inside, as the guest sees it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{path}", self.pid))
    }

    /// Waits for something of the unit.
    pub(super) fn wait_until(&self, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so()? {
            if Instant::now() >= deadline {
                bail!("waited in vain: {what}; {}", self.status()?);
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}
