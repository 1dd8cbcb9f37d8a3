//! What other programs read in oomtrace's exports: DuckDB and Spark count what `oomtrace list` counts, Perfetto has the slices of the
//! episodes' timelines. [`deploy`] has the queries over a fleet.
//!
//! They are Python packages, installed once into the cache folder by the machine's own pip, from wherever it gets packages. Where
//! Python, pip, the network or Java is missing, a test is skipped.

mod deploy;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::report::{Report, Verdict};
use crate::{cache, run, workspace};

/// Longest time for one of them: a reader that is slow here is no fault of what it reads.
const AT_MOST: Duration = Duration::from_secs(100);

const DUCKDB: &[&str] = &["duckdb==2.0.0"];
const SPARK: &[&str] = &["pyspark==4.0.1"];
const PERFETTO: &[&str] = &["perfetto==0.59.1"];

/// A test: what came of it, or why it could not be told.
type Test = fn(&Exports) -> Result<Verdict>;

/// Runs the readers that are wanted.
pub(super) fn run(report: &Report, filter: Option<&str>) {
    let tests: [(&str, Test); 6] = [
        ("readers/duckdb", |exports| tables(exports, DUCKDB, include_str!("readers/duckdb_counts.py"))),
        ("readers/spark", spark),
        ("readers/deploy-duckdb", deploy::duckdb),
        ("readers/deploy-spark", deploy::spark),
        ("readers/perfetto-packets", packets),
        ("readers/perfetto", trace_processor),
    ];
    let wanted: Vec<_> = tests.iter().filter(|(name, _)| filter.is_none_or(|it| name.contains(it))).collect();
    if wanted.is_empty() {
        return;
    }
    let exports = Exports::make();
    for (name, test) in wanted {
        let started = Instant::now();
        let verdict = match &exports {
            Ok(exports) => test(exports),
            Err(error) => Ok(Verdict::Failed(format!("{error:#}"))),
        };
        let verdict = verdict.unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
        report.add(name, verdict, &super::took(started));
    }
}

/// The corpus, exported as if of two hosts.
struct Exports {
    folder: tempfile::TempDir,
    corpus: PathBuf,
}

impl Exports {
    fn make() -> Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let corpus = workspace::root().join("oomtrace/tests/corpus");
        run::check(run::cargo().args(["build", "--quiet", "--package", "oomtrace"]))?;
        let mut files: Vec<PathBuf> = fs::read_dir(&corpus)?.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "oomtrace"));
        files.sort();
        let (some, others) = files.split_at(files.len() / 2);
        for (host, files) in [("a", some), ("b", others)] {
            for format in ["parquet", "csv"] {
                let out = folder.path().join(host);
                oomtrace(
                    &["export".as_ref(), "--format".as_ref(), format.as_ref(), "-o".as_ref(), out.as_ref()],
                    files,
                )?;
            }
        }
        let trace = folder.path().join("trace");
        oomtrace(
            &["export".as_ref(), "--format".as_ref(), "perfetto".as_ref(), "-o".as_ref(), trace.as_ref()],
            std::slice::from_ref(&corpus),
        )?;
        Ok(Self { folder, corpus })
    }

    fn lines(&self, command: &str) -> Result<Vec<Value>> {
        let json = oomtrace(&[command.as_ref(), "--json".as_ref()], std::slice::from_ref(&self.corpus))?;
        json.lines().map(|line| serde_json::from_str(line).context("oomtrace's JSON")).collect()
    }
}

/// Runs the ordinary build. One file of the corpus is cut off: exit code 4.
fn oomtrace(args: &[&std::ffi::OsStr], files: &[PathBuf]) -> Result<String> {
    let mut command = Command::new(workspace::target().join("debug/oomtrace"));
    command.args(args).args(files).stdin(Stdio::null());
    let output = command.output().map_err(|error| run::explain_spawn(&command, error))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(matches!(output.status.code(), Some(0 | 4)), "{}: {told}", run::show(&command));
    String::from_utf8(output.stdout).context("oomtrace's output")
}

