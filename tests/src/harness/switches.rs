//! How often a process has been on a CPU, by the kernel's count: what never sleeps and wakes does not add to it.

use anyhow::{Context as _, Result};

/// Counts over all threads of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Times that it went to sleep by itself (`voluntary_ctxt_switches`).
    pub voluntary: u64,
    /// Times that it was taken off its CPU (`nonvoluntary_ctxt_switches`).
    pub involuntary: u64,
}

impl Switches {
    /// Of the process `pid`, up to now.
    pub fn of(pid: i32) -> Result<Self> {
        let mut sum = Self::default();
        let directory = format!("/proc/{pid}/task");
        for entry in std::fs::read_dir(&directory).with_context(|| format!("failed to list {directory}"))? {
            let file = entry.with_context(|| format!("failed to list {directory}"))?.path().join("status");
            let status = std::fs::read_to_string(&file)
                .with_context(|| format!("failed to read {}", file.display()))?;
            let count = |key: &str| -> Result<u64> {
                let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
                let line = line.with_context(|| format!("{} has no {key}", file.display()))?;
                line.trim().parse().with_context(|| format!("{key} is no number"))
            };
            sum.voluntary += count("voluntary_ctxt_switches")?;
            sum.involuntary += count("nonvoluntary_ctxt_switches")?;
        }
        Ok(sum)
    }

    /// What came since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            voluntary: self.voluntary - before.voluntary,
            involuntary: self.involuntary - before.involuntary,
        }
    }
}
