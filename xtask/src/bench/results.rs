//! Lines of figures: one JSON object each, a file of them for each boot, kept in the target folder until the same boot is measured
//! again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The folder of one kind of run, quick or whole.
pub(super) struct Results {
    folder: PathBuf,
}

impl Results {
    pub(super) fn open(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Replaces what is kept under `key`.
    pub(super) fn keep(&self, key: &str, lines: &[Value]) -> Result<()> {
        let path = self.folder.join(format!("{key}.jsonl"));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Everything that is kept.
    pub(super) fn all(&self) -> Result<Vec<Value>> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.ok().map(|e| e.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
            .collect();
        files.sort();
        let mut lines = Vec::new();
        for file in files {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            for line in text.lines() {
                lines.push(serde_json::from_str(line).with_context(|| format!("in {}", file.display()))?);
            }
        }
        Ok(lines)
    }
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The median of a list in a line of figures.
pub(super) fn median_of(line: &Value, key: &str) -> Option<f64> {
    let numbers: Vec<f64> = line[key].as_array()?.iter().filter_map(Value::as_f64).collect();
    median(&numbers)
}

#[cfg(test)]
mod tests {
    use super::{median, median_of};

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median_of(&serde_json::json!({ "a": [1, 9, 2] }), "a"), Some(2.0));
        assert_eq!(median_of(&serde_json::json!({}), "a"), None);
    }
}
