//! Metrics of recordings: both formats, what is documented, what dashboards and rules ask for, and the built program's server.

#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use oomtrace::filter::Filter;
use oomtrace::pipeline::Pipeline;
use oomtrace::session::Reader;
use oomtrace::sink::metrics::{self, Exposition, Format, Kind, Options};
use oomtrace::sink::{FanOut, Several};
use program::{corpus, golden, oomtrace, run, text};

/// Recordings through one sink, as `replay` does it.
fn of(names: &[&str], options: Options) -> Exposition {
    let (sink, exposition) = metrics::new(options);
    let sink = Several::new(Box::new(sink));
    for (_, path) in corpus().iter().filter(|(name, _)| names.contains(&name.as_str())) {
        let mut reader = Reader::open(File::open(path).expect("it is there")).expect("it is a recording");
        let pipeline = Pipeline::new(FanOut::default(), Filter::default(), |message| panic!("{message}"));
        let mut pipeline = pipeline.also_to("the metrics", Box::new(sink.clone()));
        let _ = pipeline.start(reader.info());
        while let Some(observation) = reader.next_observation() {
            let _ = pipeline.push(observation);
        }
        pipeline.finish(reader.end());
    }
    sink.finish().expect("numbers take everything");
    exposition
}

const ALL: Options = Options { cgroups: Some(4), containers: Some(4), keep: Duration::from_secs(1) };

#[test]
fn recordings_in_both_formats() {
    let names =
        ["linux-6.1-group-kill.oomtrace", "linux-6.1-none-killable.oomtrace", "linux-7.3-reaped.oomtrace"];
    let now = Instant::now();
    let plain = of(&names, Options::default());
    golden("metrics/corpus.prom", plain.text(Format::Prometheus, now).as_bytes());
    golden("metrics/corpus.openmetrics", plain.text(Format::OpenMetrics, now).as_bytes());
    let all = of(&names, ALL);
    // Each cgroup begins with 0.
    let _ = all.text(Format::Prometheus, now);
    golden("metrics/corpus-cgroups.prom", all.text(Format::Prometheus, now).as_bytes());
}

/// Names of series as somebody may ask for them.
fn series() -> BTreeSet<String> {
    let families = of(&[], ALL).families(Instant::now());
    let names = families.iter().flat_map(|family| match family.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|suffix| family.series() + suffix).to_vec(),
        _ => vec![family.series()],
    });
    names.collect()
}

/// Words that begin as metrics of ours do.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("oomtrace_") || word.starts_with("container_oom"));
    ours.map(str::to_owned).collect()
}

#[test]
fn the_documentation_has_all_of_them_and_no_others() {
    let told = include_str!("../../docs/metrics.md");
    let families = of(&["linux-6.1-memcg.oomtrace"], ALL).families(Instant::now());
    for family in &families {
        let row = told.lines().find(|line| line.starts_with(&format!("| `{}` |", family.series())));
        let row = row.unwrap_or_else(|| panic!("docs/metrics.md has no row of {}", family.series()));
        for label in family.samples.iter().flat_map(|sample| &sample.labels).map(|(name, _)| name) {
            assert!(
                row.contains(&format!("`{label}`")),
                "the row of {} has no label {label}",
                family.series()
            );
        }
    }
    let known: BTreeSet<String> =
        series().into_iter().chain(families.iter().map(metrics::Family::series)).collect();
    let others: Vec<String> = names_in(told).difference(&known).cloned().collect();
    assert!(others.is_empty(), "docs/metrics.md has {others:?}");
}

#[test]
fn rules_and_the_dashboard_ask_for_what_there_is() {
    let dashboard = include_str!("../../contrib/grafana/oomtrace.json");
    let rules = include_str!("../../contrib/prometheus/oomtrace.rules.yml");
    let json: serde_json::Value = serde_json::from_str(dashboard).expect("the dashboard is JSON");
    assert!(json["panels"].as_array().is_some_and(|panels| panels.len() > 5), "it has panels");
    let known = series();
    for (name, text) in [("the dashboard", dashboard), ("the rules", rules)] {
        let asked = names_in(text);
        assert!(asked.len() > 3, "{name} asks for {asked:?}");
        let others: Vec<&String> = asked.difference(&known).collect();
        assert!(others.is_empty(), "{name} asks for {others:?}");
    }
}

/// A replay that waits for more, and where its metrics are.
struct Serving {
    child: Child,
    address: String,
    _recorder: File,
    _folder: tempfile::TempDir,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serving(options: &[&str]) -> Serving {
    let folder = tempfile::tempdir().expect("there is room");
    let bytes = made_up::file(&made_up::info(), &made_up::one_kill());
    // Without its end: a recorder is at it.
    let path = program::write(&folder, "growing.oomtrace", &bytes[..bytes.len() - 1]);
    let recorder = File::open(&path).expect("it is there");
    recorder.lock().expect("nobody else has it");
    let mut child = oomtrace()
        .args(["replay", "--follow", "--metrics", "127.0.0.1:0", &path])
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let stderr = child.stderr.take().expect("it was piped");
    BufReader::new(stderr).read_line(&mut line).expect("it says where");
    let address = line.trim().strip_prefix("oomtrace: metrics: http://").expect("an address");
    let address = address.strip_suffix("/metrics").expect("a page").to_owned();
    Serving { child, address, _recorder: recorder, _folder: folder }
}

fn get(address: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    answer
}

#[test]
fn the_program_serves_its_pages() {
    let serving = serving(&[]);
    let at = |path, headers| get(&serving.address, path, headers);
    let started = Instant::now();
    let plain = loop {
        let answer = at("/metrics", "");
        if answer.contains(r#"oomtrace_kills_total{scope="memcg",reason="selected"} 1"#) {
            break answer;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(plain.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{plain}");
    let open = at("/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    assert!(open.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{open}");
    assert!(open.ends_with("# EOF\n"));
    assert!(at("/-/healthy", "").ends_with("\r\n\r\nhealthy\n"));
    assert!(at("/", "").contains("href=\"/metrics\""));
    assert!(at("/other", "").starts_with("HTTP/1.1 404 "));
}

#[test]
fn addresses_that_cannot_be_had() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let taken = taken.local_addr().expect("it has one").to_string();
    for (address, code, said) in [
        (taken.as_str(), 3, "another program does"),
        // Of no machine: for documentation.
        ("192.0.2.1:9100", 2, "cannot listen there"),
        ("nowhere.invalid:9100", 2, "is a name"),
        ("9100", 2, "127.0.0.1:9100"),
        ("unix:/nonexistent/socket", 2, "cannot listen there"),
    ] {
        for command in [&["watch", "--duration", "1s"][..], &["replay", "/nonexistent"]] {
            let output = run(&[command, &["--metrics", address]].concat());
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{address}: {told}");
            assert!(told.contains(said), "{address}: {told}");
            assert!(output.stdout.is_empty());
        }
    }
}
