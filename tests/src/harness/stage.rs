//! What one run of a scenario has at hand: a flavour, the kernel log from its start on, and what to keep when it fails.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::PATIENCE;
use super::process::Launch;
use super::stream::Collected;
use super::watch::Watch;
use crate::oracle::kmsg::KernelLog;
use crate::oracle::report::{Report, Reports};

/// The program under test, found in `PATH`.
pub const OOMTRACE: &str = "oomtrace";

/// How oomtrace attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// fentry and fexit.
    Fentry,
    /// kprobe and kretprobe.
    Kprobe,
    /// The kernel's log and tracepoints.
    Log,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Log => "log",
        })
    }
}

/// One run of a scenario.
pub struct Stage {
    name: String,
    flavour: Flavour,
    seed: Option<u64>,
    log: RefCell<KernelLog>,
    kept: RefCell<Vec<(String, Collected)>>,
}

impl Stage {
    /// For the run called `name`.
    pub fn new(name: &str, flavour: Flavour, seed: Option<u64>) -> Result<Self> {
        let log = RefCell::new(KernelLog::from_now()?);
        Ok(Self { name: name.to_owned(), flavour, seed, log, kept: RefCell::default() })
    }

    /// How oomtrace is to attach in this run.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The one seed that a scenario with several is to be run with, when one is asked for.
    pub fn seed(&self) -> Option<u64> {
        self.seed
    }

    /// Starts `oomtrace watch --json` with this run's flavour and `options`, and waits until it is attached.
    pub fn watch(&self, options: &[&str]) -> Result<Watch> {
        let mut all = vec!["--json"];
        all.extend(options);
        self.watch_text(&all)
    }

    /// The same without `--json`.
    pub fn watch_text(&self, options: &[&str]) -> Result<Watch> {
        let flavour = self.flavour.to_string();
        let launch = Launch::of(OOMTRACE).args(&["watch", "--attach", &flavour]).args(options);
        let watch = self.follow(launch)?;
        watch.await_ready()?;
        Ok(watch)
    }

    /// Starts `launch`, which may fail, and keeps what it prints in case that the scenario does.
    pub fn follow(&self, launch: Launch) -> Result<Watch> {
        let watch = Watch::start(launch)?;
        let mut kept = self.kept.borrow_mut();
        let number = kept.len() / 2 + 1;
        kept.push((format!("{number}.stdout"), watch.stdout.clone()));
        kept.push((format!("{number}.stderr"), watch.stderr.clone()));
        Ok(watch)
    }

    /// The kernel's reports since the start of this run.
    pub fn reports(&self) -> Result<Reports> {
        let mut log = self.log.borrow_mut();
        Reports::parse(log.records()?.iter().map(|record| record.message.as_slice()))
    }

    /// Messages of the kernel since the start of this run that have these words in them, from the words on.
    pub fn logged(&self, words: &str) -> Result<Vec<String>> {
        let mut log = self.log.borrow_mut();
        let messages =
            log.records()?.iter().map(|record| String::from_utf8_lossy(&record.message).into_owned());
        Ok(messages.filter_map(|message| Some(message[message.find(words)?..].to_owned())).collect())
    }

    /// Waits until the kernel has logged these words.
    pub fn await_log(&self, words: &str) -> Result<()> {
        self.log.borrow_mut().wait_for(words, PATIENCE)
    }

    /// The one report that `wanted` accepts; none, or a second one, is an error.
    pub fn report(&self, what: &str, wanted: impl Fn(&Report) -> bool) -> Result<Report> {
        let mut found: Vec<_> = self.reports()?.reports.into_iter().filter(wanted).collect();
        ensure!(found.len() <= 1, "the kernel logged {} reports: {what}", found.len());
        found.pop().with_context(|| format!("the kernel logged no report: {what}"))
    }

    /// Writes the kernel log and all output to files in `directory`.
    pub fn keep(&self, directory: &Path) -> Result<()> {
        let stem = self.name.replace('/', ".");
        if !directory.is_dir() {
            bail!("there is no directory {}", directory.display());
        }
        let write = |suffix: &str, bytes: &[u8]| {
            let file = directory.join(format!("{stem}.{suffix}"));
            std::fs::write(&file, bytes).with_context(|| format!("failed to write {}", file.display()))
        };
        write("kmsg", self.log.borrow_mut().text().as_bytes())?;
        for (suffix, collected) in self.kept.borrow().iter() {
            write(suffix, &collected.bytes())?;
        }
        Ok(())
    }
}
