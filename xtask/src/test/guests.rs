//! The tests on real kernels: one guest for each line of the matrix, a few at a time.
//!
//! The guest's part is `guest test` in the package `oomtrace-tests`. It prints two lines for each test and one at the end:
//!
//! ```text
//! RUN <name>
//! PASS <name> (<seconds>s)
//! FAIL <name>: <reason>
//! SKIP <name>: <reason>
//!   <detail of the line above>
//! DONE <passed> <failed> <skipped>
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::matrix::Entry;
use super::report::{Report, Totals, Verdict};
use crate::arch::Arch;
use crate::vm::initramfs::{self, Programs};
use crate::vm::qemu::Sink;
use crate::vm::{self, Guest};
use crate::{cross, kernels, workspace};

/// How long the tests of one guest may take.
const TIMEOUT: Duration = Duration::from_secs(25 * 60);
/// How long one test may take: three times what the longest takes on a busy machine.
const SILENCE: Duration = Duration::from_secs(6 * 60);

/// Runs all entries that the filter leaves, `jobs` at a time.
pub(super) fn run(report: &Report, entries: &[Entry], jobs: usize, filter: Option<&str>) {
    let wanted: Vec<(&Entry, Option<&str>)> =
        entries.iter().filter_map(|entry| Some((entry, filter_for(&entry.name(), filter)?))).collect();
    for arch in Arch::ALL {
        let of_it: Vec<_> = wanted.iter().copied().filter(|(entry, _)| entry.arch() == arch).collect();
        if of_it.is_empty() {
            continue;
        }
        match programs(arch) {
            Ok(programs) => run_all(report, &of_it, jobs, &programs),
            Err(verdict) => {
                for (entry, _) in of_it {
                    report.add(&entry.name(), verdict.clone(), "");
                }
            }
        }
    }
}

/// What guests need. What cannot be had makes the tests skipped; what does not compile makes them fail.
fn programs(arch: Arch) -> Result<Programs, Verdict> {
    let needed =
        vm::need_qemu(arch).and_then(|()| cross::prepare(arch)).and_then(|()| initramfs::busybox(arch));
    let busybox = needed.map_err(|error| Verdict::Skipped(format!("{error:#}")))?;
    Programs::with_busybox(busybox, arch).map_err(|error| Verdict::Failed(format!("{error:#}")))
}

/// Runs entries of one architecture, `jobs` at a time.
fn run_all(report: &Report, wanted: &[(&Entry, Option<&str>)], jobs: usize, programs: &Programs) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((entry, filter)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = run_one(report, entry, programs, *filter) {
                        report.add(&entry.name(), Verdict::Failed(format!("{error:#}")), "");
                    }
                }
            });
        }
    });
}

/// The filter to hand to the guest called `name`; `None` leaves the guest out.
///
/// A filter is a part of a test's name, and the full name starts with the guest's.
#[expect(clippy::option_option, reason = "the outer one is the caller's `filter_map`")]
fn filter_for<'a>(name: &str, filter: Option<&'a str>) -> Option<Option<&'a str>> {
    let Some(filter) = filter else { return Some(None) };
    if name.contains(filter) {
        return Some(None);
    }
    match filter.strip_prefix(name).and_then(|rest| rest.strip_prefix('/')) {
        Some("") => Some(None),
        Some(rest) => Some(Some(rest)),
        // Another guest's full name.
        None if kernels::names().any(|kernel| filter.starts_with(&format!("{kernel}/"))) => None,
        None => Some(Some(filter)),
    }
}

/// Runs one guest's tests. A guest whose kernel crashes or sticks is booted once more, and that is said, with what the kernel said:
/// emulated machines with two CPUs now and then crash while kernel code is patched, which attaching does. What is oomtrace's comes
/// again.
fn run_one(report: &Report, entry: &Entry, programs: &Programs, filter: Option<&str>) -> Result<()> {
    if let Ended::Crashed(how) = boot_one(report, entry, programs, filter, true)? {
        println!("retrying {}: {how}, results so far do not count", entry.name());
        boot_one(report, entry, programs, filter, false)?;
    }
    Ok(())
}

/// How a guest ended.
enum Ended {
    /// With results, which have been counted.
    Counted,
    /// With a crash of its kernel or stuck, as told, and nothing was counted.
    Crashed(String),
}

