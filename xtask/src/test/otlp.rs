//! A receiver of OTLP that is built on the official protobuf definitions (the Python package `opentelemetry-proto`) over what `replay --otlp`
//! sends: every record is what the JSON says, every series what Prometheus gets, and there is no field that the definitions do not know.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::readers;
use super::report::{Report, Verdict};
use crate::{run, workspace};

const PROTO: &[&str] = &["opentelemetry-proto==1.45.2"];
const CORPUS: &str = "oomtrace/tests/corpus";
/// The files that the golden has the metrics of.
const OF_GOLDEN: [&str; 3] =
    ["linux-6.1-group-kill.oomtrace", "linux-6.1-none-killable.oomtrace", "linux-7.3-reaped.oomtrace"];
const GOLDEN: &str = "oomtrace/tests/golden/metrics/corpus.prom";

/// A test of what was received.
type Test = fn(&Received) -> Result<()>;

/// Runs the tests that are wanted.
pub(super) fn run(report: &Report, filter: Option<&str>) {
    let tests: [(&str, Test); 2] = [("otlp/logs", logs), ("otlp/metrics", metrics)];
    let wanted: Vec<_> = tests.iter().filter(|(name, _)| filter.is_none_or(|it| name.contains(it))).collect();
    if wanted.is_empty() {
        return;
    }
    let mut started = Instant::now();
    let received = receive();
    for (name, test) in wanted {
        let verdict = match &received {
            Ok(Ok(received)) => match test(received) {
                Ok(()) => Verdict::Passed,
                Err(error) => Verdict::Failed(format!("{error:#}")),
            },
            Ok(Err(reason)) => Verdict::Skipped(reason.clone()),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        };
        report.add(name, verdict, &super::took(started));
        started = Instant::now();
    }
}

/// What the receiver got, and what it is compared with.
struct Received {
    /// Of the whole corpus: records.
    records: Vec<Value>,
    /// Each episode of it, behind its session.
    shown: Vec<(Value, Value)>,
    /// The last metrics of the golden's files.
    series: Vec<Value>,
}

/// Runs the receiver, which runs oomtrace. The inner error is why it cannot be run here.
fn receive() -> Result<Result<Received, String>> {
    run::check(run::cargo().args(["build", "--quiet", "--package", "oomtrace"]))?;
    let corpus = workspace::root().join(CORPUS);
    let program = workspace::target().join("debug/oomtrace");
    let golden: Vec<PathBuf> = OF_GOLDEN.iter().map(|name| corpus.join(name)).collect();
    let task = json!({
        "oomtrace": program,
        "runs": {
            "all": {"files": [corpus], "env": {
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
                "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=a%20test",
            }},
            "golden": {"files": golden, "env": {}},
        },
    });
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let path = folder.path().join("task.json");
    fs::write(&path, task.to_string())?;
    let mut received = match readers::python(PROTO, include_str!("otlp/receiver.py"), &path)? {
        Ok(received) => received,
        Err(reason) => return Ok(Err(reason)),
    };
    let take = |value: &mut Value| match value.take() {
        Value::Array(all) => Ok(all),
        _ => Err(anyhow::anyhow!("nothing came")),
    };
    Ok(Ok(Received {
        records: take(&mut received["all"]["logs"])?,
        series: take(&mut received["golden"]["metrics"])?,
        shown: shown(&program, &corpus)?,
    }))
}

fn shown(program: &Path, corpus: &Path) -> Result<Vec<(Value, Value)>> {
    let mut command = Command::new(program);
    command.args(["replay", "--json"]).arg(corpus).stdin(Stdio::null());
    let output = command.output().map_err(|error| run::explain_spawn(&command, error))?;
    let (mut session, mut shown) = (Value::Null, Vec::new());
    for line in String::from_utf8(output.stdout).context("oomtrace's JSON")?.lines() {
        let line: Value = serde_json::from_str(line)?;
        match line["type"].as_str() {
            Some("session") => session = line,
            Some("episode") => shown.push((session.clone(), line)),
            _ => {}
        }
    }
    Ok(shown)
}

