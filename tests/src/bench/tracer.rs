//! A tracer that runs: started, ready, what it showed, ended.
//!
//! It writes to files, not to pipes: a reader would take processor time while it is being measured, and a full pipe would stop it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::offsets::Offsets;
use super::pause;
use super::peers::{ROOT, Ready, Shows, Tool};
use crate::harness::process::wait_child;

/// How long a start or an end may take. Python with bcc under emulation needs most of a minute.
const PATIENCE: Duration = Duration::from_secs(600);

/// A tracer has shown all of an OOM when nothing came for this long.
const QUIET: Duration = Duration::from_millis(1500);

/// One that runs. Dropping it kills it.
pub(super) struct Tracer {
    tool: Tool,
    child: Child,
    /// Where its output was looked at last.
    mark: u64,
}

/// What it showed of one OOM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) candidates: u64,
    /// What it says that it lost; `None`: it says nothing of the kind here.
    pub(super) lost: Option<u64>,
    /// Whether the victim's line is there.
    pub(super) victim: bool,
}

impl Tracer {
    /// Starts it with `more` words behind its command, and returns when it is ready.
    pub(super) fn start(tool: Tool, offsets: Offsets, more: &[&str]) -> Result<Self> {
        (tool.set_up)(offsets)?;
        let (out, err) = (create(OUT)?, create(ERR)?);
        let mut command = command(tool.is_peer, tool.command);
        command.args(more).stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().with_context(|| format!("failed to start {:?}", tool.command))?;
        let mut tracer = Self { tool, child, mark: 0 };
        tracer.await_ready()?;
        Ok(tracer)
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    fn await_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().context("failed to wait for a tracer")? {
                bail!("it ended early ({status}): {}", said());
            }
            let ready = match self.tool.ready {
                Ready::Says(words) => text(ERR)?.contains(words) || text(OUT)?.contains(words),
                Ready::ShowsRead => {
                    read_score()?;
                    text(OUT)?.lines().any(|line| line.starts_with("C "))
                }
                Ready::ProbeHit => {
                    read_score()?;
                    probe_hits()? > 0
                }
            };
            if ready {
                return Ok(());
            }
            pause(2);
        }
        bail!("it was not ready within {PATIENCE:?}: {}", said())
    }

    /// Waits until nothing more comes, and forgets what it showed so far.
    pub(super) fn mark(&mut self) -> Result<()> {
        self.settle()?;
        self.mark = length(OUT)?;
        Ok(())
    }

    /// What it showed since [`Self::mark`]; `None` for one that is read after its end.
    pub(super) fn seen(&mut self) -> Result<Option<Seen>> {
        if matches!(self.tool.shows, Shows::File(_)) {
            return Ok(None);
        }
        let text = self.since_mark()?;
        match self.tool.shows {
            Shows::Json => Ok(Some(last_kill(&text)?.as_ref().map(in_episode).unwrap_or_default())),
            _ => Ok(Some(Seen {
                candidates: count(&text, |line| line.starts_with("C ")),
                lost: text.lines().filter_map(lost_events).reduce(|a, b| a + b),
                victim: text.lines().any(|line| line.starts_with("V ")),
            })),
        }
    }

    /// The last episode that killed since [`Self::mark`]; oomtrace only.
    pub(super) fn episode(&mut self) -> Result<Option<Value>> {
        last_kill(&self.since_mark()?)
    }

    /// Everything that it showed since then, once nothing more comes.
    fn since_mark(&self) -> Result<String> {
        self.settle()?;
        let bytes = fs::read(OUT).context("failed to read a tracer's output")?;
        let from = usize::try_from(self.mark)?.min(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[from..]).into_owned())
    }

    /// Records of reads of `oom_score` since [`Self::mark`]: everything that it showed, or episodes for oomtrace. `None` for one that
    /// is read after its end.
    pub(super) fn shown_reads(&mut self) -> Result<Option<u64>> {
        Ok(match self.tool.shows {
            // Without an OOM every episode would be one too many.
            Shows::Json => {
                self.settle()?;
                Some(count(&text(OUT)?, |line| line.contains("\"type\":\"episode\"")))
            }
            Shows::Lines => self.seen()?.map(|seen| seen.candidates),
            Shows::File(_) => None,
        })
    }

    /// Ends it as Ctrl-C does. For one that records: what the recording has of each OOM.
    pub(super) fn end(mut self) -> Result<Vec<Seen>> {
        kill_process(Pid::from_raw(self.pid()).context("a process has an id")?, Signal::INT)
            .context("failed to interrupt a tracer")?;
        wait_child(&mut self.child, PATIENCE).context("while waiting for a tracer to end")?;
        let seen = match self.tool.shows {
            Shows::File(reader) => in_file(&run_to_end(reader)?),
            _ => Vec::new(),
        };
        (self.tool.tear_down)()?;
        Ok(seen)
    }

    fn settle(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut before = None;
        while Instant::now() < deadline {
            let now = length(OUT)?;
            if before == Some(now) {
                return Ok(());
            }
            before = Some(now);
            std::thread::sleep(QUIET);
        }
        bail!("its output did not end within {PATIENCE:?}")
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Files of the tracer that runs.
const OUT: &str = "/tmp/tracer.out";
const ERR: &str = "/tmp/tracer.err";

fn create(path: &str) -> Result<File> {
    File::create(path).with_context(|| format!("failed to create {path}"))
}

fn length(path: &str) -> Result<u64> {
    Ok(fs::metadata(path).with_context(|| format!("failed to look at {path}"))?.len())
}

fn text(path: &str) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("failed to read {path}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of what it said, for an error.
fn said() -> String {
    let all = format!("{}{}", text(OUT).unwrap_or_default(), text(ERR).unwrap_or_default());
    let lines: Vec<&str> = all.trim().lines().collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}

/// A command, in the peers' root if it lives there.
pub(super) fn command(is_peer: bool, words: &[&str]) -> Command {
    let mut command = Command::new(words.first().copied().unwrap_or_default());
    command.args(&words[1..]);
    if is_peer {
        // SAFETY: between fork and exec chroot() and chdir() are two plain system calls, and allocate no memory that counts: the
        // path is short enough to be made on the stack.
        unsafe {
            command.pre_exec(|| {
                std::os::unix::fs::chroot(ROOT)?;
                std::env::set_current_dir("/")
            });
        }
    }
    command
}

/// Runs a peer's command and returns its standard output.
pub(super) fn run_to_end(words: &[&str]) -> Result<String> {
    let output = command(true, words).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("failed to start {words:?}"))?;
    ensure!(
        output.status.success(),
        "{words:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs the scorer for this process.
pub(super) fn read_score() -> Result<()> {
    fs::read("/proc/self/oom_score").context("failed to read oom_score").map(drop)
}

/// Hits of the probe at the entry of the scorer.
fn probe_hits() -> Result<u64> {
    let file = Path::new("/sys/kernel/tracing/kprobe_profile");
    let text = fs::read_to_string(file).context("failed to read kprobe_profile")?;
    let hits = text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "badness").then(|| words.next()?.parse().ok())?
    });
    Ok(hits.unwrap_or(0))
}

