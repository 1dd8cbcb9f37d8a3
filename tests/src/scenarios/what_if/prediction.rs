//! What `oomtrace explain --what-if --json` says.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::view::need;

/// The words about one change.
#[derive(Clone, Debug)]
pub(super) struct Prediction {
    /// `what_if.result`.
    pub(super) result: String,
    /// Process id of `what_if.victim`.
    pub(super) victim: Option<i64>,
    /// Process id of `what_if.then.victim`: who dies when the trigger goes on.
    pub(super) then: Option<i64>,
    /// The whole of it, for a failure.
    pub(super) json: Value,
}

impl Prediction {
    /// Asks about episode `id` of the recording in `file`.
    pub(super) fn ask(stage: &Stage, file: &str, id: u64, change: &str) -> Result<Self> {
        let id = id.to_string();
        let launch = Launch::of(OOMTRACE).args(&["explain", file, &id, "--json", "--what-if", change]);
        let finished = stage.follow(launch)?.wait()?;
        ensure!(
            finished.code == Some(0),
            "explain --what-if {change} of episode {id} ended with {:?}: {}",
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
        let [json] = found.as_slice() else {
            bail!("explain said {} objects about one episode", found.len())
        };
        let what_if = need(json, "what_if")?;
        Ok(Self {
            result: need(what_if, "result")?.as_str().context("result is no string")?.to_owned(),
            victim: pid(need(what_if, "victim")?)?,
            then: match need(what_if, "then")? {
                Value::Null => None,
                then => pid(need(then, "victim")?)?,
            },
            json: what_if.clone(),
        })
    }
}

fn pid(victim: &Value) -> Result<Option<i64>> {
    match victim {
        Value::Null => Ok(None),
        victim => need(victim, "pid")?.as_i64().map(Some).context("pid is no number"),
    }
}