fn logs(received: &Received) -> Result<()> {
    let Received { records, shown, .. } = received;
    ensure!(records.len() == shown.len(), "{} records of {} episodes", records.len(), shown.len());
    ensure!(records.len() > 50, "only {}", records.len());
    for (record, (session, episode)) in records.iter().zip(shown) {
        let id = episode["short_id"].as_str().context("an episode without an id")?;
        of_episode(record, session, episode).with_context(|| format!("episode {id}"))?;
    }
    Ok(())
}

fn of_episode(record: &Value, session: &Value, episode: &Value) -> Result<()> {
    ensure!(record["event"] == "oom.episode", "{}", record["event"]);
    let id = episode["short_id"].as_str().unwrap_or_default();
    ensure!(record["body"].as_str().is_some_and(|body| body.ends_with(&format!("[{id}]"))), "{record}");
    ensure!(record["observed"].as_u64().is_some_and(|ns| ns > 1_700_000_000_000_000_000), "{record}");
    let severity = match episode["outcome"].as_str() {
        Some("killed" | "group_killed") => 17,
        Some("none_killable") => 18,
        Some("incomplete") => 13,
        _ => 10,
    };
    ensure!(record["severity"] == severity, "severity {}", record["severity"]);
    // An entry that was not seen has its return's time, which the JSON does not tell.
    let time = record["time"].as_u64().context("no time")?;
    if let Some(told) = episode["time"].as_str() {
        let fraction = told.trim_end_matches('Z').split_once('.').map_or("0", |(_, fraction)| fraction);
        let fraction: u64 = format!("{fraction:0<9}").parse()?;
        ensure!(time % 1_000_000_000 == fraction && time > 0, "{time} for {told}");
    } else if !episode["boot_ns"].is_null() || !session["started"].is_null() {
        ensure!(time == 0 || !session["started"].is_null(), "{time} for no time");
    } else {
        ensure!(time == 0, "{time} for no time");
    }
    same("the resource", &record["resource"], &resource(session))?;
    let exited = exited_at(record, episode);
    let told = &record["attributes"]["process.exit.time"];
    let right = match &exited {
        // Digits come in groups of three.
        Some(time) => {
            let told = told.as_str().unwrap_or_default().trim_end_matches('Z');
            let told =
                if told.contains('.') { told.trim_end_matches('0').trim_end_matches('.') } else { told };
            told.ends_with(time.as_str())
        }
        None => told.is_null(),
    };
    ensure!(right, "process.exit.time is {told}, and not …{exited:?}");
    let mut expected = attributes(session, episode);
    expected.insert("process.exit.time", told.clone());
    same("the attributes", &record["attributes"], &expected)
}

/// As the JSON's words and numbers come to it; null: it must not be there.
type Expected = BTreeMap<&'static str, Value>;

fn same(what: &str, found: &Value, expected: &Expected) -> Result<()> {
    let found: &Map<String, Value> = found.as_object().with_context(|| format!("{what} are not there"))?;
    for (key, value) in expected {
        let it = found.get(*key).unwrap_or(&Value::Null);
        // A name that is no text is escaped in ways of their own.
        if value.is_object() && it.is_string() {
            continue;
        }
        let near = it.as_f64().zip(value.as_f64()).is_some_and(|(a, b)| (a - b).abs() < 1e-12);
        ensure!(it == value || near, "{what}: {key} is {it}, and not {value}");
    }
    let others: Vec<&String> = found.keys().filter(|key| !expected.contains_key(key.as_str())).collect();
    ensure!(others.is_empty(), "{what}: nothing is known of {others:?}");
    Ok(())
}

fn resource(session: &Value) -> Expected {
    let arch = match session["machine"].as_str() {
        Some("x86_64") => json!("amd64"),
        Some("aarch64") => json!("arm64"),
        Some("i686") => json!("x86"),
        _ => session["machine"].clone(),
    };
    BTreeMap::from([
        ("service.name", json!("oomtrace")),
        ("service.version", json!(env!("CARGO_PKG_VERSION"))),
        ("deployment.environment.name", json!("a test")),
        ("os.type", json!("linux")),
        ("host.name", session["host"].clone()),
        ("host.arch", arch),
        ("oom.kernel.release", session["kernel_release"].clone()),
        ("oom.boot.id", session["boot_id"].clone()),
    ])
}

