//! The file system that is recorded to becomes read-only and writable again: the gap is told, later episodes are recorded, and what
//! the disk holds afterwards is what was said to be recorded.
//!
//! An ordinary remount is refused while somebody writes; the emergency remount of sysrq is not, and it is what a failing disk leads to.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use super::common::MIB;
use super::recording_target::{of_type, oom, replay, said};
use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::harness::swap;
use crate::harness::watch::Mark;
use crate::skip;

/// Where the disk is mounted.
const AT: &str = "/run-disk";

/// A file system on the guest's disk, mounted as long as this lives.
struct OnDisk(&'static Path);

impl OnDisk {
    fn new() -> Result<Self> {
        let Some(disk) = swap::disk() else { skip!("the guest has no disk") };
        let known = fs::read_to_string("/proc/filesystems").context("failed to list the file systems")?;
        if !known.lines().any(|line| line.trim() == "ext4") {
            skip!("the kernel has no ext4");
        }
        let made = Command::new("busybox").args(["mke2fs", "-F"]).arg(disk).output();
        let made = made.context("failed to run busybox")?;
        ensure!(made.status.success(), "mke2fs failed: {}", String::from_utf8_lossy(&made.stderr));
        fs::create_dir_all(AT).context("failed to make a directory")?;
        let this = Self(disk);
        this.mount()?;
        Ok(this)
    }

    fn mount(&self) -> Result<()> {
        mount(self.0, AT, "ext4", MountFlags::empty(), None).context("failed to mount the disk")
    }

    /// What the disk itself holds, not what is still in memory.
    fn mount_again(&self) -> Result<()> {
        unmount(AT, UnmountFlags::empty()).context("failed to unmount the disk")?;
        self.mount()
    }

    fn is_read_only() -> Result<bool> {
        let mounts = fs::read_to_string("/proc/self/mounts").context("failed to list the mounts")?;
        let line =
            mounts.lines().find(|line| line.split(' ').nth(1) == Some(AT)).context("it is not mounted")?;
        Ok(line.split(' ').nth(3).is_some_and(|options| options.split(',').any(|option| option == "ro")))
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        // The next run makes another one.
        let _ = unmount(AT, UnmountFlags::DETACH);
    }
}

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("recording_readonly")?;
    cgroup.limit(4 * MIB)?;
    let disk = OnDisk::new()?;
    let file = format!("{AT}/readonly.oomtrace");
    let watch = stage.watch(&["-o", &file])?;
    let mut mark = Mark::default();
    let first = oom(&watch, &mut mark, &cgroup)?;

    fs::write("/proc/sysrq-trigger", "u").context("failed to ask for the emergency remount")?;
    let deadline = Instant::now() + PATIENCE;
    // The kernel does it in a work queue and tells nobody.
    while !OnDisk::is_read_only()? {
        if Instant::now() > deadline {
            bail!("the emergency remount did not happen");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    oom(&watch, &mut mark, &cgroup)?;
    said(&watch, "recording is interrupted: Read-only file system")?;
    oom(&watch, &mut mark, &cgroup)?;

    mount_remount(AT, MountFlags::empty(), "").context("failed to make the disk writable again")?;
    let last = oom(&watch, &mut mark, &cgroup)?;
    said(&watch, "recording goes on; ")?;
    let ended = watch.end_json(4)?;
    ensure!(ended.episodes.len() == 4, "{} episodes of 4 were shown", ended.episodes.len());

    disk.mount_again()?;
    let lines = replay(stage, &file, 4)?;
    let recorded = of_type(&lines, "episode");
    let kept = [&first.json, &last.json];
    ensure!(recorded == kept, "the disk has {recorded:?}");
    let gaps = of_type(&lines, "gap");
    let [gap] = gaps[..] else { bail!("there is not one gap: {gaps:?}") };
    let error = gap["error"].as_str().unwrap_or_default();
    ensure!(gap["cause"] == "target" && gap["episodes"] == 2 && error.contains("Read-only"), "{gap}");
    Ok(())
}