/// The counts of a reader of tables are those of the list.
fn tables(exports: &Exports, packages: &[&str], script: &str) -> Result<Verdict> {
    let counted = match python(packages, script, exports.folder.path())? {
        Ok(counted) => counted,
        Err(reason) => return Ok(Verdict::Skipped(reason)),
    };
    let listed = exports.lines("list")?;
    let sum = |of: fn(&Value) -> Option<u64>| listed.iter().filter_map(of).sum::<u64>();
    ensure!(counted["episodes"] == listed.len(), "{} episodes of {}", counted["episodes"], listed.len());
    let victims = sum(|row| row["victims"].as_u64());
    ensure!(counted["victims"] == victims, "{} victims of {victims}", counted["victims"]);
    let ids = |ids: &mut dyn Iterator<Item = &Value>| -> Vec<String> {
        let mut ids: Vec<String> = ids.filter_map(|id| id.as_str().map(str::to_owned)).collect();
        ids.sort();
        ids
    };
    let read = ids(&mut counted["ids"].as_array().into_iter().flatten());
    ensure!(read == ids(&mut listed.iter().map(|row| &row["short_id"])), "other episodes: {read:?}");

    let mut candidates: Vec<Value> = Vec::new();
    let mut resident = 0;
    let mut page_size = 0;
    for line in exports.lines("replay")? {
        match line["type"].as_str() {
            Some("session") => page_size = line["page_size"].as_u64().context("no page size")?,
            Some("episode") => {
                candidates.extend(line["candidates"].as_array().into_iter().flatten().cloned());
                resident +=
                    line["victims"].as_array().into_iter().flatten().filter_map(resident_pages).sum::<u64>()
                        * page_size;
            }
            _ => {}
        }
    }
    let anon = |wanted: &Value| candidates.iter().filter(|it| it["rss_anon_pages"] == *wanted).count();
    ensure!(
        counted["candidates"] == candidates.len(),
        "{} candidates of {}",
        counted["candidates"],
        candidates.len()
    );
    ensure!(
        counted["unknown"] == anon(&Value::Null),
        "{} unknown of {}",
        counted["unknown"],
        anon(&Value::Null)
    );
    ensure!(counted["zeros"] == anon(&0.into()), "{} zeros of {}", counted["zeros"], anon(&0.into()));
    ensure!(counted["resident"] == resident, "{} bytes resident of {resident}", counted["resident"]);
    Ok(Verdict::Passed)
}

/// What is known to be resident: the three kinds, or their sum where a log has no more.
fn resident_pages(victim: &Value) -> Option<u64> {
    let kinds = ["rss_anon_pages", "rss_file_pages", "rss_shmem_pages"];
    let sum = kinds.iter().try_fold(0, |sum, kind| Some(sum + victim[*kind].as_u64()?));
    sum.or_else(|| victim["rss_pages"].as_u64())
}

fn spark(exports: &Exports) -> Result<Verdict> {
    if !run::exists("java") {
        return Ok(Verdict::Skipped("there is no java".to_owned()));
    }
    tables(exports, SPARK, include_str!("readers/spark_counts.py"))
}

/// The packets, by the definitions that Perfetto publishes.
fn packets(exports: &Exports) -> Result<Verdict> {
    slices(exports, include_str!("readers/perfetto_packets.py"))
}

/// The trace, in Perfetto's own trace processor. The package fetches that when it is first used, which not every network allows.
fn trace_processor(exports: &Exports) -> Result<Verdict> {
    match slices(exports, include_str!("readers/perfetto_slices.py")) {
        Err(error)
            if format!("{error:#}").contains("trace_processor_shell")
                && format!("{error:#}").contains("curl") =>
        {
            Ok(Verdict::Skipped("the trace processor cannot be downloaded from here".to_owned()))
        }
        verdict => verdict,
    }
}

