//! `--otlp`, by the built program: what a receiver gets, and what becomes of it when the receiver is down, slow, busy or refuses.
//!
//! The messages are decoded by this crate's own definitions here; `xtask/src/test/otlp.rs` does it by the official ones.

#![cfg(feature = "otlp")]

#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;
#[path = "support/receiver.rs"]
mod receiver;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use oomtrace::deliver::otlp::proto::{AnyValue, Data, LogRecord, PartialSuccess, Response, Status, Value};
use prost::Message;
use receiver::{Answer, Receiver};

use program::{oomtrace, run, text};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/linux-6.1-group-kill.oomtrace");
const LOGS: &str = "/v1/logs";

/// Runs it as the process beside a capture, with variables of its environment.
fn deliver(args: &[&str], variables: &[(&str, &str)], input: &[u8]) -> Output {
    deliver_until(args, variables, input, || true)
}

/// The same with a capture that goes on until something has come.
fn deliver_until(args: &[&str], variables: &[(&str, &str)], input: &[u8], came: impl Fn() -> bool) -> Output {
    let mut command = oomtrace();
    command.args(["watch"]).args(args).arg("--deliver").envs(variables.iter().copied());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(input).expect("it reads");
    let started = Instant::now();
    while !came() {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing comes");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

fn corpus() -> Vec<u8> {
    fs::read(CORPUS).expect("it is there")
}

/// Episodes that a recording shows.
fn episodes(path: &str) -> Vec<serde_json::Value> {
    let shown = run(&["replay", "--json", path]);
    let lines = text(&shown.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.filter(|line: &serde_json::Value| line["type"] == "episode").collect()
}

fn attribute<'a>(record: &'a LogRecord, key: &str) -> Option<&'a Value> {
    record.attributes.iter().find(|it| it.key == key)?.value.as_ref()?.value.as_ref()
}

fn string(value: &str) -> Value {
    Value::String(value.to_owned())
}

/// All points of a counter.
fn sum(metrics: &[oomtrace::deliver::otlp::proto::Metric], name: &str) -> i64 {
    let metric = metrics.iter().find(|metric| metric.name == name).expect(name);
    let Some(Data::Sum(sum)) = &metric.data else { panic!("{name} is no counter") };
    sum.data_points.iter().filter_map(|point| point.as_int).sum()
}

#[test]
fn a_receiver_gets_every_episode_and_the_metrics() {
    let receiver = Receiver::start(|_, _| Answer::Ok);
    let url = receiver.url() + "/base/";
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "X-Tenant=a%20b"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let begun = || !receiver.got("/base/v1/metrics").is_empty();
    let output = deliver_until(&["--otlp", &url], &variables, &corpus(), begun);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let shown = episodes(CORPUS);
    let records = receiver.records();
    assert_eq!(records.len(), shown.len());
    for (record, episode) in records.iter().zip(&shown) {
        assert_eq!(record.event_name, "oom.episode");
        let id = episode["short_id"].as_str().expect("an id");
        assert_eq!(attribute(record, "oom.episode.id"), Some(&string(id)));
        let body = record.body.as_ref().and_then(|body| body.value.as_ref());
        assert!(matches!(body, Some(Value::String(text)) if text.contains(id)), "{body:?}");
        let pid = episode["victims"][0]["pid"].as_i64().map(Value::Int);
        assert_eq!(attribute(record, "process.pid"), pid.as_ref());
    }
    let logs = receiver.logs();
    let resource = logs[0].resource_logs[0].resource.as_ref().expect("a resource");
    let of = |key: &str| {
        let found = resource.attributes.iter().find(|it| it.key == key);
        found.and_then(|it| it.value.clone())
    };
    assert_eq!(of("service.name"), Some(AnyValue::from(string("oomtrace"))));
    assert_eq!(of("deployment.environment.name"), Some(string("test").into()));
    let got = receiver.got("/base/v1/logs");
    assert!(got.iter().all(|got| got.headers.to_ascii_lowercase().contains("\r\nx-tenant: a b\r\n")));

    // At the start, whatever has happened, and at the end.
    let metrics = receiver.got("/base/v1/metrics");
    assert!(metrics.len() >= 2, "{}", metrics.len());
    let victims: usize = shown.iter().filter_map(|it| it["victims"].as_array()).map(Vec::len).sum();
    let metrics = receiver.metrics();
    assert_eq!(sum(&metrics, "oomtrace_kills"), i64::try_from(victims).expect("a few"));
    assert_eq!(sum(&metrics, "oomtrace_episodes"), i64::try_from(shown.len()).expect("a few"));
}

#[test]
fn a_file_is_sent_and_filters_apply() {
    let receiver = Receiver::start(|_, _| Answer::Ok);
    let all = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let output = run(&["replay", "--outcome", "none_killable", "--otlp", &receiver.url(), all]);
    // One of them is cut off.
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let records = receiver.records();
    assert!(records.len() > 2, "{}", records.len());
    for record in &records {
        assert_eq!(attribute(record, "oom.outcome"), Some(&string("none_killable")));
        assert_eq!((record.severity_number, attribute(record, "process.pid")), (18, None));
    }
    // Several machines, each with a resource of its own.
    let kernels: BTreeSet<String> = receiver
        .logs()
        .iter()
        .flat_map(|request| &request.resource_logs)
        .map(|logs| format!("{:?}", logs.resource))
        .collect();
    assert!(kernels.len() > 1, "{kernels:?}");
}

#[test]
fn a_receiver_that_is_down_is_told_of_and_waited_for_no_longer_than_that() {
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("there are ports");
    let url = format!("http://{address}");
    let count = episodes(CORPUS).len();
    let args = ["--otlp", &url, "--otlp-patience", "500ms"];
    let started = Instant::now();
    let output = deliver(&args, &[], &corpus());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert_eq!(told.matches("it is tried again").count(), 1, "{told}");
    assert!(told.contains(&url) && told.to_lowercase().contains("refused"), "{told}");
    let last = told.lines().last().expect("it says something");
    assert!(last.contains("0 delivered") && last.contains("the last metrics were not taken"), "{told}");
    let numbers: usize =
        last.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<usize>().ok()).sum();
    assert_eq!(numbers, count, "{told}");
    // So does a file, which otherwise waits.
    let output = run(&[&["replay", CORPUS][..], &args].concat());
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn one_that_comes_up_later_gets_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let address = listener.local_addr().expect("it has one");
    drop(listener);
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(600));
        Receiver::at(TcpListener::bind(address).expect("nobody took it"), |_, _| Answer::Ok)
    });
    let output = deliver(&["--otlp", &format!("http://{address}")], &[], &corpus());
    let receiver = late.join().expect("it listens");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("it is tried again") && told.contains("it is taken again"), "{told}");
    assert_eq!(receiver.records().len(), episodes(CORPUS).len());
}

