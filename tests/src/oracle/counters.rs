//! Counters the kernel keeps: files of `key value` lines.

use std::path::Path;

use anyhow::{Context as _, Result};

/// The value of `key` in a file of `key value` lines, such as `memory.events` or `/proc/vmstat`.
pub fn read(file: &Path, key: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    value(&text, key).with_context(|| format!("{} has no {key}", file.display()))
}

/// Processes killed by the OOM killer since boot. A group kill counts its first victim twice, as the kernel visits it
/// twice.
pub fn oom_kills() -> Result<u64> {
    read(Path::new("/proc/vmstat"), "oom_kill")
}

/// Pages of memory the kernel manages, plus swap: `totalpages` of a global OOM.
pub fn total_pages() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").context("failed to read /proc/meminfo")?;
    let kb = |key: &str| value(&text, key).with_context(|| format!("/proc/meminfo has no {key}"));
    Ok((kb("MemTotal:")? + kb("SwapTotal:")?) / 4)
}

fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(key)).then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn keys_are_matched_whole() {
        let text = "low 0\noom 3\noom_kill 12\n";
        assert_eq!(value(text, "oom_kill"), Some(12));
        assert_eq!(value(text, "oom"), Some(3));
        assert_eq!(value(text, "kill"), None);
        assert_eq!(value("MemTotal:  1016 kB", "MemTotal:"), Some(1016));
    }
}