/// The slices of the trace are what the timelines say.
fn slices(exports: &Exports, script: &str) -> Result<Verdict> {
    let read = match python(PERFETTO, script, &exports.folder.path().join("trace"))? {
        Ok(read) => read,
        Err(reason) => return Ok(Verdict::Skipped(reason)),
    };
    ensure!(read["errors"] == 0, "{} errors", read["errors"]);
    let mut expected: Vec<(String, Option<u64>, u64)> = Vec::new();
    for episode in exports.lines("replay")?.iter().filter(|line| line["type"] == "episode") {
        let id = episode["short_id"].as_str().context("no id")?;
        let fraction = episode["time"]
            .as_str()
            .and_then(|time| time.split('.').nth(1)?.trim_end_matches('Z').parse().ok());
        // Without a time it has no place in a trace.
        if episode["time"].is_null() && episode["boot_ns"].is_null() {
            continue;
        }
        expected.push((format!("OOM {id}"), fraction, episode["duration_ns"].as_u64().unwrap_or(0)));
        for victim in episode["victims"].as_array().into_iter().flatten() {
            let ns = |of: &Value, name: &str| of[name].as_u64();
            let killed = ns(victim, "killed_boot_ns").or_else(|| ns(victim, "marked_boot_ns"));
            if let Some(dying) =
                killed.zip(ns(victim, "exited_boot_ns")).and_then(|(from, to)| to.checked_sub(from))
            {
                expected.push(("dying".to_owned(), None, dying));
            }
            let reaped = &victim["reaped"];
            let reap = ns(reaped, "started_boot_ns").zip(ns(reaped, "finished_boot_ns"));
            if let Some(reap) = reap.and_then(|(from, to)| to.checked_sub(from)) {
                expected.push(("reap".to_owned(), None, reap));
            }
        }
    }
    let mut found: Vec<(String, Option<u64>, u64)> = Vec::new();
    for slice in read["slices"].as_array().context("no slices")? {
        let name = slice[0].as_str().context("no name")?.to_owned();
        if !name.starts_with("OOM ") && name != "dying" && name != "reap" {
            continue;
        }
        let start = slice[1].as_u64().context("no start")?;
        // Only the whole trace has episodes without a wall clock.
        let known = expected.iter().any(|(other, fraction, _)| *other == name && fraction.is_some());
        found.push((name, known.then_some(start % 1_000_000_000), slice[2].as_u64().context("no duration")?));
    }
    // What takes no time at all is no slice to a trace processor.
    let sorted = |slices: Vec<(String, Option<u64>, u64)>| -> Vec<_> {
        let mut slices: Vec<_> =
            slices.into_iter().filter(|(name, _, dur)| *dur > 0 || name.starts_with("OOM ")).collect();
        slices.sort();
        slices
    };
    let (expected, found) = (sorted(expected), sorted(found));
    let difference: BTreeSet<_> = expected.iter().filter(|it| !found.contains(it)).collect();
    ensure!(difference.is_empty(), "not in the trace: {difference:?}");
    ensure!(expected.len() == found.len(), "{} slices instead of {}", found.len(), expected.len());
    Ok(Verdict::Passed)
}

/// What a script prints as JSON; the inner error is why it cannot run here.
pub(super) fn python(packages: &[&str], script: &str, argument: &Path) -> Result<Result<Value, String>> {
    let installed = match install(packages) {
        Ok(installed) => installed,
        Err(error) => {
            let reason = format!("{error:#}");
            let last = reason.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            return Ok(Err(format!("{} cannot be installed: {}", packages[0], last.trim())));
        }
    };
    let files = tempfile::tempdir()?;
    let (out, log) = (files.path().join("out"), files.path().join("log"));
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(argument).env("PYTHONPATH", installed);
    command.stdin(Stdio::null()).stdout(fs::File::create(&out)?).stderr(fs::File::create(&log)?);
    let mut child = command.spawn().map_err(|error| run::explain_spawn(&command, error))?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > AT_MOST {
            child.kill()?;
            child.wait()?;
            return Ok(Err(format!("it took longer than {} s", AT_MOST.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    ensure!(
        status.success(),
        "{} ended with {status}:\n{}",
        packages[0],
        fs::read_to_string(&log).unwrap_or_default()
    );
    Ok(Ok(serde_json::from_str(&fs::read_to_string(&out)?).context("the reader's JSON")?))
}

/// The folder with these packages, installed when it is not there.
fn install(packages: &[&str]) -> Result<PathBuf> {
    cache::folder(&format!("python/{}", packages.join("+")), |folder| {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--retries",
            "1",
            "--target",
        ]);
        run::check_quietly(pip.arg(folder).args(packages))
    })
}