#[test]
fn one_that_goes_away_in_the_middle_and_comes_back_gets_everything_once() {
    let receiver = Receiver::start(|path, before| match (path, before) {
        (LOGS, 1 | 2) => Answer::Hangup,
        _ => Answer::Ok,
    });
    // More than one request can have.
    let many = made_up::file(&made_up::info(), &made_up::many_kills(150));
    let output = deliver(&["--otlp", &receiver.url()], &[], &many);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(
        (told.matches("it is tried again").count(), told.matches("taken again").count()),
        (1, 1),
        "{told}"
    );
    let records = receiver.records();
    let ids: BTreeSet<String> =
        records.iter().map(|it| format!("{:?}", attribute(it, "oom.episode.number"))).collect();
    assert_eq!((records.len(), ids.len()), (150, 150));
}

#[test]
fn one_that_never_answers_does_not_hold_up_the_end() {
    let receiver = Receiver::start(|_, _| Answer::Never);
    let started = Instant::now();
    let args = ["--otlp", &receiver.url(), "--otlp-patience", "1s"];
    let output = deliver(&args, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "300")], &corpus());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("no answer within 0.3 s; it is tried again"), "{told}");
    assert!(told.contains("0 delivered"), "{told}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    // Nor does one whose time is longer than what the end has.
    let output = deliver(&args, &[], &corpus());
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

#[test]
fn what_is_refused_is_not_tried_again() {
    let status = Status { message: "no such tenant".to_owned() }.encode_to_vec();
    let receiver = Receiver::start(move |path, _| match path {
        LOGS => Answer::Say("400 Bad Request", "Content-Type: application/x-protobuf\r\n", status.clone()),
        _ => Answer::Say("404 Not Found", "", b"only logs here\n".to_vec()),
    });
    let output = deliver(&["--otlp", &receiver.url()], &[], &corpus());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("/v1/logs: it answers 400 Bad Request: no such tenant"), "{told}");
    assert!(told.contains("/v1/metrics: it answers 404 Not Found: only logs here"), "{told}");
    let count = episodes(CORPUS).len();
    assert!(told.contains(&format!("0 delivered, {count} failed, 0 passed over")), "{told}");
    assert!(!told.contains("tried again"), "{told}");
    let sent = receiver.got(LOGS);
    let bodies: BTreeSet<&[u8]> = sent.iter().map(|got| &got.body[..]).collect();
    assert_eq!(sent.len(), bodies.len());
}

