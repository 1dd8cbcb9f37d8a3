//! Pieces that several scenarios are made of.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, mount};
use serde_json::Value;

use crate::harness::cgroup::Cgroup;
use crate::harness::process::{Launch, Running};
use crate::harness::sysctl::Sysctl;
use crate::harness::view::{Episode, need};
use crate::harness::watch::Lines;

/// A mebibyte.
pub(super) const MIB: u64 = 1024 * 1024;

/// Where a page fault enters the kernel, as its call paths name it.
pub(super) const FAULT: &str =
    if cfg!(target_arch = "aarch64") { "do_mem_abort" } else { "asm_exc_page_fault" };

/// A hog inside `cgroup` that waits for the word to start. With the highest adjustment it is the first to be killed, whatever
/// else is there.
pub(super) fn waiting_hog(cgroup: &Cgroup) -> Result<Running> {
    let (hog, _) = Launch::guest("hog")?.args(&["--wait", "--adj", "1000"]).inside(cgroup).start_ready()?;
    Ok(hog)
}

/// `count` idle processes and their parent inside `cgroup`, with adjustments over the whole range and all kinds of memory.
pub(super) fn crowd(cgroup: &Cgroup, count: u32) -> Result<Running> {
    let launch = Launch::guest("idle")?.args(&[&count.to_string(), "--adj-random", "7", "--shmem"]);
    let launch = launch.arg("--file").arg(mapped_file()?);
    let (crowd, _) = launch.inside(cgroup).start_ready()?;
    Ok(crowd)
}

/// Takes most of the guest's memory away for as long as it is kept: an emulated guest needs long to touch all of it.
/// Huge pages that nobody uses cost nothing to reserve, and do not change `totalpages`.
pub(super) fn ballast() -> Result<Sysctl> {
    Sysctl::set("vm/nr_hugepages", "300")
}

/// The only episode of `lines`, which lost nothing.
pub(super) fn only_episode(lines: &Lines) -> Result<&Episode> {
    lines.lossless()?;
    let outcomes: Vec<_> =
        lines.episodes.iter().map(|episode| (episode.id, episode.outcome.as_str())).collect();
    ensure!(outcomes.len() == 1, "one episode was expected, not {outcomes:?}");
    Ok(&lines.episodes[0])
}

/// A file whose mapped pages the kernel counts as those of a file. The guest's root is a tmpfs, whose pages count as shared
/// memory, and there is no disk; ramfs is the one file system left. Made once, and left there.
pub(super) fn mapped_file() -> Result<PathBuf> {
    let directory = Path::new("/run-ramfs");
    let file = directory.join("mapped");
    if !file.exists() {
        std::fs::create_dir_all(directory).context("failed to make a directory for ramfs")?;
        mount("ramfs", directory, "ramfs", MountFlags::empty(), None).context("failed to mount a ramfs")?;
        std::fs::write(&file, vec![1; 1024 * 1024]).context("failed to write a file to map")?;
    }
    Ok(file)
}

/// `ledger` of an `end` line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub(super) counted: Option<u64>,
    pub(super) captured: u64,
    pub(super) missed: Option<u64>,
    pub(super) because: Vec<String>,
    pub(super) processes: u64,
    pub(super) shared_mm: u64,
    pub(super) exiting: u64,
}

/// Reads the ledger of an `end` line; no cgroup in it may contradict it.
pub(super) fn ledger(end: &Value) -> Result<Ledger> {
    let json = need(end, "ledger")?;
    let number = |json: &Value, key: &str| -> Result<u64> {
        need(json, key)?.as_u64().with_context(|| format!("ledger.{key} is no number"))
    };
    let because = need(json, "missed_because")?.as_array().context("missed_because is no list")?;
    let not_counted = need(json, "not_counted")?;
    let ledger = Ledger {
        counted: need(json, "counted")?.as_u64(),
        captured: number(json, "captured")?,
        missed: need(json, "missed")?.as_u64(),
        because: because.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect(),
        processes: number(json, "processes")?,
        shared_mm: number(not_counted, "shared_mm")?,
        exiting: number(not_counted, "exiting")?,
    };
    let cgroups = need(json, "cgroups")?.as_array().context("cgroups is no list")?;
    ensure!(ledger.missed != Some(0) || cgroups.is_empty(), "nothing was missed, and {cgroups:?}");
    Ok(ledger)
}
