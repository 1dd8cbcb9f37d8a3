//! A victim that does not get to the end of its exit: after two seconds the kernel's reaper takes its memory. What was there
//! before is what the victim had when it was killed, what is left is what the kernel logs.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::common::MIB;
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::Basis;
use crate::harness::held::Held;
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

/// Shared memory is not reaped: something that is left.
const SHARED_KB: &str = "640";

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("reaper")?;
    let victim = Launch::guest("hog")?.args(&["--hold", "16384", "--shmem", SHARED_KB, "--adj", "1000"]);
    let (mut victim, _) = victim.inside(&cgroup).start_ready()?;
    let (mut hog, _) = Launch::guest("hog")?.arg("--wait").inside(&cgroup).start_ready()?;
    cgroup.limit_above_usage(4 * MIB)?;
    let watch = stage.watch(&[])?;
    let held = Held::at_exit(victim.pid())?;
    hog.go()?;
    stage.await_log("oom_reaper: reaped process")?;
    // Let go while it stands there, or it would go on being held.
    held.await_stop()?;
    drop(held);
    let episode = watch.await_episode("of the held victim", |episode| {
        episode.is_of(cgroup.path()) && episode.victim_pids() == [victim.pid()]
    })?;
    victim.wait()?;
    // With the memory that came back it goes on, until it is its own turn.
    hog.wait()?;
    let lines = watch.end_json(0)?;
    lines.lossless()?;

    ensure!(episode.outcome == "killed", "outcome {}", episode.outcome);
    let told = &episode.json["victims"][0];
    let reaped = &told["reaped"];
    let (before, after) = (&reaped["before"], &reaped["after"]);
    for part in ["rss_anon_pages", "rss_file_pages", "rss_shmem_pages", "swap_entries", "pgtables_bytes"] {
        ensure!(
            before[part].is_u64() && before[part] == told[part],
            "{part} before the reaper: {}, at the kill {}",
            before[part],
            told[part]
        );
    }
    let tolerance = Basis::new(0)?.tolerance;
    let logged = stage.logged("oom_reaper: reaped process")?;
    let [line] = logged.as_slice() else { anyhow::bail!("the log has {logged:?}") };
    ensure!(line.contains(&format!("process {} (", victim.pid())), "the log has {line:?}");
    for (part, word) in
        [("rss_anon_pages", "anon-rss:"), ("rss_file_pages", "file-rss:"), ("rss_shmem_pages", "shmem-rss:")]
    {
        let kb = kilobytes(line, word).with_context(|| format!("no {word} in {line:?}"))?;
        let left = after[part].as_i64().context("what is left is not known")?;
        let kernels = (kb * 1024 / PAGE_BYTES).cast_signed();
        ensure!((left - kernels).abs() <= tolerance, "{part} {left}, logged {line:?}");
    }
    let (shared, left) = (pages(&before["rss_shmem_pages"]), pages(&after["rss_shmem_pages"]));
    // Programs lie on tmpfs here and count as shared; their pages are mapped privately, and are reaped.
    ensure!(left > Some(0) && left <= shared, "of {shared:?} pages of shared memory {left:?} are left");
    let took = reaped["finished_boot_ns"].as_u64().zip(told["killed_boot_ns"].as_u64());
    let took = took.and_then(|(finished, killed)| finished.checked_sub(killed)).context("no times")?;
    ensure!(took >= 1_900_000_000, "reaped after {took} ns");
    ensure!(
        told["exited_boot_ns"].as_u64() > reaped["finished_boot_ns"].as_u64(),
        "gone {} before the reaper was done {}",
        told["exited_boot_ns"],
        reaped["finished_boot_ns"]
    );
    Ok(())
}

fn pages(value: &Value) -> Option<u64> {
    value.as_u64()
}

fn kilobytes(line: &str, word: &str) -> Option<u64> {
    let (_, rest) = line.split_once(word)?;
    rest.split_once("kB")?.0.parse().ok()
}
