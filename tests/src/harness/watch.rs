//! A running `oomtrace watch`: started, awaited, ended, and what it printed.

use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::PATIENCE;
use super::process::{Launch, wait_child};
use super::stream::Collected;
use super::view::{Episode, losses, need, string};

/// The banner's word that everything is attached.
const READY: &[u8] = b"waiting";

/// A running watch. Dropping it kills it.
pub struct Watch {
    child: Child,
    threads: Vec<JoinHandle<()>>,
    /// Its standard output.
    pub stdout: Collected,
    /// Its standard error.
    pub stderr: Collected,
}

/// How far the output of a watch has been looked at, bytes.
#[derive(Debug, Default)]
pub struct Mark(usize);

/// A watch that has ended.
pub struct Finished {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: String,
}

/// The lines of a whole `--json` output.
pub struct Lines {
    /// The `session` line.
    pub session: Value,
    /// The `episode` lines.
    pub episodes: Vec<Episode>,
    /// The `end` line.
    pub end: Value,
}

impl Watch {
    /// Starts `launch` and collects what it prints.
    pub fn start(launch: Launch) -> Result<Self> {
        let mut child = launch
            .command()?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to start oomtrace")?;
        let (stdout, out_thread) = Collected::from(child.stdout.take().context("a piped stdout is there")?)?;
        let (stderr, error_thread) =
            Collected::from(child.stderr.take().context("a piped stderr is there")?)?;
        Ok(Self { child, threads: vec![out_thread, error_thread], stdout, stderr })
    }

    /// Process id.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until it says that it is attached.
    pub fn await_ready(&self) -> Result<()> {
        let said = self.stderr.wait_for(PATIENCE, |bytes| {
            bytes.windows(READY.len()).any(|window| window == READY).then_some(())
        });
        said.with_context(|| format!("oomtrace did not get ready; it said: {}", self.stderr.text().trim()))
    }

    /// Waits for an episode that `wanted` accepts.
    pub fn await_episode(&self, what: &str, wanted: impl Fn(&Episode) -> bool) -> Result<Episode> {
        let found = self.await_episodes(what, 1, wanted)?;
        found.into_iter().next().context("one was asked for")
    }

    /// Waits for `count` episodes that `wanted` accepts.
    pub fn await_episodes(
        &self,
        what: &str,
        count: usize,
        wanted: impl Fn(&Episode) -> bool,
    ) -> Result<Vec<Episode>> {
        self.await_more(&mut Mark::default(), what, count, wanted)
    }

    /// The same from `mark` on, which is then behind the last line that was looked at.
    pub fn await_more(
        &self,
        mark: &mut Mark,
        what: &str,
        count: usize,
        wanted: impl Fn(&Episode) -> bool,
    ) -> Result<Vec<Episode>> {
        let mut found = Vec::new();
        let mut broken = None;
        let enough = self.stdout.wait_for(PATIENCE, |bytes| {
            let (episodes, length) = match complete_episodes(&bytes[mark.0..]) {
                Ok(read) => read,
                Err(error) => {
                    broken = Some(error);
                    return Some(());
                }
            };
            mark.0 += length;
            found.extend(episodes.into_iter().filter(|episode| wanted(episode)));
            (found.len() >= count).then_some(())
        });
        if let Some(error) = broken {
            return Err(error);
        }
        if enough.is_none() {
            bail!(
                "only {} of {count} came within {PATIENCE:?}: {what}; oomtrace said: {}",
                found.len(),
                self.stderr.text().trim()
            );
        }
        Ok(found)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.pid()).context("a process has an id")?;
        kill_process(pid, signal).context("failed to signal oomtrace")
    }

    /// Ends it with `signal` and returns what it printed.
    pub fn end(mut self, signal: Signal) -> Result<Finished> {
        self.signal(signal)?;
        self.finish(PATIENCE)
    }

    /// Waits for its end and returns what it printed.
    pub fn wait(mut self) -> Result<Finished> {
        self.finish(PATIENCE)
    }

    /// Ends it as Ctrl-C does and reads its JSON; the exit code must be `code`.
    pub fn end_json(self, code: i32) -> Result<Lines> {
        let finished = self.end(Signal::INT)?;
        // The last line has the counts of what was lost.
        let last = finished.stdout.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        ensure!(
            finished.code == Some(code),
            "oomtrace ended with code {:?}, not {code}; it said: {}\n{}",
            finished.code,
            finished.stderr.trim(),
            String::from_utf8_lossy(last)
        );
        Lines::read(&finished.stdout)
    }

    fn finish(&mut self, patience: Duration) -> Result<Finished> {
        let status = wait_child(&mut self.child, patience).context("while waiting for oomtrace to end")?;
        for thread in self.threads.drain(..) {
            thread.join().ok().context("a collecting thread panicked")?;
        }
        Ok(Finished { code: status.code(), stdout: self.stdout.bytes(), stderr: self.stderr.text() })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    /// Reads a complete output: one `session`, any number of `episode`, one `end`.
    pub fn read(stdout: &[u8]) -> Result<Self> {
        ensure!(stdout.ends_with(b"\n"), "the last line of the JSON is not complete");
        let values = parse_lines(stdout)?;
        let [session, middle @ .., end] = values.as_slice() else {
            bail!("{} lines are too few for a session and an end", values.len());
        };
        ensure!(string(session, "type")? == "session", "the first line is no session: {session}");
        ensure!(string(end, "type")? == "end", "the last line is no end: {end}");
        let mut episodes = Vec::new();
        for line in middle {
            ensure!(string(line, "type")? == "episode", "not an episode: {line}");
            episodes.push(Episode::read(line).with_context(|| format!("in the episode {line}"))?);
        }
        let counted = need(end, "episodes")?.as_u64();
        ensure!(
            counted == u64::try_from(episodes.len()).ok(),
            "the end counts {counted:?} episodes of {}",
            episodes.len()
        );
        let victims: usize = episodes.iter().map(|episode| episode.victims.len()).sum();
        let counted = need(end, "victims")?.as_u64();
        ensure!(counted == u64::try_from(victims).ok(), "the end counts {counted:?} victims of {victims}");
        Ok(Self { session: session.clone(), episodes, end: end.clone() })
    }

    /// Fails when anything was lost.
    pub fn lossless(&self) -> Result<()> {
        for line in self.episodes.iter().map(|episode| &episode.json).chain([&self.end]) {
            let lost = losses(line)?;
            ensure!(lost.is_empty(), "something was lost ({lost}) in {}", line["type"]);
        }
        Ok(())
    }

    /// The episodes of the cgroup at `path`.
    pub fn of(&self, path: &str) -> Vec<&Episode> {
        self.episodes.iter().filter(|episode| episode.is_of(path)).collect()
    }
}

/// The episodes in the complete lines of `bytes`, and how many bytes those lines are.
fn complete_episodes(bytes: &[u8]) -> Result<(Vec<Episode>, usize)> {
    let length = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut episodes = Vec::new();
    for line in parse_lines(&bytes[..length])? {
        if string(&line, "type")? == "episode" {
            episodes.push(Episode::read(&line).with_context(|| format!("in the episode {line}"))?);
        }
    }
    Ok((episodes, length))
}

fn parse_lines(bytes: &[u8]) -> Result<Vec<Value>> {
    let parse = |line: &[u8]| -> Result<Value> {
        serde_json::from_slice(line).with_context(|| format!("not JSON: {}", line.escape_ascii()))
    };
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
}
