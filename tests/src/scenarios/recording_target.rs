//! What is recorded to fails: no room, the file or its directory removed, another recorder. The capture goes on, the gap is told, and later
//! episodes are recorded.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::Value;

use super::common::MIB;
use crate::harness::PATIENCE;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::view::Episode;
use crate::harness::watch::{Mark, Watch};

/// A file system that is full soon.
struct Small(PathBuf);

impl Small {
    fn new() -> Result<Self> {
        let directory = Path::new("/run-small");
        fs::create_dir_all(directory).context("failed to make a directory")?;
        mount("none", directory, "tmpfs", MountFlags::empty(), c"size=256k")
            .context("failed to mount a tmpfs")?;
        Ok(Self(directory.to_owned()))
    }

    fn at(&self, name: &str) -> Result<(PathBuf, String)> {
        let path = self.0.join(name);
        let text = path.to_str().context("a path of ours is UTF-8")?.to_owned();
        Ok((path, text))
    }

    /// Leaves no room.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("filler");
        let mut file = fs::File::create(&path).context("failed to make a file")?;
        while file.write_all(&[1; 4096]).is_ok() {}
        Ok(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The next run mounts another one.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("recording_target")?;
    cgroup.limit(4 * MIB)?;
    let small = Small::new()?;
    full(stage, &cgroup, &small)?;
    removed(stage, &cgroup, &small)?;
    locked(stage, &small)
}

/// No room for a while.
fn full(stage: &Stage, cgroup: &Cgroup, small: &Small) -> Result<()> {
    let (_, file) = small.at("full.oomtrace")?;
    let watch = stage.watch(&["-o", &file])?;
    let mut mark = Mark::default();
    oom(&watch, &mut mark, cgroup)?;
    let filler = small.fill()?;
    // What is left of the last page takes the first few.
    let mut ooms = 1;
    while !watch.stderr.text().contains("recording is interrupted") {
        oom(&watch, &mut mark, cgroup)?;
        ooms += 1;
        ensure!(ooms < 20, "a full disk was not noticed");
    }
    oom(&watch, &mut mark, cgroup)?;
    fs::remove_file(filler).context("failed to make room")?;
    oom(&watch, &mut mark, cgroup)?;
    ooms += 2;
    said(&watch, "recording goes on")?;
    let ended = watch.end_json(4)?;
    ensure!(ended.episodes.len() == ooms, "{} episodes of {ooms} were shown", ended.episodes.len());

    let lines = replay(stage, &file, 4)?;
    let gaps = of_type(&lines, "gap");
    // What is left of the last page may take a small piece in between.
    for gap in &gaps {
        let error = gap["error"].as_str().unwrap_or_default();
        ensure!(gap["cause"] == "target" && error.contains("No space left"), "{gap}");
    }
    let missing = gaps.iter().filter_map(|gap| gap["episodes"].as_u64()).sum::<u64>();
    let recorded = of_type(&lines, "episode");
    let whole = recorded.iter().filter(|episode| episode["cut_off"] != true).count();
    ensure!(missing >= 1 && whole >= 2, "{missing} are missing, {whole} are whole");
    ensure!(
        recorded.len() as u64 + missing == ooms as u64,
        "{missing} are missing, {} are there, of {ooms}",
        recorded.len()
    );
    let last = recorded.last().context("one is recorded")?;
    ensure!(**last == ended.episodes[ooms - 1].json, "the last one is {last}");
    ensure!(of_type(&lines, "end").len() == 1, "there is no end");
    Ok(())
}

/// The file is removed, then its directory.
fn removed(stage: &Stage, cgroup: &Cgroup, small: &Small) -> Result<()> {
    let (directory, _) = small.at("directory")?;
    fs::create_dir(&directory).context("failed to make a directory")?;
    let (path, file) = small.at("directory/removed.oomtrace")?;
    let watch = stage.watch(&["-o", &file])?;
    let mut mark = Mark::default();
    oom(&watch, &mut mark, cgroup)?;
    fs::remove_file(&path).context("failed to remove the file")?;
    oom(&watch, &mut mark, cgroup)?;
    said(&watch, "the file was removed; the recording goes on in a new one")?;
    fs::remove_dir_all(&directory).context("failed to remove the directory")?;
    oom(&watch, &mut mark, cgroup)?;
    said(&watch, "recording is interrupted: No such file or directory")?;
    fs::create_dir(&directory).context("failed to make a directory")?;
    let last = oom(&watch, &mut mark, cgroup)?;
    let ended = watch.end_json(4)?;
    ensure!(ended.episodes.len() == 4, "{} episodes of 4 were shown", ended.episodes.len());
    let lines = replay(stage, &file, 4)?;
    let gap = of_type(&lines, "gap").into_iter().next().context("there is no gap")?;
    ensure!(gap["cause"] == "target", "{gap}");
    let recorded = of_type(&lines, "episode");
    ensure!(recorded.last().is_some_and(|found| **found == last.json), "{recorded:?}");
    Ok(())
}

/// A second recorder on the same file.
fn locked(stage: &Stage, small: &Small) -> Result<()> {
    let (_, file) = small.at("locked.oomtrace")?;
    let watch = stage.watch(&["-o", &file])?;
    let second = Launch::of(OOMTRACE).args(&["watch", "--attach", &stage.flavour().to_string(), "-o", &file]);
    let second = stage.follow(second)?.wait()?;
    ensure!(
        second.code == Some(1) && second.stderr.contains("another recorder is writing this file"),
        "the second one ended with code {:?}: {}",
        second.code,
        second.stderr
    );
    watch.end_json(0)?;
    replay(stage, &file, 0)?;
    Ok(())
}

/// One OOM, until it is shown.
pub(super) fn oom(watch: &Watch, mark: &mut Mark, cgroup: &Cgroup) -> Result<Episode> {
    let mut hog = Launch::guest("hog")?.inside(cgroup).start()?;
    hog.wait()?;
    let mut found = watch.await_more(mark, "one for each OOM", 1, |episode| episode.outcome == "killed")?;
    found.pop().context("one was waited for")
}

pub(super) fn said(watch: &Watch, words: &str) -> Result<()> {
    let found = watch.stderr.wait_for(PATIENCE, |bytes| {
        bytes.windows(words.len()).any(|window| window == words.as_bytes()).then_some(())
    });
    found.with_context(|| format!("it did not say `{words}`, but: {}", watch.stderr.text()))
}

pub(super) fn replay(stage: &Stage, file: &str, code: i32) -> Result<Vec<Value>> {
    let replay = stage.follow(Launch::of(OOMTRACE).args(&["replay", "--json", file]))?.wait()?;
    ensure!(replay.code == Some(code), "replay ended with code {:?}: {}", replay.code, replay.stderr);
    let lines = replay.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).context("a line of a replay is no JSON")).collect()
}

pub(super) fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}
