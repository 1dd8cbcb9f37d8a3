//! The .deb, by Debian's dpkg under a running systemd: it starts nothing by itself, its unit runs and records, an upgrade restarts a recorder
//! that runs, and what is removed leaves the recordings.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::machine::Machine;
use super::{STATE, files, oom, recorded};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::skip;

/// Where `cargo xtask test` has put it.
const PACKAGE: &str = "/oomtrace.deb";
/// Of what it has: each file is looked for.
const FILES: [&str; 6] = [
    "usr/bin/oomtrace",
    "usr/lib/systemd/system/oomtrace.service",
    "usr/share/man/man1/oomtrace.1.gz",
    "usr/share/bash-completion/completions/oomtrace",
    "usr/share/zsh/vendor-completions/_oomtrace",
    "usr/share/fish/vendor_completions.d/oomtrace.fish",
];

pub(in super::super) fn run(stage: &Stage) -> Result<()> {
    let package = Path::new(PACKAGE);
    if !package.exists() {
        skip!("this guest was booted without the package: cargo-deb could not be had");
    }
    let machine = Machine::with_package(package)?;
    dpkg(&machine, &["--install", "/opt/oomtrace.deb"])?;
    for file in FILES {
        ensure!(machine.path(file).exists(), "the package has no {file}");
    }
    let (version, runs) = machine.run(&["oomtrace", "--version"])?;
    ensure!(runs && version.starts_with("oomtrace "), "it says {version}");
    let (enabled, _) = machine.run(&["systemctl", "is-enabled", "oomtrace.service"])?;
    ensure!(enabled.trim() == "disabled", "the unit is {enabled}");
    ensure!(machine.property("ActiveState")? == "inactive", "it was started: {}", machine.status()?);

    machine.systemctl("start")?;
    let cgroup = Cgroup::new("package_victim")?;
    let victim = oom(&cgroup)?;
    recorded(stage, &machine, victim)?;

    let before = machine.main_pid()?;
    dpkg(&machine, &["--install", "/opt/oomtrace.deb"])?;
    machine.wait_until("that the new one runs", || Ok(machine.property("ActiveState")? == "active"))?;
    ensure!(machine.main_pid()? != before, "the old one runs on after an upgrade");
    let victim = oom(&cgroup)?;
    recorded(stage, &machine, victim)?;

    let recordings = files(&machine)?.len();
    dpkg(&machine, &["--remove", "oomtrace"])?;
    ensure!(!machine.path("usr/bin/oomtrace").exists(), "the program is still there");
    let (active, _) = machine.run(&["systemctl", "is-active", "oomtrace.service"])?;
    ensure!(active.trim() == "inactive", "it runs on without its package: {active}");
    dpkg(&machine, &["--purge", "oomtrace"])?;
    let left = std::fs::read_dir(machine.path(STATE)).context("the recordings are gone")?.count();
    ensure!(left >= recordings, "{left} files are left of {recordings}");
    Ok(())
}

/// By its path: busybox, which enters the namespaces, has one of its own.
fn dpkg(machine: &Machine, words: &[&str]) -> Result<()> {
    let (said, fine) = machine.run(&[&["/usr/bin/dpkg"], words].concat())?;
    ensure!(fine, "dpkg {}: {said}", words.join(" "));
    Ok(())
}
