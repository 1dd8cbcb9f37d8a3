//! The same OOMs, recorded live and read from the kernel's log: what both know must be the same.
//!
//! `corpus/pairs` has recordings, `corpus/logs` the log of the same guest at the same time under the same name. What differs is
//! listed here with its reason; anything else is a fault of one of the two.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Episodes as JSON.
fn episodes(args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtrace"));
    let output = command.args(args).stdin(Stdio::null()).output().expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
    lines.filter(|line| line["type"] == "episode").collect()
}

/// Collects fields that both know and that differ.
#[derive(Default)]
struct Compare {
    compared: usize,
    differ: Vec<String>,
}

impl Compare {
    fn field(&mut self, what: &str, live: &Value, told: &Value) {
        if live.is_null() || told.is_null() {
            return;
        }
        self.compared += 1;
        if live != told {
            self.differ.push(format!("{what}: live {live}, log {told}"));
        }
    }

    fn fields(&mut self, what: &str, names: &[&str], live: &Value, told: &Value) {
        for name in names {
            self.field(&format!("{what}.{name}"), &live[name], &told[name]);
        }
    }
}

fn by_pid(list: &Value) -> BTreeMap<i64, &Value> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|entry| Some((entry["pid"].as_i64()?, entry))).collect()
}

fn compare(compare: &mut Compare, live: &Value, told: &Value, exact: bool) {
    compare.fields(
        "episode",
        &[
            "outcome",
            "scope",
            "constraint",
            "sysrq",
            "order",
            "gfp_mask",
            "totalpages",
            "message",
            "oom_group",
        ],
        live,
        told,
    );
    let task = ["pid", "tid", "comm", "uid", "oom_score_adj"];
    compare.fields("trigger", &task, &live["trigger"], &told["trigger"]);
    let functions = |episode: &Value| {
        let frames = episode["trigger"]["stack"].as_array()?;
        Some(frames.iter().map(|frame| frame["function"].clone()).collect::<Vec<_>>())
    };
    if let (Some(live), Some(told)) = (functions(live), functions(told)) {
        compare.field("stack", &live.into(), &told.into());
    }
    compare.field("memcg.path", &live["memcg"]["path"], &told["memcg"]["path"]);
    // Usage is not compared: it changes between the moment of the entry and that of the report.
    let limits = ["max_pages", "swap_max_pages"];
    compare.fields("level", &limits, &live["memcg"]["chain"][0], &told["memcg"]["chain"][0]);
    if let Some(stat) = told["memcg"]["stat"].as_object() {
        for (name, value) in stat {
            compare.field(&format!("stat.{name}"), &live["memcg"]["stat"][name], value);
        }
    }
    let situation = ["cpu", "tainted", "nodemask_set", "nodemask", "mems_allowed", "cpuset"];
    compare.fields("situation", &situation, &live["situation"], &told["situation"]);
    if let Some(memory) = told["memory"].as_object() {
        let lists = ["nodes", "zones", "sums"];
        for (name, value) in memory.iter().filter(|(name, _)| !lists.contains(&name.as_str())) {
            compare.field(&format!("memory.{name}"), &live["memory"][name], value);
        }
    }
    for zone in told["memory"]["zones"].as_array().into_iter().flatten() {
        let mut zones = live["memory"]["zones"].as_array().into_iter().flatten();
        let Some(other) =
            zones.find(|other| (&other["node"], &other["zone"]) == (&zone["node"], &zone["zone"]))
        else {
            continue;
        };
        let fields = zone.as_object().expect("it is an object").iter().filter(|(name, _)| *name != "stats");
        fields.for_each(|(name, value)| compare.field(&format!("zone.{name}"), &other[name], value));
    }
    // The kernel has the exact sums of RSS from 7.0 on, of which a recording has only the shared part.
    let parts: &[&str] = if exact { &["rss_pages"] } else { &[] };
    let (scored, table) = (by_pid(&live["candidates"]), by_pid(&told["candidates"]));
    for (pid, row) in &table {
        let Some(candidate) = scored.get(pid) else {
            compare.differ.push(format!("{pid} is in the table and was not looked at"));
            continue;
        };
        let numbers =
            ["points", "share", "swap_entries", "pgtables_bytes", "total_vm_pages", "verdict", "reason"];
        compare.fields(&format!("candidate {pid}"), &task[2..], candidate, row);
        compare.fields(&format!("candidate {pid}"), &numbers, candidate, row);
        compare.fields(&format!("candidate {pid}"), parts, candidate, row);
    }
    // Who has no memory is not in the table.
    for (pid, candidate) in &scored {
        let has_points = !candidate["points"].is_null() || candidate["reason"] == "adj_min";
        if has_points && !table.contains_key(pid) {
            compare.differ.push(format!("{pid} was scored and is not in the table"));
        }
    }
    let (killed, lines) = (by_pid(&live["victims"]), by_pid(&told["victims"]));
    for (pid, victim) in &killed {
        // Who shares a victim's memory dies without a line.
        let Some(line) = lines.get(pid) else {
            if victim["why"] != "shared_mm" {
                compare.differ.push(format!("{pid} died, and the log does not say so"));
            }
            continue;
        };
        compare.fields(&format!("victim {pid}"), &task[2..], victim, line);
        compare.fields(
            &format!("victim {pid}"),
            &["cgroup", "why", "total_vm_pages", "pgtables_bytes"],
            victim,
            line,
        );
        let kinds: &[&str] =
            if exact { &["rss_anon_pages", "rss_file_pages", "rss_shmem_pages"] } else { &[] };
        compare.fields(&format!("victim {pid}"), kinds, victim, line);
    }
    for pid in lines.keys().filter(|pid| !killed.contains_key(pid)) {
        compare.differ.push(format!("{pid} is dead in the log alone"));
    }
}

#[test]
fn a_recording_and_the_log_of_the_same_moment_agree() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut compared = Compare::default();
    let mut pairs = 0;
    for entry in fs::read_dir(corpus.join("pairs")).expect("it is there") {
        let recording = entry.expect("it can be read").path();
        let name = recording.file_stem().and_then(|name| name.to_str()).expect("it has a name").to_owned();
        let log = corpus.join("logs").join(format!("{name}.log"));
        let path = |path: &Path| path.to_str().expect("the corpus has plain names").to_owned();
        let live = episodes(&["replay", "--json", &path(&recording)]);
        let told = episodes(&["import", "--json", &path(&log)]);
        // Passes without a kill leave nothing in the log.
        let live: Vec<_> = live.iter().filter(|episode| episode["victims"][0]["pid"].is_i64()).collect();
        assert_eq!(live.len(), told.len(), "{name}");
        for (live, told) in live.into_iter().zip(&told) {
            pairs += 1;
            let before = compared.differ.len();
            compare(&mut compared, live, told, !name.starts_with("linux-7"));
            compared.differ[before..].iter_mut().for_each(|text| text.insert_str(0, &format!("{name}: ")));
        }
    }
    assert!(pairs >= 14 && compared.compared > 1500, "{pairs} pairs, {} fields", compared.compared);
    assert!(compared.differ.is_empty(), "{}", compared.differ.join("\n"));
}
