//! Metrics of a confined capture, fetched while it runs: what they count is what the kernel counts and what the JSON says.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::common::MIB;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::counters;

const KILLED: &str = r#"oomtrace_kills_total{scope="memcg",reason="selected"}"#;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let socket = std::env::temp_dir().join(format!("metrics-{}.sock", stage.flavour()));
    let address = format!("unix:{}", socket.display());
    let cgroup = Cgroup::new("metrics")?;
    cgroup.limit(6 * MIB)?;
    let kills = counters::oom_kills()?;
    let watch = stage.watch(&["--metrics", &address, "--metrics-cgroups=1", "--metrics-keep", "1h"])?;
    ensure!(watch.stderr.text().contains("confined"), "it is not confined: {}", watch.stderr.text());

    // Before anything has happened the series are there, and what is attached is told.
    let before = series(&fetch(&socket, "/metrics", "")?)?;
    ensure!(before.get(KILLED) == Some(&0.0), "before the first kill: {:?}", before.get(KILLED));
    ensure!(before.get(r#"oomtrace_probe_attached{probe="out_of_memory"}"#) == Some(&1.0), "{before:?}");
    ensure!(fetch(&socket, "/-/healthy", "")?.ends_with("healthy\n"), "it is not healthy");

    let by_cgroup = format!("oomtrace_cgroup_kills_total{{cgroup=\"{}\"}}", cgroup.path());
    for round in 1..=3_u32 {
        let (mut hog, _) = Launch::guest("hog")?.inside(&cgroup).start_ready()?;
        hog.wait()?;
        let rounds = usize::try_from(round)?;
        let came = watch.await_episodes("a kill", rounds, |episode| episode.is_of(cgroup.path()))?;
        ensure!(came.len() == rounds, "{} episodes", came.len());
        // What is shown has been counted: the JSON comes first, the numbers right behind.
        let (first, now) = settled(&socket, f64::from(round), &by_cgroup)?;
        if round == 1 {
            // The series of a cgroup begins with 0, and has what is counted from the second look on.
            ensure!(first == Some(0.0), "the series began with {first:?}");
        }
        ensure!(now == f64::from(round), "the cgroup has {now} in round {round}");
    }
    let open = fetch(&socket, "/metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n")?;
    ensure!(open.contains("application/openmetrics-text") && open.ends_with("# EOF\n"), "{open}");
    let last = series(&fetch(&socket, "/metrics", "")?)?;

    let counted = counters::oom_kills()? - kills;
    ensure!(counted == 3, "the kernel counts {counted}");
    ensure!(cgroup.oom_kills()? == 3, "memory.events has {}", cgroup.oom_kills()?);
    let lines = watch.end_json(0)?;
    lines.lossless()?;
    let sum = |begin: &str| -> f64 {
        last.iter().filter(|(name, _)| name.starts_with(begin)).map(|(_, value)| value).sum()
    };
    let victims: usize = lines.episodes.iter().map(|episode| episode.victims.len()).sum();
    ensure!(sum("oomtrace_kills_total{") == f64::from(u32::try_from(victims)?), "{victims} victims");
    ensure!(sum("oomtrace_episodes_total{") == f64::from(u32::try_from(lines.episodes.len())?), "{last:?}");
    ensure!(sum("oomtrace_events_lost_total{") == 0.0, "it lost something: {last:?}");
    let evaluated: f64 = lines.episodes.iter().filter_map(|episode| episode.json["evaluated"].as_f64()).sum();
    ensure!(sum("oomtrace_candidates_scanned_sum") == evaluated, "{evaluated} candidates: {last:?}");
    ensure!(sum("oomtrace_exit_seconds_count") == 3.0, "not three exits: {last:?}");
    let refused = stage.logged("type=1326")?;
    ensure!(refused.is_empty(), "system calls were refused: {refused:#?}");
    std::fs::remove_file(&socket).context("failed to remove the socket")
}

/// What a series had when it was there first, and once there are this many kills.
fn settled(socket: &Path, kills: f64, name: &str) -> Result<(Option<f64>, f64)> {
    let (mut first, mut now) = (None, BTreeMap::new());
    for _ in 0..200 {
        now = series(&fetch(socket, "/metrics", "")?)?;
        let shown = now.get(name).copied();
        if let (Some(_), Some(value), true) = (first, shown, now.get(KILLED) == Some(&kills)) {
            return Ok((first, value));
        }
        first = first.or(shown);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    anyhow::bail!("{:?} kills, and not {kills}: {now:?}", now.get(KILLED))
}

fn fetch(socket: &Path, page: &str, headers: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket).context("failed to connect to oomtrace")?;
    write!(stream, "GET {page} HTTP/1.1\r\nHost: guest\r\n{headers}\r\n").context("failed to ask")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("failed to read the answer")?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{page} is answered with {answer}");
    Ok(answer)
}

/// Each series and its value.
fn series(answer: &str) -> Result<BTreeMap<String, f64>> {
    let (_, body) = answer.split_once("\r\n\r\n").context("there is no body")?;
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').with_context(|| format!("no value: {line}"))?;
            Ok((name.to_owned(), value.parse().with_context(|| format!("no number: {line}"))?))
        })
        .collect()
}
