//! What `oomtrace explain --what-if --json` says.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::harness::explain::explain;
use crate::harness::stage::Stage;
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
        let json = explain(stage, file, id, &["--what-if", change])?;
        let what_if = need(&json, "what_if")?;
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
