//! A real Prometheus scrapes a real oomtrace: what it is served is read without a complaint, the first kill is an increase, and the
//! example rules fire. The server is Debian's package, unpacked and never installed.
//!
//! oomtrace replays a recording that grows, as `replay --follow` does beside a recorder; [`crate::test::guests`] have the same numbers
//! from real OOMs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::report::{Report, Verdict};
use crate::apt::Suite;
use crate::{cache, run, workspace};

/// A suite whose programs run on this release of Debian and on later ones.
const SUITE: &str = "bookworm";
/// Longest time for something to be seen.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the server looks.
const EVERY: &str = "200ms";

const RULES: &str = "contrib/prometheus/oomtrace.rules.yml";
const RULES_TEST: &str = "contrib/prometheus/oomtrace.rules.test.yml";
const CORPUS: &str = "oomtrace/tests/corpus/linux-6.1-group-kill.oomtrace";
const GOLDENS: &str = "oomtrace/tests/golden/metrics";

/// A test with the folder that has the server.
type Test = fn(&Path) -> Result<Verdict>;

/// Runs the tests that are wanted.
pub(super) fn run(report: &Report, filter: Option<&str>) {
    let tests: [(&str, Test); 3] =
        [("prometheus/format", format), ("prometheus/rules", rules), ("prometheus/scrape", scrape)];
    let wanted: Vec<_> = tests.iter().filter(|(name, _)| filter.is_none_or(|it| name.contains(it))).collect();
    if wanted.is_empty() {
        return;
    }
    let server = unpacked();
    for (name, test) in wanted {
        let started = Instant::now();
        let verdict = match &server {
            Ok(folder) => test(folder).unwrap_or_else(|error| Verdict::Failed(format!("{error:#}"))),
            Err(error) => Verdict::Skipped(format!("Prometheus cannot be had: {error:#}")),
        };
        report.add(name, verdict, &super::took(started));
    }
}

/// The folder with `prometheus` and `promtool`, downloaded the first time.
fn unpacked() -> Result<PathBuf> {
    let folder = cache::folder(&format!("prometheus-{SUITE}"), |folder| {
        let suite = Suite::fetch(SUITE)?;
        let versions = suite.versions("prometheus")?;
        let version = versions.first().context("the suite has no package `prometheus`")?;
        suite.unpack("prometheus", version, folder)
    })?;
    let programs = folder.join("usr/bin");
    run::check_quietly(Command::new(programs.join("promtool")).arg("--version"))?;
    Ok(programs)
}

fn promtool(programs: &Path, args: &[&str], input: &Path) -> Result<String> {
    let mut command = Command::new(programs.join("promtool"));
    command.args(args).stdin(File::open(input)?).current_dir(workspace::root());
    let output = command.output().map_err(|error| run::explain_spawn(&command, error))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "{}: {said}", run::show(&command));
    Ok(said)
}

/// Prometheus' own reader and linter has nothing to say about what the corpus comes to.
fn format(programs: &Path) -> Result<Verdict> {
    for golden in ["corpus.prom", "corpus-cgroups.prom"] {
        let said = promtool(programs, &["check", "metrics"], &workspace::root().join(GOLDENS).join(golden))?;
        ensure!(said.trim().is_empty(), "{golden}: {said}");
    }
    Ok(Verdict::Passed)
}

/// The rules are right, and say what the cases in the file beside them expect.
fn rules(programs: &Path) -> Result<Verdict> {
    promtool(programs, &["check", "rules", RULES], Path::new("/dev/null"))?;
    promtool(programs, &["test", "rules", RULES_TEST], Path::new("/dev/null"))?;
    Ok(Verdict::Passed)
}

/// A child that ends with this.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn scrape(programs: &Path) -> Result<Verdict> {
    run::check(run::cargo().args(["build", "--quiet", "--package", "oomtrace"]))?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let recording = fs::read(workspace::root().join(CORPUS))?;
    // As a recorder has it that has just begun: nothing has happened yet.
    let (begun, rest) = recording.split_at(64);
    let path = folder.path().join("growing.oomtrace");
    let mut recorder = File::create(&path)?;
    recorder.lock()?;
    recorder.write_all(begun)?;
    let (_oomtrace, target) = serving(&path)?;

    let config = folder.path().join("prometheus.yml");
    let rules = workspace::root().join(RULES);
    fs::write(
        &config,
        format!(
            "global: {{scrape_interval: {EVERY}, evaluation_interval: {EVERY}}}\nrule_files: [\"{}\"]\n\
             scrape_configs:\n  - job_name: oomtrace\n    static_configs: [{{targets: [\"{target}\"]}}]\n",
            rules.display()
        ),
    )?;
    let log = folder.path().join("log");
    let (_server, api) = server(programs, &config, folder.path(), &log)?;
    let told = |error: anyhow::Error| {
        let log = fs::read_to_string(&log).unwrap_or_default();
        error.context(format!(
            "Prometheus said: {}",
            log.lines().rev().take(5).collect::<Vec<_>>().join(" | ")
        ))
    };
    let result = scraped(&api, &mut recorder, rest);
    result.map_err(told)?;
    Ok(Verdict::Passed)
}

