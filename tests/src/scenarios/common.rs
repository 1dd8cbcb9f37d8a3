//! Pieces that several scenarios are made of.

use anyhow::{Result, ensure};

use crate::harness::cgroup::Cgroup;
use crate::harness::process::{Launch, Running};
use crate::harness::view::Episode;
use crate::harness::watch::Lines;

/// A mebibyte.
pub(super) const MIB: u64 = 1024 * 1024;

/// A hog inside `cgroup` that waits for the word to start. With the highest adjustment it is the first to be killed, whatever
/// else is there.
pub(super) fn waiting_hog(cgroup: &Cgroup) -> Result<Running> {
    let (hog, _) = Launch::guest("hog")?.args(&["--wait", "--adj", "1000"]).inside(cgroup).start_ready()?;
    Ok(hog)
}

/// `count` idle processes and their parent inside `cgroup`, with adjustments over the whole range and all kinds of memory.
pub(super) fn crowd(cgroup: &Cgroup, count: u32) -> Result<Running> {
    let launch = Launch::guest("idle")?.args(&[&count.to_string(), "--adj-random", "7", "--file", "--shmem"]);
    let (crowd, _) = launch.inside(cgroup).start_ready()?;
    Ok(crowd)
}

/// The only episode of `lines`, which lost nothing.
pub(super) fn only_episode(lines: &Lines) -> Result<&Episode> {
    lines.lossless()?;
    let outcomes: Vec<_> =
        lines.episodes.iter().map(|episode| (episode.id, episode.outcome.as_str())).collect();
    ensure!(outcomes.len() == 1, "one episode was expected, not {outcomes:?}");
    Ok(&lines.episodes[0])
}
