//! A sysctl set for as long as a scenario needs it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Restores the former value when dropped.
#[derive(Debug)]
pub struct Sysctl {
    file: PathBuf,
    former: String,
}

impl Sysctl {
    /// Sets `name` (`vm/oom_dump_tasks`) to `value`.
    pub fn set(name: &str, value: &str) -> Result<Self> {
        let file = PathBuf::from("/proc/sys").join(name);
        let former =
            fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        fs::write(&file, value).with_context(|| format!("failed to write {value} to {}", file.display()))?;
        Ok(Self { file, former: former.trim().to_owned() })
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.file, &self.former) {
            eprintln!("failed to restore {}: {error}", self.file.display());
        }
    }
}