/// From before the first kill to an alert.
fn scraped(api: &str, recorder: &mut File, rest: &[u8]) -> Result<()> {
    const KILLS: &str = "sum(oomtrace_kills_total)";
    await_value(api, KILLS, "0")?;
    let targets = get(api, "/api/v1/targets")?;
    let target = &targets["data"]["activeTargets"][0];
    ensure!(target["health"] == "up" && target["lastError"] == "", "the target: {target}");
    ensure!(alerts(api)?.is_empty(), "alerts before anything has happened: {:?}", alerts(api)?);
    let attached = value(api, "count(oomtrace_build_info)")?;
    ensure!(attached.as_deref() == Some("1"), "oomtrace_build_info: {attached:?}");

    recorder.write_all(rest)?;
    await_value(api, "oomtrace_episodes_total{outcome=\"group_killed\"} == 1", "1")?;
    let killed = value(api, KILLS)?.context("no kills")?;
    let by_reason =
        value(api, "sum(oomtrace_kills_total{reason=~\"selected|group\"})")?.context("no kills")?;
    ensure!(killed == by_reason && killed != "0", "{killed} kills, {by_reason} of them of the group");
    await_value(api, "sum(increase(oomtrace_kills_total[5m])) > bool 0", "1")?;
    let metadata = get(api, "/api/v1/metadata?metric=oomtrace_selection_seconds")?;
    let unit = &metadata["data"]["oomtrace_selection_seconds"][0];
    // It asked for OpenMetrics, which is the format that has units.
    ensure!(unit["type"] == "histogram" && unit["unit"] == "seconds", "the metadata: {metadata}");
    let started = Instant::now();
    while !alerts(api)?.iter().any(|name| name == "OomKill") {
        ensure!(started.elapsed() < PATIENCE, "no alert fires: {:?}", alerts(api)?);
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(!alerts(api)?.iter().any(|name| name == "OomGlobalKill"), "it was no global OOM");
    Ok(())
}

/// A replay that waits for more, and where its metrics are.
fn serving(path: &Path) -> Result<(Ends, String)> {
    let mut command = Command::new(workspace::target().join("debug/oomtrace"));
    command.args(["replay", "--follow", "--metrics", "127.0.0.1:0"]).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Ends(command.spawn().map_err(|error| run::explain_spawn(&command, error))?);
    let stderr = child.0.stderr.take().context("a piped stderr is there")?;
    let mut line = String::new();
    BufReader::new(stderr).read_line(&mut line)?;
    let target = line.trim().strip_prefix("oomtrace: metrics: http://");
    let target = target.and_then(|target| target.strip_suffix("/metrics"));
    let target = target.with_context(|| format!("it does not say where its metrics are: {line}"))?;
    Ok((child, target.to_owned()))
}

/// Prometheus, and where its interface is. It does not take a port that is its own choice: one that was free a moment ago is given.
fn server(programs: &Path, config: &Path, folder: &Path, log: &Path) -> Result<(Ends, String)> {
    for _ in 0..3 {
        let api = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = Command::new(programs.join("prometheus"));
        command.arg("--config.file").arg(config).arg("--storage.tsdb.path").arg(folder.join("data"));
        command.args(["--web.listen-address", &api, "--log.level", "warn"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?);
        let mut child = Ends(command.spawn().map_err(|error| run::explain_spawn(&command, error))?);
        let started = Instant::now();
        while child.0.try_wait()?.is_none() && started.elapsed() < PATIENCE {
            if get_text(&api, "/-/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.0 200")) {
                return Ok((child, api));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    bail!("Prometheus does not get ready: {}", fs::read_to_string(log).unwrap_or_default())
}

/// Waits until a query has this value.
fn await_value(api: &str, query: &str, wanted: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let found = value(api, query)?;
        if found.as_deref() == Some(wanted) {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "{query} is {found:?}, and not {wanted}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the first series of a query's result has.
fn value(api: &str, query: &str) -> Result<Option<String>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let query: String = query.bytes().map(escape).collect();
    let answer = get(api, &format!("/api/v1/query?query={query}"))?;
    Ok(answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned))
}

/// Names of the alerts that fire.
fn alerts(api: &str) -> Result<Vec<String>> {
    let answer = get(api, "/api/v1/alerts")?;
    let alerts = answer["data"]["alerts"].as_array().context("no list of alerts")?;
    let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
    Ok(firing.filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned)).collect())
}

fn get(api: &str, path: &str) -> Result<Value> {
    let answer = get_text(api, path)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let json: Value = serde_json::from_str(body).with_context(|| format!("{path}: {answer}"))?;
    ensure!(json["status"] == "success", "{path}: {json}");
    Ok(json)
}

/// HTTP/1.0: an answer is whole when the connection ends.
fn get_text(api: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(api)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
