//! While it captures, oomtrace makes no call for a map: as long as one is under way, the kernel passes over kprobe programs on that
//! CPU (`bpf_disable_instrumentation()`), and where it can preempt the caller that can be in the middle of an episode.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, crowd, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::skip;

/// Where the kernel's own tracer has a part for us alone.
const INSTANCE: &str = "/sys/kernel/tracing/instances/no_map_calls";
/// Calls of bpf(2) for elements of maps: look-up, update, delete, next key.
const CALLS: &str = "cmd >= 1 && cmd <= 4";
/// OOMs, one after the other.
const ROUNDS: u32 = 3;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let Some(tracer) = Tracer::new()? else { skip!("this kernel does not trace system calls") };
    let cgroup = Cgroup::new("no_map_calls")?;
    let _crowd = crowd(&cgroup, 20)?;
    let watch = stage.watch(&[])?;
    tracer.write("events/syscalls/sys_enter_bpf/enable", "1")?;
    for round in 1..=ROUNDS {
        let mut hog = waiting_hog(&cgroup)?;
        cgroup.limit_above_usage(8 * MIB)?;
        hog.go()?;
        let pid = hog.pid();
        watch.await_episode("of this round", |episode| {
            episode.is_of(cgroup.path()) && episode.victim_pids() == [pid]
        })?;
        hog.wait().with_context(|| format!("round {round}"))?;
    }
    let ours = format!("-{} ", watch.pid());
    let calls = tracer.lines_with(&ours)?;
    // The counters of losses are looked up at the end: the tracer does see such calls.
    watch.end_json(0)?.lossless()?;
    ensure!(!tracer.lines_with(&ours)?.is_empty(), "the tracer sees no calls at all");
    ensure!(calls.is_empty(), "calls for maps during the capture: {calls:#?}");
    Ok(())
}

/// An instance of the kernel's tracer, gone when dropped.
struct Tracer(PathBuf);

impl Tracer {
    /// `None` where system calls are not traced.
    fn new() -> Result<Option<Self>> {
        fs::create_dir(INSTANCE).with_context(|| format!("failed to make {INSTANCE}"))?;
        let tracer = Self(PathBuf::from(INSTANCE));
        if !tracer.0.join("events/syscalls/sys_enter_bpf").exists() {
            return Ok(None);
        }
        tracer.write("events/syscalls/sys_enter_bpf/filter", CALLS)?;
        Ok(Some(tracer))
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::write(&path, text).with_context(|| format!("failed to write {text:?} to {}", path.display()))
    }

    /// What was traced, where it has `text` in it.
    fn lines_with(&self, text: &str) -> Result<Vec<String>> {
        let all = fs::read_to_string(self.0.join("trace")).context("failed to read what was traced")?;
        Ok(all.lines().filter(|line| line.contains(text)).map(str::to_owned).collect())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // An instance with events switched on can be removed as well.
        if let Err(error) = fs::remove_dir(&self.0) {
            eprintln!("failed to remove {}: {error}", self.0.display());
        }
    }
}