fn count(text: &str, wanted: impl Fn(&str) -> bool) -> u64 {
    text.lines().filter(|line| wanted(line)).count() as u64
}

/// bpftrace's `Lost 12 events`.
fn lost_events(line: &str) -> Option<u64> {
    line.strip_prefix("Lost ")?.strip_suffix(" events")?.parse().ok()
}

/// The last episode that killed; calls that found the victim dying are others.
fn last_kill(text: &str) -> Result<Option<Value>> {
    let mut last = None;
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).context("a line of oomtrace's is no JSON")?;
        if line["type"] == "episode" && line["outcome"] == "killed" {
            last = Some(line);
        }
    }
    Ok(last)
}

fn in_episode(episode: &Value) -> Seen {
    Seen {
        candidates: episode["candidates"].as_array().map_or(0, |list| list.len() as u64),
        lost: episode["lost"]["candidates"].as_u64(),
        victim: episode["victims"].as_array().is_some_and(|victims| !victims.is_empty()),
    }
}

/// Candidates before each victim.
fn in_file(text: &str) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut candidates = 0;
    for line in text.lines() {
        if line.contains("mark_victim:") {
            all.push(Seen { candidates, lost: None, victim: true });
            candidates = 0;
        } else if line.contains("badness:") {
            candidates += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Seen, in_file, lost_events};

    #[test]
    fn candidates_are_those_before_their_victim() {
        let text =
            "x badness: a\nx badness: b\nx score: c\nx mark_victim: d\nx badness: e\nx mark_victim: f\n";
        let seen = |candidates| Seen { candidates, lost: None, victim: true };
        assert_eq!(in_file(text), [seen(2), seen(1)]);
    }

    #[test]
    fn losses_are_read() {
        assert_eq!(lost_events("Lost 12 events"), Some(12));
        assert_eq!(lost_events("C 12 events"), None);
    }
}