fn attributes(session: &Value, episode: &Value) -> Expected {
    let bytes = |pages: &Value| match (pages.as_u64(), session["page_size"].as_u64()) {
        (Some(pages), Some(size)) => json!(pages * size),
        _ => Value::Null,
    };
    let victims = episode["victims"].as_array().map(Vec::as_slice).unwrap_or_default();
    let lost = episode["lost"].as_object();
    let lost = lost.is_some_and(|lost| lost.values().any(|n| n.as_u64().unwrap_or(0) > 0));
    // A log without times still has an order, which is none.
    let timed = session["log_times"].is_null()
        || session["log_times"]["boot"] == true
        || session["log_times"]["wall"] == true;
    let duration = episode["duration_ns"].as_f64().filter(|_| timed).map(|ns| ns / 1e9);
    let mut expected = BTreeMap::from([
        ("oom.episode.id", episode["short_id"].clone()),
        ("oom.episode.number", episode["id"].clone()),
        ("oom.outcome", episode["outcome"].clone()),
        ("oom.scope", episode["scope"].clone()),
        ("oom.constraint", episode["constraint"].clone()),
        ("oom.duration", json!(duration)),
        ("oom.order", episode["order"].clone()),
        ("oom.gfp_mask", episode["gfp_mask"]["raw"].clone()),
        ("oom.allowed", bytes(&episode["totalpages"])),
        ("oom.candidates", episode["evaluated"].clone()),
        ("oom.victims", json!(victims.len())),
        ("oom.message", episode["message"].clone()),
        ("oom.lost", json!(lost || episode["cut_off"] == true)),
        ("oom.trigger.pid", episode["trigger"]["pid"].clone()),
        ("oom.trigger.comm", episode["trigger"]["comm"].clone()),
        ("oom.trigger.uid", episode["trigger"]["uid"].clone()),
        ("oom.trigger.oom_score_adj", episode["trigger"]["oom_score_adj"].clone()),
        ("oom.trigger.cgroup", episode["trigger"]["cgroup"].clone()),
    ]);
    let levels = episode["memcg"]["chain"].as_array().into_iter().flatten();
    if let Some(level) = levels.into_iter().find(|level| level["limiting"] == true) {
        expected.insert("oom.cgroup.path", level["path"].clone());
        expected.insert("oom.cgroup.usage", bytes(&level["usage_pages"]));
        expected.insert("oom.cgroup.limit", bytes(&level["max_pages"]));
    }
    if let Some(victim) = victims.first() {
        let path = &victim["cgroup"];
        let of_v2 = path.as_str().filter(|_| session["cgroup_version"] == 2);
        let in_pod = !victim["pod"]["qos"].is_null();
        let points = if victim["why"] == "chosen" { episode["chosen_points"].clone() } else { Value::Null };
        expected.extend([
            ("process.pid", victim["pid"].clone()),
            ("process.real_user.id", victim["uid"].clone()),
            ("process.linux.cgroup", json!(of_v2.map(|path| format!("0::{path}")))),
            ("container.id", victim["container"]["id"].clone()),
            ("container.runtime.name", victim["container"]["runtime"].clone()),
            (
                if in_pod || victim["pod"]["name"].is_string() {
                    "k8s.container.name"
                } else {
                    "container.name"
                },
                victim["container"]["name"].clone(),
            ),
            ("k8s.pod.name", victim["pod"]["name"].clone()),
            ("k8s.namespace.name", victim["pod"]["namespace"].clone()),
            ("k8s.pod.uid", if in_pod { victim["pod"]["uid"].clone() } else { Value::Null }),
            ("oom.victim.comm", victim["comm"].clone()),
            ("oom.victim.why", victim["why"].clone()),
            ("oom.victim.oom_score_adj", victim["oom_score_adj"].clone()),
            ("oom.victim.points", points),
            ("oom.victim.memory.resident", bytes(&victim["rss_pages"])),
            ("oom.victim.memory.anon", bytes(&victim["rss_anon_pages"])),
            ("oom.victim.memory.file", bytes(&victim["rss_file_pages"])),
            ("oom.victim.memory.shmem", bytes(&victim["rss_shmem_pages"])),
            ("oom.victim.memory.swap", bytes(&victim["swap_entries"])),
            ("oom.victim.memory.page_tables", victim["pgtables_bytes"].clone()),
            ("oom.victim.cgroup", path.clone()),
            ("oom.victim.unit", victim["unit"].clone()),
            ("oom.victim.pod.qos", victim["pod"]["qos"].clone()),
        ]);
    }
    if victims.len() > 1 {
        let pids: Vec<&Value> = victims.iter().map(|victim| &victim["pid"]).collect();
        expected.insert("oom.victim.pids", json!(pids));
    }
    expected
}