/// Boots one guest and takes its results, unless its kernel crashed and `again` allows for another try.
fn boot_one(
    report: &Report,
    entry: &Entry,
    programs: &Programs,
    filter: Option<&str>,
    again: bool,
) -> Result<Ended> {
    let name = entry.name();
    let had = kernels::get(&entry.kernel).and_then(|kernel| Ok((kernel, entry.archive()?)));
    let (kernel, archive) = match had {
        Ok(had) => had,
        Err(error) => {
            report.add(&name, Verdict::Skipped(format!("{error:#}")), "");
            return Ok(Ended::Counted);
        }
    };
    let extras = entry.extras()?;
    let folder = workspace::vm_logs().join("test").join(name.replace('/', "-"));
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    let out = folder.join("out");
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    println!("booting  {name}: {}", kernel.description);
    let stderr_log = folder.join("stderr.log");
    let log =
        fs::File::create(&stderr_log).with_context(|| format!("cannot create {}", stderr_log.display()))?;
    let lines = Arc::new(Mutex::new(Lines::default()));
    let hardware = entry.hardware();
    let guest = Guest {
        kernel: &kernel,
        hardware: &hardware,
        timeout: Some(TIMEOUT),
        silence: Some(SILENCE),
        extras: &extras,
        archive: archive.as_deref(),
        disk: vm::Disk::default(),
        out: Some(out),
        show_console: false,
        logs: folder.clone(),
        stdout: Arc::clone(&lines) as Sink,
        stderr: Arc::new(Mutex::new(log)),
    };
    let mut command: Vec<String> = ["guest", "test", "--group", entry.group].map(str::to_owned).to_vec();
    if let Some(filter) = filter {
        command.extend(["--filter".to_owned(), filter.to_owned()]);
    }
    lines.lock().unwrap_or_else(PoisonError::into_inner).name.clone_from(&name);
    let run = guest.run(programs, &command)?;
    let mut lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    lines.end();
    if again && lines.done.is_none() && (crashed(&run.console_log) || run.outcome.stuck) {
        show_tails(&[run.console_log.as_path()]);
        // The next try empties the folder.
        let kept = folder.with_extension("crashed.log");
        fs::copy(&run.console_log, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
        let what = if run.outcome.stuck { "it was stuck" } else { "its kernel crashed" };
        return Ok(Ended::Crashed(format!("{what}{} (log: {})", lines.place(), kept.display())));
    }
    for (test, verdict) in &lines.results {
        report.count(&format!("{name}/{test}"), verdict.clone());
    }
    let outcome = &run.outcome;
    if let Some(problem) = lines.problem(outcome.code, outcome.timed_out, outcome.failure.as_deref()) {
        report.add(&name, Verdict::Failed(format!("{problem} (logs: {})", folder.display())), "");
        show_tails(&[run.console_log.as_path(), &stderr_log]);
    }
    let seconds = |d: Duration| format!("{:.1} s", d.as_secs_f64());
    let boot =
        outcome.boot.map_or_else(|| "never booted".to_owned(), |boot| format!("booted in {}", seconds(boot)));
    let starts = if run.starts > 1 { format!(", {} starts", run.starts) } else { String::new() };
    println!("ended    {name}: {boot}, {} in all{starts}", seconds(outcome.total));
    Ok(Ended::Counted)
}

/// What a kernel says when it gives up.
const PANIC: &str = "Kernel panic - not syncing";
/// Lines shown of a log,
const LINES_SHOWN: usize = 120;
/// of which so many come before the crash.
const LINES_BEFORE: usize = 80;

/// Whether a guest's console tells of a crash of its kernel. Global OOMs without anybody to kill are no part of the tests.
fn crashed(console: &Path) -> bool {
    fs::read(console).is_ok_and(|log| String::from_utf8_lossy(&log).contains(PANIC))
}

/// The ends of logs, for a guest that died; of one that tells of a crash what it says from there on.
fn show_tails(logs: &[&Path]) {
    for log in logs {
        let mut lines = vm::tail(log, usize::MAX);
        match lines.iter().position(|line| line.contains(PANIC)) {
            Some(at) => {
                lines.drain(..at.saturating_sub(LINES_BEFORE));
                lines.truncate(LINES_SHOWN);
            }
            None => drop(lines.drain(..lines.len().saturating_sub(LINES_SHOWN))),
        }
        if !lines.is_empty() {
            println!("  from {}:", log.display());
            for line in lines {
                println!("  | {line}");
            }
        }
    }
}

/// What a guest printed: results as they come, and the end line.
#[derive(Default)]
struct Lines {
    /// The guest's name.
    name: String,
    /// An unfinished line.
    rest: Vec<u8>,
    /// The test that has begun and not ended.
    running: Option<String>,
    results: Vec<(String, Verdict)>,
    done: Option<Totals>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(at) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=at).collect();
            self.line(String::from_utf8_lossy(&line).trim_end());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Takes the last line, if it had no end.
    fn end(&mut self) {
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() {
            self.line(&String::from_utf8_lossy(&line));
        }
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (test, reason) = rest.split_once(": ").unwrap_or((rest, "no reason given"));
        if matches!(word, "PASS" | "FAIL" | "SKIP") {
            self.running = None;
        }
        match word {
            "RUN" => self.running = Some(rest.to_owned()),
            "PASS" => {
                let (test, note) = rest.rsplit_once(" (").unwrap_or((rest, ""));
                let note = if note.is_empty() { String::new() } else { format!(" ({note}") };
                println!("passed   {}/{test}{note}", self.name);
                self.results.push((test.to_owned(), Verdict::Passed));
            }
            "FAIL" => {
                println!("FAILED   {}/{test}: {reason}", self.name);
                self.results.push((test.to_owned(), Verdict::Failed(reason.to_owned())));
            }
            "SKIP" => {
                println!("skipped  {}/{test}: {reason}", self.name);
                self.results.push((test.to_owned(), Verdict::Skipped(reason.to_owned())));
            }
            "DONE" => {
                let numbers: Vec<usize> = rest.split(' ').filter_map(|n| n.parse().ok()).collect();
                if let [passed, failed, skipped] = numbers[..] {
                    self.done = Some(Totals { passed, failed, skipped });
                }
            }
            // Detail of the line above, or a remark.
            _ => println!("  {line}"),
        }
    }

    /// Where it was when it ended, as an addition to a sentence.
    fn place(&self) -> String {
        self.running.as_ref().map_or_else(String::new, |test| format!(" in {test}"))
    }

    /// Why the guest as a whole failed, whatever its tests say.
    fn problem(&self, code: Option<u8>, timed_out: bool, failure: Option<&str>) -> Option<String> {
        let mut seen = Totals::default();
        for (_, verdict) in &self.results {
            match verdict {
                Verdict::Passed => seen.passed += 1,
                Verdict::Failed(_) => seen.failed += 1,
                Verdict::Skipped(_) => seen.skipped += 1,
            }
        }
        if timed_out {
            return Some(format!(
                "the guest was killed after {} s{}; seen until then: {seen}",
                TIMEOUT.as_secs(),
                self.place()
            ));
        }
        let Some(done) = self.done else {
            let why = failure.map_or_else(|| format!("exit code {code:?}"), str::to_owned);
            return Some(format!(
                "the guest's tests did not reach their end{}: {why}; seen until then: {seen}",
                self.place()
            ));
        };
        if done != seen {
            return Some(format!("the guest counted {done}, but its lines say {seen}"));
        }
        if let Some(failure) = failure {
            return Some(failure.to_owned());
        }
        // Failed tests are listed already; an exit code without one is news.
        (code != Some(0) && done.failed == 0)
            .then(|| format!("no test failed, but the exit code is {code:?}"))
    }
}