#[test]
fn one_that_is_busy_is_asked_when_it_says() {
    let receiver = Receiver::start(|path, before| match (path, before) {
        (LOGS, 0) => Answer::Say("503 Service Unavailable", "Retry-After: 2\r\n", b"busy".to_vec()),
        _ => Answer::Ok,
    });
    let output = deliver(&["--otlp", &receiver.url()], &[], &corpus());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("it answers 503 Service Unavailable: busy; it is tried again"), "{told}");
    assert_eq!(receiver.records().len(), episodes(CORPUS).len());
}

#[test]
fn what_is_taken_in_part_is_counted() {
    let partial = PartialSuccess { rejected: 1, error_message: "too old".to_owned() };
    let partial = Response { partial_success: Some(partial) }.encode_to_vec();
    let receiver = Receiver::start(move |path, before| match (path, before) {
        (LOGS, 0) => Answer::Say("200 OK", "Content-Type: application/x-protobuf\r\n", partial.clone()),
        _ => Answer::Ok,
    });
    let output = deliver(&["--otlp", &receiver.url()], &[], &corpus());
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("/v1/logs: 1 refused: too old"), "{told}");
    assert!(told.contains("1 failed, 0 passed over"), "{told}");
}

#[test]
fn receivers_that_cannot_be_are_told_before_anything_is_attached() {
    for (url, said) in [
        ("https://collector:4318", "has no TLS"),
        ("127.0.0.1:4318", "expected http://HOST:PORT"),
        ("http://me:secret@127.0.0.1:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://127.0.0.1:0", "a port from 1 to 65535"),
        ("http://nowhere.invalid:4318", "nowhere.invalid has no address"),
    ] {
        for command in
            [&["watch", "--duration", "1s"][..], &["record", "-o", "/nonexistent/x"], &["replay", CORPUS]]
        {
            let output = run(&[command, &["--otlp", url]].concat());
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{url}: {told}");
            assert!(told.contains(said), "{url}: {told}");
            assert!(output.stdout.is_empty());
        }
    }
    let output = oomtrace()
        .args(["watch", "--duration", "1s", "--otlp", "http://127.0.0.1:4318"])
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")
        .output()
        .expect("the program starts");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("OTEL_EXPORTER_OTLP_COMPRESSION: expected gzip or none"), "{told}");
}

#[test]
fn what_is_sent_is_documented() {
    let told = include_str!("../../docs/integrations.md");
    let receiver = Receiver::start(|_, _| Answer::Ok);
    let all = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    run(&["replay", "--otlp", &receiver.url(), all]);
    let mut sent = Vec::new();
    for logs in receiver.logs().iter().flat_map(|request| &request.resource_logs) {
        sent.extend(logs.resource.iter().flat_map(|it| &it.attributes).cloned());
        let records = logs.scope_logs.iter().flat_map(|logs| &logs.log_records);
        sent.extend(records.flat_map(|record| &record.attributes).cloned());
    }
    let kind = |value: &Option<AnyValue>| match value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Value::String(_)) => "string",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Int(_)) => "int",
        Some(Value::Double(_)) => "double",
        Some(Value::Array(_)) => "int[]",
        None => "nothing",
    };
    let kinds: BTreeSet<(String, &str)> = sent.iter().map(|it| (it.key.clone(), kind(&it.value))).collect();
    assert!(kinds.len() > 30, "{kinds:?}");
    for (key, kind) in &kinds {
        let row = told.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/integrations.md has no row of {key}"));
        assert_eq!(row.split(" | ").nth(1), Some(*kind), "{key}");
    }
    let rows = told.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let typed = rows.filter(|(key, rest)| key.contains('.') && rest.contains(" | "));
    let others: Vec<&str> =
        typed.map(|(key, _)| key).filter(|key| !kinds.iter().any(|(it, _)| it == key)).collect();
    assert!(others.is_empty(), "docs/integrations.md has {others:?}, which nothing in the corpus has");
}
