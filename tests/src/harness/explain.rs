//! What `oomtrace explain --json` says about one episode of a recording.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::process::Launch;
use super::stage::{OOMTRACE, Stage};

/// Asks about episode `id` of the recording in `file`, with more `options`; the answer is one object.
pub fn explain(stage: &Stage, file: &str, id: u64, options: &[&str]) -> Result<Value> {
    let id = id.to_string();
    let launch = Launch::of(OOMTRACE).args(&["explain", file, &id, "--json"]).args(options);
    let finished = stage.follow(launch)?.wait()?;
    ensure!(
        finished.code == Some(0),
        "explain {options:?} of episode {id} ended with {:?}: {}",
        finished.code,
        finished.stderr.trim()
    );
    let mut found = Vec::new();
    for line in finished.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let json: Value = serde_json::from_slice(line)
            .with_context(|| format!("explain said what is no JSON: {}", line.escape_ascii()))?;
        if json["type"] == "explain" {
            found.push(json);
        }
    }
    if found.len() > 1 {
        bail!("explain said {} objects about one episode", found.len());
    }
    found.pop().context("explain said nothing")
}
