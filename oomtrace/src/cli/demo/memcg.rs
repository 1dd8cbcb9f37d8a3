//! A throw-away memory cgroup, v2 or v1, below the root of the hierarchy. Removed when dropped.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io, process, thread};

use anyhow::{Context, bail};

/// The cgroup.
pub(super) struct Memcg {
    path: PathBuf,
    name: String,
}

impl Memcg {
    /// Makes one with a limit in bytes, and no swap where that can be limited.
    pub(super) fn create(limit: u64) -> anyhow::Result<Self> {
        let (root, version) = root()?;
        let name = format!("oomtrace-demo-{}", process::id());
        let path = root.join(&name);
        fs::create_dir(&path).with_context(|| format!("cannot make the cgroup {}", path.display()))?;
        let memcg = Self { path, name: format!("/{name}") };
        let (limit_file, swap_file, swap_limit) = match version {
            2 => ("memory.max", "memory.swap.max", 0),
            _ => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", limit),
        };
        memcg.write(limit_file, limit)?;
        // Not there without swap accounting; the limit is hit all the same, only later.
        let _without_swap_accounting = memcg.write(swap_file, swap_limit);
        Ok(memcg)
    }

    /// Its folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its path in the hierarchy.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    fn write(&self, file: &str, value: u64) -> anyhow::Result<()> {
        let path = self.path.join(file);
        fs::write(&path, value.to_string()).with_context(|| format!("cannot set {}", path.display()))
    }
}

impl Drop for Memcg {
    /// The cgroup can be removed once its last process is gone for good, which takes a moment.
    fn drop(&mut self) {
        let until = Instant::now() + Duration::from_secs(5);
        while let Err(error) = fs::remove_dir(&self.path) {
            if error.kind() == io::ErrorKind::NotFound {
                return;
            }
            if Instant::now() > until {
                super::say(&format!("cannot remove {}: {error}", self.path.display()));
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The root of the memory controller's hierarchy, and its version.
fn root() -> anyhow::Result<(PathBuf, u8)> {
    for unified in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let root = Path::new(unified);
        let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        if controllers.split_whitespace().any(|name| name == "memory") {
            let enabled = fs::read_to_string(root.join("cgroup.subtree_control")).unwrap_or_default();
            if !enabled.split_whitespace().any(|name| name == "memory") {
                bail!(
                    "the memory controller is not enabled below {unified}: echo +memory > {unified}/cgroup.subtree_control"
                );
            }
            return Ok((root.to_path_buf(), 2));
        }
    }
    let v1 = Path::new("/sys/fs/cgroup/memory");
    if v1.join("memory.limit_in_bytes").exists() {
        return Ok((v1.to_path_buf(), 1));
    }
    bail!("there is no memory cgroup hierarchy below /sys/fs/cgroup")
}
