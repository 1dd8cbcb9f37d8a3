//! Lines of figures: one JSON object each, a file of them for each boot, kept in the target folder until the same boot is measured
//! again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The folder of one kind of run, quick or whole.
#[derive(Clone)]
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

    /// Replaces those lines under `key` that are about the same as one of these: all of a tracer's, if only some were measured again.
    pub(super) fn replace(&self, key: &str, lines: &[Value]) -> Result<()> {
        let path = self.folder.join(format!("{key}.jsonl"));
        let mut all = if path.exists() { read(&path)? } else { Vec::new() };
        let same = |old: &Value, new: &Value| {
            ["suite", "peer", "row", "command"].iter().all(|key| old[key] == new[key])
        };
        let mut kept: Vec<Value> =
            all.iter().filter(|old| !lines.iter().any(|new| same(old, new))).cloned().collect();
        // What the others are compared with stays as long as there is one of the others.
        let runs: Vec<Value> = kept.iter().map(|line| line["run"].clone()).collect();
        all.retain(|old| {
            is_reference(old) && !kept.contains(old) && runs.contains(&old["run"]) && !old["run"].is_null()
        });
        kept.extend(all);
        kept.splice(..0, lines.iter().cloned());
        let all = kept;
        self.keep(key, &all)
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
            lines.extend(read(&file)?);
        }
        Ok(lines)
    }
}

/// Whether other lines of its boot are compared with this one.
fn is_reference(line: &Value) -> bool {
    line["peer"] == "none" || line["peer"] == "dump_tasks"
}

fn read(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let parse = |line| serde_json::from_str(line).with_context(|| format!("in {}", file.display()));
    text.lines().map(parse).collect()
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
    use serde_json::json;

    use super::{Results, median, median_of};

    #[test]
    fn some_are_measured_again() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::open(folder.path().to_owned()).unwrap();
        let line = |peer: &str, run: u32| json!({ "suite": "memcg", "peer": peer, "run": run });
        results.keep("k", &[line("none", 1), line("perf", 1), line("bcc", 1)]).unwrap();
        results.replace("k", &[line("none", 2), line("bcc", 2)]).unwrap();
        assert_eq!(
            results.all().unwrap(),
            [line("none", 2), line("bcc", 2), line("perf", 1), line("none", 1)]
        );
        results.replace("k", &[line("none", 3), line("perf", 3)]).unwrap();
        assert_eq!(
            results.all().unwrap(),
            [line("none", 3), line("perf", 3), line("bcc", 2), line("none", 2)]
        );
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median_of(&serde_json::json!({ "a": [1, 9, 2] }), "a"), Some(2.0));
        assert_eq!(median_of(&serde_json::json!({}), "a"), None);
    }
}
