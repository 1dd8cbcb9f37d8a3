//! The file systems of a guest.

use std::ffi::CStr;
use std::fs;

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, mount};

/// (source and type, place, options, whether a guest is useless without it)
const ALWAYS: &[(&str, &str, Option<&CStr>, bool)] = &[
    ("proc", "/proc", None, true),
    ("sysfs", "/sys", None, true),
    ("devtmpfs", "/dev", None, true),
    ("tmpfs", "/tmp", None, true),
    ("tmpfs", "/run", None, true),
    ("tmpfs", "/out", None, true),
    // Kernels may be built without these; what needs one says so itself.
    ("tracefs", "/sys/kernel/tracing", None, false),
    ("debugfs", "/sys/kernel/debug", None, false),
    ("securityfs", "/sys/kernel/security", None, false),
    ("bpf", "/sys/fs/bpf", None, false),
    ("devpts", "/dev/pts", None, false),
];

/// The word on the kernel's command line that asks for the old hierarchy.
const WANT_V1: &str = "oomtrace.cgroup=v1";

/// Mounts everything. A missing optional file system is reported on the console and otherwise ignored.
pub(super) fn mount_all() -> Result<()> {
    for &(kind, place, options, needed) in ALWAYS {
        let result = mount_one(kind, place, options);
        match result {
            Err(error) if needed => return Err(error),
            Err(error) => eprintln!("init: {error:#}"),
            Ok(()) => {}
        }
    }
    let cmdline = fs::read_to_string("/proc/cmdline").context("cannot read /proc/cmdline")?;
    if cmdline.split_whitespace().any(|word| word == WANT_V1) { cgroup_v1() } else { cgroup_v2() }
}

/// One file system, its folder made when missing.
fn mount_one(kind: &str, place: &str, options: Option<&CStr>) -> Result<()> {
    // Folders below sysfs cannot be made; the mount then says what is wrong.
    let _ = fs::create_dir_all(place);
    mount(kind, place, kind, MountFlags::empty(), options)
        .with_context(|| format!("cannot mount {kind} on {place}"))
}

/// The unified hierarchy, with the controllers that tests use passed on to the root's children.
fn cgroup_v2() -> Result<()> {
    mount_one("cgroup2", "/sys/fs/cgroup", None)?;
    for controller in ["+memory", "+pids", "+cpuset"] {
        if let Err(error) = fs::write("/sys/fs/cgroup/cgroup.subtree_control", controller) {
            eprintln!("init: cannot enable {controller}: {error}");
        }
    }
    Ok(())
}

/// The old memory and pids controllers in the places where distributions put them.
fn cgroup_v1() -> Result<()> {
    mount_one("tmpfs", "/sys/fs/cgroup", None)?;
    for controller in [c"memory", c"pids"] {
        let place = format!("/sys/fs/cgroup/{}", controller.to_string_lossy());
        mount_one("cgroup", &place, Some(controller))?;
    }
    Ok(())
}
