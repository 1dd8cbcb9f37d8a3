//! A recording replays, without any privilege, to the bytes that `watch` printed live: as JSON and as text.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::common::{MIB, crowd, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("replay_identical")?;
    let _crowd = crowd(&cgroup, 100)?;
    let file = Scratch::new("replay_identical.session")?;
    for json in [true, false] {
        let mut hog = waiting_hog(&cgroup)?;
        cgroup.limit_above_usage(4 * MIB)?;
        let options = ["-o", file.text()?];
        let watch = if json { stage.watch(&options)? } else { stage.watch_text(&options)? };
        hog.go()?;
        hog.wait()?;
        // The text has no marks to wait for; the end of the capture brings what is still open.
        let live = watch.end(Signal::TERM)?;
        ensure!(live.code == Some(0), "oomtrace ended with code {:?}: {}", live.code, live.stderr);
        ensure!(!live.stdout.is_empty(), "the live output is empty");

        file.readable_by_all()?;
        let mut replay = Launch::of(OOMTRACE).args(&["replay", file.text()?]).as_nobody();
        if json {
            replay = replay.arg("--json");
        }
        let replayed = stage.follow(replay)?.wait()?;
        ensure!(replayed.code == Some(0), "replay ended with code {:?}: {}", replayed.code, replayed.stderr);
        same(&live.stdout, &replayed.stdout)?;
        let shown = if json { "\"killed\"" } else { "killed" };
        ensure!(String::from_utf8_lossy(&live.stdout).contains(shown), "the output shows no kill");
        file.remove()?;
    }
    Ok(())
}

/// Fails with the first line that differs.
pub(super) fn same(live: &[u8], replayed: &[u8]) -> Result<()> {
    if live == replayed {
        return Ok(());
    }
    let mut lives = live.split(|byte| *byte == b'\n');
    let mut replays = replayed.split(|byte| *byte == b'\n');
    for number in 1.. {
        let (live, replay) = (lives.next(), replays.next());
        if live != replay {
            let shown = |line: Option<&[u8]>| {
                line.map_or("no line".to_owned(), |line| line.escape_ascii().to_string())
            };
            bail!("line {number} differs\nlive:   {}\nreplay: {}", shown(live), shown(replay));
        }
        if live.is_none() {
            break;
        }
    }
    bail!("the outputs differ")
}

/// A file that is removed when dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// `/tmp/name`, which is not there.
    pub(super) fn new(name: &str) -> Result<Self> {
        std::fs::create_dir_all("/tmp").context("failed to make /tmp")?;
        let new = Self(Path::new("/tmp").join(name));
        new.remove()?;
        Ok(new)
    }

    /// Its path.
    pub(super) fn text(&self) -> Result<&str> {
        self.0.to_str().context("a path of ours is UTF-8")
    }

    /// Removes it, if it is there.
    pub(super) fn remove(&self) -> Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("failed to remove a file")
            }
            _ => Ok(()),
        }
    }

    /// Lets everybody read it.
    pub(super) fn readable_by_all(&self) -> Result<()> {
        self.set_mode(0o644)
    }

    /// Lets everybody write it.
    pub(super) fn writable_by_all(&self) -> Result<()> {
        self.set_mode(0o666)
    }

    fn set_mode(&self, mode: u32) -> Result<()> {
        std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(mode))
            .context("failed to change its mode")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = self.remove();
    }
}
