//! Memcg OOMs on different paths: a page fault, a read and a write of a file, a lowered limit. The call path is the kernel's own, and
//! tells which it was.

use std::path::Path;

use anyhow::{Result, ensure};

use super::common::{FAULT, MIB, waiting_hog};
use crate::harness::call_path;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::harness::swap;
use crate::skip;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let fault = page_fault(stage)?;
    ensure!(has(&fault, "handle_mm_fault") && has(&fault, FAULT), "a page fault: {fault:?}");

    let write = file_write(stage)?;
    ensure!(write.iter().any(|name| name.starts_with("shmem_")), "a write to tmpfs: {write:?}");
    ensure!(has(&write, "vfs_write") && !has(&write, "handle_mm_fault"), "a write to tmpfs: {write:?}");

    let read = file_read(stage)?;
    ensure!(has(&read, "vfs_read") && !has(&read, "handle_mm_fault"), "a read of a file: {read:?}");
    let cached = |name: &String| name.contains("filemap") || name.contains("page_cache");
    ensure!(read.iter().any(cached), "a read into the page cache: {read:?}");

    // A limit of version 1 cannot be lowered below what is used.
    if Version::of_guest()? == Version::Two {
        let writer = lowered_limit(stage)?;
        ensure!(has(&writer, "memory_max_write") && has(&writer, "vfs_write"), "a lowered limit: {writer:?}");
        ensure!(!writer.iter().any(|name| name.contains("charge")), "a lowered limit charges: {writer:?}");
    }
    Ok(())
}

fn has(path: &[String], function: &str) -> bool {
    path.iter().any(|name| name == function)
}

fn page_fault(stage: &Stage) -> Result<Vec<String>> {
    let cgroup = Cgroup::new("call_trace_fault")?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    path_of(stage, &cgroup, || {
        hog.go()?;
        hog.wait().map(drop)
    })
}

/// The guest's root is a tmpfs, whose pages the writer is charged with.
fn file_write(stage: &Stage) -> Result<Vec<String>> {
    let cgroup = Cgroup::new("call_trace_write")?;
    cgroup.limit(6 * MIB)?;
    let file = Path::new("/call-trace-write");
    let path = path_of(stage, &cgroup, || {
        let fill = Launch::guest("fill")?.args(&["--adj", "1000"]).arg(file).arg("64");
        fill.inside(&cgroup).start()?.wait().map(drop)
    });
    // The victim has left it; there is none if it could not be started.
    let _ = std::fs::remove_file(file);
    path
}

/// Of the guest's disk itself: file systems are not needed for a page cache.
fn file_read(stage: &Stage) -> Result<Vec<String>> {
    let Some(disk) = swap::disk() else { skip!("the guest has no disk to read from") };
    let cgroup = Cgroup::new("call_trace_read")?;
    cgroup.limit(6 * MIB)?;
    path_of(stage, &cgroup, || {
        let read = Launch::guest("read-locked")?.args(&["--adj", "1000"]).arg(disk);
        read.inside(&cgroup).start()?.wait().map(drop)
    })
}

fn lowered_limit(stage: &Stage) -> Result<Vec<String>> {
    let cgroup = Cgroup::new("call_trace_writer")?;
    let (mut fat, _) =
        Launch::guest("hog")?.args(&["--hold", "8192", "--adj", "1000"]).inside(&cgroup).start_ready()?;
    path_of(stage, &cgroup, || {
        cgroup.limit(4 * MIB)?;
        fat.wait().map(drop)
    })
}

/// The call path of the first kill in `cgroup` that `act` brings about.
fn path_of(stage: &Stage, cgroup: &Cgroup, act: impl FnOnce() -> Result<()>) -> Result<Vec<String>> {
    let watch = stage.watch(&[])?;
    act()?;
    let of_it =
        |episode: &crate::harness::view::Episode| episode.is_of(cgroup.path()) && episode.outcome == "killed";
    let episode = watch.await_episode("of the cgroup", of_it)?;
    watch.end_json(0)?.lossless()?;
    let report = stage.report("of the cgroup", |report| report.is_of(cgroup.path()))?;
    call_path::compared(&episode, &report.details, stage.flavour())
}