/// Where the logs of guests are, for the last words.
pub(super) fn logs() -> PathBuf {
    workspace::vm_logs().join("test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let mut lines = Lines::default();
        // In pieces, as a serial port delivers.
        for piece in text.as_bytes().chunks(7) {
            lines.write_all(piece).expect("memory takes everything");
        }
        lines.end();
        lines
    }

    #[test]
    fn results_and_end_line_agree() {
        let lines = lines("PASS a/fentry (1.2s)\nFAIL b: x: y\n  detail\nSKIP c: no swap\nDONE 1 1 1\n");
        let names: Vec<&str> = lines.results.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a/fentry", "b", "c"]);
        assert_eq!(lines.results[1].1, Verdict::Failed("x: y".to_owned()));
        assert_eq!(lines.problem(Some(1), false, None), None);
    }

    #[test]
    fn a_guest_that_dies_or_miscounts_is_a_failure() {
        assert!(
            lines("PASS a (1s)\n").problem(None, false, Some("died")).is_some_and(|p| p.contains("died"))
        );
        let dead = lines("RUN a\nPASS a (1s)\nRUN b/kprobe\n").problem(None, true, None);
        assert!(dead.as_ref().is_some_and(|p| p.contains("in b/kprobe")), "{dead:?}");
        assert!(lines("PASS a (1s)\nDONE 2 0 0\n").problem(Some(0), false, None).is_some());
        assert!(lines("DONE 0 0 0\n").problem(Some(1), false, None).is_some());
        assert!(lines("PASS a (1s)\nDONE 1 0 0\n").problem(None, true, None).is_some());
        assert!(lines("PASS a (1s)\nDONE 1 0 0").problem(Some(0), false, None).is_none());
    }

    #[test]
    fn filters_choose_guests_and_tests() {
        assert_eq!(filter_for("6.1/core", None), Some(None));
        assert_eq!(filter_for("6.1/core", Some("6.1")), Some(None));
        assert_eq!(filter_for("6.1/core", Some("storm")), Some(Some("storm")));
        assert_eq!(filter_for("6.1/core", Some("6.1/core/storm")), Some(Some("storm")));
        assert_eq!(filter_for("6.1/core", Some("5.10/core/storm")), None);
    }
}