/// The time of day that is as much later than the episode's as its first victim's exit was than its entry.
fn exited_at(record: &Value, episode: &Value) -> Option<String> {
    let exited = episode["victims"][0]["exited_boot_ns"].as_u64()?;
    let entered = episode["boot_ns"].as_u64()?;
    let unix = record["time"].as_u64().filter(|&ns| ns > 0)? + exited - entered;
    let (seconds, fraction) = (unix / 1_000_000_000 % 86_400, unix % 1_000_000_000);
    let fraction = format!(".{fraction:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    Some(format!("T{:02}:{:02}:{:02}{fraction}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

/// The series of the golden are those that came, and have the values that came.
fn metrics(received: &Received) -> Result<()> {
    let text = fs::read_to_string(workspace::root().join(GOLDEN))?;
    let mut wanted: BTreeMap<String, f64> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').context("a line without a value")?;
        wanted.insert(series.to_owned(), value.parse()?);
    }
    let mut found = BTreeMap::new();
    for series in &received.series {
        let name = series["name"].as_str().context("no name")?;
        let labels = series["labels"].as_object().context("no labels")?;
        let number = |value: &Value| value.as_f64().context("no number");
        match series["kind"].as_str() {
            Some("histogram") => {
                ensure!(labels.is_empty(), "{name} has labels");
                ensure!(name.ends_with("_seconds") == (series["unit"] == "s"), "the unit of {name}");
                let counts = series["counts"].as_array().context("no counts")?;
                let bounds = series["bounds"].as_array().context("no bounds")?;
                ensure!(
                    counts.len() == bounds.len() + 1,
                    "{} counts of {} bounds",
                    counts.len(),
                    bounds.len()
                );
                let bounds =
                    bounds.iter().map(|bound| Ok(bound_text(number(bound)?))).chain([Ok("+Inf".to_owned())]);
                let mut below = 0.0;
                for (bound, count) in bounds.zip(counts) {
                    let bound: String = bound.map_err(|error: anyhow::Error| error)?;
                    below += number(count)?;
                    found.insert(format!("{name}_bucket{{le=\"{bound}\"}}"), below);
                }
                found.insert(format!("{name}_sum"), number(&series["sum"])?);
                found.insert(format!("{name}_count"), number(&series["count"])?);
            }
            kind => {
                let suffix = if kind == Some("sum") { "_total" } else { "" };
                found.insert(labelled(&format!("{name}{suffix}"), labels), number(&series["value"])?);
            }
        }
    }
    // Labels come in any order.
    let wanted: BTreeMap<String, f64> =
        wanted.into_iter().map(|(series, value)| (sorted(&series), value)).collect();
    for (series, value) in &wanted {
        ensure!(found.get(series) == Some(value), "{series} is {:?}, and not {value}", found.get(series));
    }
    let others: Vec<&String> = found.keys().filter(|series| !wanted.contains_key(*series)).collect();
    ensure!(others.is_empty(), "Prometheus does not get {others:?}");
    Ok(())
}

/// As the text format writes it.
fn bound_text(bound: f64) -> String {
    if bound.fract() == 0.0 { format!("{bound:.1}") } else { bound.to_string() }
}

fn labelled(name: &str, labels: &Map<String, Value>) -> String {
    if labels.is_empty() {
        return name.to_owned();
    }
    // A map is sorted.
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}=\"{}\"", value.as_str().unwrap_or_default()))
        .collect();
    sorted(&format!("{name}{{{}}}", pairs.join(",")))
}

/// The same series with its labels in order. No value of the corpus has a comma.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.strip_suffix('}').and_then(|series| series.split_once('{')) else {
        return series.to_owned();
    };
    let mut labels: Vec<&str> = labels.split(',').collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}
