//! What recordings take: the suite `sizes`, bytes of a candidate in each kind of file; and the suite `events`, which leaves big
//! recordings on the guest's disk, for comparing how fast they are read.

use std::fs::{self, File};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::offsets::Offsets;
use super::ooms::Ooms;
use super::peers::{PEERS, Peer, ROOT, Ready, Shows, Tool};
use super::tracer::Tracer;
use super::{Plan, pause};
use crate::harness::sysctl::Sysctl;

/// The disk that every guest has.
const DISK: &str = "/dev/nvme0n1";

/// A kind of recording: its name, the tool, and where its file is.
struct Recorder {
    name: &'static str,
    tool: Tool,
    file: &'static str,
}

fn recorders() -> Vec<Recorder> {
    let ours = Tool {
        is_peer: false,
        set_up: |_| Ok(()),
        command: &["oomtrace", "record", "--output", "/peers/bench/oomtrace.oomtrace"],
        ready: Ready::Says("waiting"),
        shows: Shows::Lines,
        tear_down: || Ok(()),
    };
    let mut all = vec![Recorder { name: "oomtrace", tool: ours, file: "oomtrace.oomtrace" }];
    for (name, peer) in PEERS {
        if let Peer::Tool(tool) = peer
            && matches!(tool.shows, Shows::File(_))
        {
            let file = if *name == "perf" { "perf.data" } else { "trace.dat" };
            // Its own reader has nothing to do here.
            all.push(Recorder { name, tool: Tool { shows: Shows::Lines, ..*tool }, file });
        }
    }
    all
}

/// One recording of `ooms` OOMs; returns the size of its file, bytes.
fn record(recorder: &Recorder, offsets: Offsets, ooms: &mut Ooms, count: u32, more: &[&str]) -> Result<u64> {
    let file = format!("{ROOT}/bench/{}", recorder.file);
    // Nothing was there the first time.
    let _ = fs::remove_file(&file);
    let tracer = Tracer::start(recorder.tool, offsets, more)?;
    for _ in 0..count {
        ooms.make()?;
    }
    // Long enough for the last of it to be written.
    pause(3000);
    tracer.end()?;
    Ok(fs::metadata(&file).with_context(|| format!("failed to look at {file}"))?.len())
}

/// A small recording and a bigger one: what they differ by is candidates and what comes once an OOM.
pub(super) fn sizes(plan: &Plan) -> Result<()> {
    let offsets = Offsets::of_guest()?;
    let mut ooms = Ooms::new(plan.processes, false)?;
    for recorder in recorders() {
        plan.say(recorder.name, (|| {
            let (few, many) = (1, 1 + plan.rounds);
            let first = record(&recorder, offsets, &mut ooms, few, &[])?;
            let second = record(&recorder, offsets, &mut ooms, many, &[])?;
            let candidates = u64::from(plan.rounds * (plan.processes + 2));
            ensure!(second > first, "{second} bytes of {many} OOMs, and {first} of {few}");
            Ok(json!({ "bytes": second, "ooms": many, "bytes_of_candidate": (second - first) as f64 / candidates as f64 }))
        })())?;
    }
    plan.say("kernel log", kernel_log(&mut ooms))
}

/// The rows of the kernel's table, as `dmesg` shows them.
fn kernel_log(ooms: &mut Ooms) -> Result<Value> {
    let _table = Sysctl::set("vm/oom_dump_tasks", "1")?;
    let dmesg = |words: &[&str]| -> Result<String> {
        let output = Command::new("dmesg").args(words).output().context("failed to start dmesg")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    dmesg(&["-c"])?;
    ooms.make()?;
    let text = dmesg(&[])?;
    // The table's rows are those with a pid in brackets behind the time.
    let is_row = |line: &&str| {
        line.split_once("] [")
            .is_some_and(|(_, rest)| rest.trim_start().starts_with(|c: char| c.is_ascii_digit()))
    };
    let rows: Vec<&str> = text.lines().filter(is_row).collect();
    ensure!(!rows.is_empty(), "the kernel's log has no table");
    let bytes: usize = rows.iter().map(|row| row.len() + 1).sum();
    Ok(
        json!({ "bytes": text.len(), "rows": rows.len(), "bytes_of_candidate": bytes as f64 / rows.len() as f64 }),
    )
}

/// Leaves the recordings on the disk as a tar archive.
pub(super) fn events(plan: &Plan) -> Result<()> {
    let offsets = Offsets::of_guest()?;
    let mut ooms = Ooms::new(plan.processes, false)?;
    let mut files = Vec::new();
    for recorder in recorders() {
        // trace-cmd and perf need two events a candidate.
        let count = if recorder.name == "oomtrace" { 2 * plan.rounds } else { plan.rounds };
        // Without room a recorder loses events, and then it would have less to read.
        let more: &[&str] = match recorder.name {
            "perf" => &["-m", "16M"],
            "trace-cmd" => &["-b", "65536"],
            _ => &[],
        };
        let bytes = record(&recorder, offsets, &mut ooms, count, more)?;
        plan.say(recorder.name, Ok(json!({ "bytes": bytes, "ooms": count })))?;
        files.push(recorder.file);
    }
    // What perf needs to read its file elsewhere is in the file.
    let disk = File::options().write(true).open(DISK).with_context(|| format!("failed to open {DISK}"))?;
    let status = Command::new("tar").args(["-c", "-C", "/peers/bench"]).args(&files).stdout(disk).status();
    ensure!(status.context("failed to start tar")?.success(), "tar failed: is {DISK} too small?");
    Ok(())
}
