//! `oomtrace doctor` on a machine that allows everything: it says so, in words and as JSON.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};

pub(super) fn run(stage: &Stage) -> Result<()> {
    let text = stage.follow(Launch::of(OOMTRACE).arg("doctor"))?.wait()?;
    ensure!(text.code == Some(0), "exit code {:?}: {}", text.code, text.stderr);
    let words = String::from_utf8(text.stdout).context("the text is not UTF-8")?;
    for word in ["fentry", "kprobe", "BTF"] {
        ensure!(words.contains(word), "the text does not mention {word}: {words}");
    }
    let json = stage.follow(Launch::of(OOMTRACE).args(&["doctor", "--json"]))?.wait()?;
    ensure!(json.code == Some(0), "exit code {:?} with --json: {}", json.code, json.stderr);
    let value: Value = serde_json::from_slice(&json.stdout).context("it is no single JSON value")?;
    ensure!(value.is_object(), "it is no JSON object: {value}");
    Ok(())
}
