//! Memory cgroups of either version: made, limited, read, and emptied again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::oracle::counters;

/// Where the guest mounts version 2.
const V2_ROOT: &str = "/sys/fs/cgroup";
/// Where the guest mounts the memory controller of version 1.
const V1_ROOT: &str = "/sys/fs/cgroup/memory";

/// Which hierarchy has the memory controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `memory.limit_in_bytes` and friends.
    One,
    /// `memory.max` and friends.
    Two,
}

impl Version {
    /// The guest's.
    pub fn of_guest() -> Result<Self> {
        if Path::new(V1_ROOT).join("memory.limit_in_bytes").exists() {
            return Ok(Self::One);
        }
        let controllers = fs::read_to_string(Path::new(V2_ROOT).join("cgroup.controllers"))
            .context("no memory controller is mounted below /sys/fs/cgroup")?;
        if controllers.split_whitespace().any(|name| name == "memory") {
            return Ok(Self::Two);
        }
        bail!("the memory controller is in neither hierarchy")
    }

    fn root(self) -> &'static Path {
        Path::new(match self {
            Self::One => V1_ROOT,
            Self::Two => V2_ROOT,
        })
    }
}

/// A cgroup of the test's own. Dropping it kills what is left in it and removes it.
#[derive(Debug)]
pub struct Cgroup {
    version: Version,
    path: String,
}

impl Cgroup {
    /// Makes `/name`.
    pub fn new(name: &str) -> Result<Self> {
        Self::at(Version::of_guest()?, format!("/{name}"))
    }

    /// Makes a child, with the memory controller enabled for it.
    pub fn child(&self, name: &str) -> Result<Self> {
        if self.version == Version::Two {
            self.write("cgroup.subtree_control", "+memory")?;
        }
        Self::at(self.version, format!("{}/{name}", self.path))
    }

    fn at(version: Version, path: String) -> Result<Self> {
        let new = Self { version, path };
        match fs::create_dir(new.directory()) {
            Ok(()) => Ok(new),
            // Left behind by a test that failed: its counters would count in.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                new.clear();
                fs::create_dir(new.directory())
                    .with_context(|| format!("failed to make cgroup {} anew", new.path))?;
                Ok(new)
            }
            Err(error) => Err(error).with_context(|| format!("failed to make cgroup {}", new.path)),
        }
    }

    /// Path from the root of the hierarchy, as the kernel logs it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its directory.
    pub fn directory(&self) -> PathBuf {
        self.version.root().join(self.path.trim_start_matches('/'))
    }

    /// Sets the limit, and forbids swap.
    pub fn limit(&self, bytes: u64) -> Result<()> {
        match self.version {
            Version::One => self.write("memory.limit_in_bytes", &bytes.to_string()),
            Version::Two => {
                // There is no such file on a kernel without swap accounting.
                if self.directory().join("memory.swap.max").exists() {
                    self.write("memory.swap.max", "0")?;
                }
                self.write("memory.max", &bytes.to_string())
            }
        }
    }

    /// Sets the limit, and another one for swap; version 2 only.
    pub fn limit_with_swap(&self, bytes: u64, swap_bytes: u64) -> Result<()> {
        self.write("memory.swap.max", &swap_bytes.to_string())?;
        self.write("memory.max", &bytes.to_string())
    }

    /// Sets the limit to what is used now and `room` bytes more; returns the limit.
    pub fn limit_above_usage(&self, room: u64) -> Result<u64> {
        let file = match self.version {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "memory.current",
        };
        let usage: u64 =
            self.read(file)?.trim().parse().with_context(|| format!("{file} is not a number"))?;
        let limit = (usage + room) / 4096 * 4096;
        self.limit(limit)?;
        Ok(limit)
    }

    /// Writes one of its files.
    pub fn write(&self, file: &str, value: &str) -> Result<()> {
        let path = self.directory().join(file);
        fs::write(&path, value).with_context(|| format!("failed to write {value:?} to {}", path.display()))
    }

    /// Reads one of its files.
    pub fn read(&self, file: &str) -> Result<String> {
        let path = self.directory().join(file);
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    }

    /// Processes killed in it by the OOM killer, by its own counter.
    pub fn oom_kills(&self) -> Result<u64> {
        match self.version {
            Version::One => counters::read(&self.directory().join("memory.oom_control"), "oom_kill"),
            Version::Two => counters::read(&self.directory().join("memory.events"), "oom_kill"),
        }
    }

    /// Makes its limit hold for children that are made from now on, and theirs for their own; so it always is in version 2, and in
    /// version 1 since 5.11.
    pub fn hold_for_children(&self) -> Result<()> {
        if self.version == Version::One && self.directory().join("memory.use_hierarchy").exists() {
            self.write("memory.use_hierarchy", "1")?;
        }
        Ok(())
    }

    /// Waits until its limit has been met that often without anything left to reclaim; version 2 only.
    pub fn await_ooms(&self, count: u64, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while counters::read(&self.directory().join("memory.events"), "oom")? < count {
            if Instant::now() >= deadline {
                bail!("fewer than {count} OOMs of cgroup {} within {patience:?}", self.path);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Process ids in it.
    pub fn members(&self) -> Result<Vec<i32>> {
        let list = self.read("cgroup.procs")?;
        list.lines().map(|line| line.parse().context("cgroup.procs holds no numbers")).collect()
    }

    /// Kills what is left and removes the directory, and what was made below it, as far as that goes.
    fn clear(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        // Still populated: the killed need a moment, and nothing tells when a cgroup v1 is empty.
        while !clear_below(&self.directory()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Kills and removes what is there; tells whether nothing is any more.
fn clear_below(directory: &Path) -> bool {
    let below = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    // All of them, also when one is not empty yet.
    below.filter(|path| path.is_dir()).for_each(|path| {
        clear_below(&path);
    });
    let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?)) {
        // Gone already is fine.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    match fs::remove_dir(directory) {
        Ok(()) => true,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.clear();
    }
}
