//! The kernel's log of all cases, imported, against what was traced: everything that both know.
//!
//! Not compared: usage of a memcg and parts of RSS, which are read at other moments or by other means; processes that share a victim's
//! memory, which die without a line; the trigger's process, of which a log has the thread, as the table has its name; those between
//! vfork and exec, or reaped before, which no log shows. `docs/import.md` has the reasons.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::super::replay_identical::Scratch;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::oracle::kmsg::Record;

/// Appends records as `dmesg` shows them.
pub(super) fn keep(log: &mut Vec<u8>, records: &[Record]) {
    for record in records {
        let (seconds, rest) = (record.microseconds / 1_000_000, record.microseconds % 1_000_000);
        log.extend(format!("[{seconds:5}.{rest:06}] ").into_bytes());
        log.extend(&record.message);
        log.push(b'\n');
    }
}

/// Compares; returns how many episodes and how many fields.
pub(super) fn check(stage: &Stage, log: &[u8], recording: &str) -> Result<(usize, usize)> {
    let file = Scratch::new("random.log")?;
    std::fs::write(file.text()?, log).context("keeping the log")?;
    let live = killing(stage, &["replay", recording, "--json"])?;
    let mut told = killing(stage, &["import", file.text()?, "--json"])?;
    let (mut episodes, mut fields) = (0, 0);
    let mut differ = Vec::new();
    for live in &live {
        let victim = &live["victims"][0]["pid"];
        let place = told.iter().position(|told| &told["victims"][0]["pid"] == victim);
        let told = told.remove(place.with_context(|| format!("the log does not have the kill of {victim}"))?);
        episodes += 1;
        let mut field = |what: String, live: &Value, told: &Value| {
            if !live.is_null() && !told.is_null() {
                fields += 1;
                if live != told {
                    differ.push(format!("{what} of {victim}: live {live}, log {told}"));
                }
            }
        };
        for name in ["outcome", "scope", "constraint", "sysrq", "order", "gfp_mask", "message", "oom_group"] {
            field(name.to_owned(), &live[name], &told[name]);
        }
        if told["report"]["swap_assumed_none"] == false {
            field("totalpages".to_owned(), &live["totalpages"], &told["totalpages"]);
        }
        for name in ["tid", "comm", "oom_score_adj"] {
            field(format!("trigger.{name}"), &live["trigger"][name], &told["trigger"][name]);
        }
        field("memcg.path".to_owned(), &live["memcg"]["path"], &told["memcg"]["path"]);
        let (scored, table) = (by_pid(&live["candidates"]), by_pid(&told["candidates"]));
        for (pid, row) in table {
            let Some(candidate) = scored.get(&pid) else { continue };
            for name in ["comm", "uid", "oom_score_adj", "points", "verdict", "total_vm_pages"] {
                // Without swap's size points of others than 0 are on another scale.
                let scaled = name == "points" && told["report"]["swap_assumed_none"] == true;
                // The row has the name of the thread that has the memory.
                let of_thread = name == "comm" && row["tid"] != row["pid"];
                // No log shows who is between vfork and exec, or was reaped before.
                let unseen =
                    name == "verdict" && matches!(candidate["reason"].as_str(), Some("vfork" | "reaped"));
                if !scaled && !of_thread && !unseen {
                    field(format!("candidate {pid} {name}"), &candidate[name], &row[name]);
                }
            }
        }
        for (pid, line) in by_pid(&told["victims"]) {
            let killed = by_pid(&live["victims"]);
            let nobody = Value::from("alive");
            let killed = killed.get(&pid).copied().unwrap_or(&nobody);
            if killed == &nobody {
                field(format!("victim {pid}"), &nobody, &Value::from("dead"));
            }
            for name in ["comm", "uid", "oom_score_adj", "why", "cgroup"] {
                field(format!("victim {pid} {name}"), &killed[name], &line[name]);
            }
        }
    }
    ensure!(differ.is_empty(), "recording and log differ:\n{}", differ.join("\n"));
    Ok((episodes, fields))
}

/// Episodes that killed somebody.
fn killing(stage: &Stage, args: &[&str]) -> Result<Vec<Value>> {
    let finished = stage.follow(Launch::of(OOMTRACE).args(args))?.wait()?;
    ensure!(matches!(finished.code, Some(0 | 4)), "{args:?} ended with {:?}", finished.code);
    let mut episodes = Vec::new();
    for line in finished.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let json: Value = serde_json::from_slice(line).context("it is no JSON")?;
        if matches!(json["outcome"].as_str(), Some("killed" | "group_killed")) {
            episodes.push(json);
        }
    }
    Ok(episodes)
}

fn by_pid(list: &Value) -> BTreeMap<i64, &Value> {
    list.as_array().into_iter().flatten().filter_map(|entry| Some((entry["pid"].as_i64()?, entry))).collect()
}
