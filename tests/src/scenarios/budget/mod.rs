//! What a capture costs, held to a committed table (`budgets.txt`) in counts that do not depend on how fast the machine is:
//! instructions that the verifier looks at for each program, wake-ups of the collector for an episode, resident memory when
//! ready, and, where the guest's clock is its instruction counter, instructions of a scan for each candidate.
//!
//! A figure may differ from the table by [`table::MARGIN`]; what got cheaper by more than that belongs into the table too.

mod table;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::common::{MIB, crowd, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::stage::Stage;
use crate::harness::switches::Switches;
use crate::harness::view::need;
use crate::harness::watch::{Mark, Watch};
use table::Figures;

/// Episodes whose wake-ups are counted.
const EPISODES: u64 = 5;
/// Candidates of a scan whose instructions are counted, besides a few.
const CROWD: u32 = 300;

/// Verifier, wake-ups, memory: in any guest.
pub(super) fn counts(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("budget")?;
    let _crowd = crowd(&cgroup, 10)?;
    let watch = stage.watch(&["--stats"])?;
    let mut figures = Figures::default();
    figures.add("resident_kb_when_ready", resident_kb(&watch)?);
    let before = Switches::of(watch.pid())?;
    let mut mark = Mark::default();
    for _ in 0..EPISODES {
        let mut hog = waiting_hog(&cgroup)?;
        cgroup.limit_above_usage(2 * MIB)?;
        hog.go()?;
        watch.await_more(&mut mark, "one after the other", 1, |episode| episode.is_of(cgroup.path()))?;
        hog.wait()?;
    }
    let switches = Switches::of(watch.pid())?.since(before);
    let lines = watch.end_json(0)?;
    lines.lossless()?;
    let episodes = u64::try_from(lines.episodes.len())?;
    let stats = need(&lines.end, "stats")?;
    let wake_ups = stats["collector"]["wake_ups"].as_u64().context("wake_ups is no number")?;
    // By its own count, and by the kernel's: it may also have waited for something else.
    println!("  {episodes} episodes: {wake_ups} wake-ups, {switches:?}");
    ensure!(
        switches.voluntary <= episodes * WAKE_UPS_OF_AN_EPISODE,
        "{switches:?} for {episodes} episodes; at most {WAKE_UPS_OF_AN_EPISODE} sleeps for each are stated"
    );
    for program in need(stats, "programs")?.as_array().context("programs is no list")? {
        let name = program["name"].as_str().context("a program has no name")?;
        // Before 5.16 the kernel does not tell.
        if let Some(verified) = program["verified_instructions"].as_u64() {
            figures.add(&format!("verified/{name}"), verified);
        }
    }
    figures.compare(stage)
}

/// Sleeps of the collector for one small episode, at most: the end of the pass wakes it, and so do the end of the victim and the
/// release of its memory, unless they come while it is still at work.
const WAKE_UPS_OF_AN_EPISODE: u64 = 3;

/// The scan, in a guest whose clock is its instruction counter.
pub(super) fn instructions(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("instructions")?;
    let _crowd = crowd(&cgroup, CROWD)?;
    let watch = stage.watch(&[])?;
    let mut each = Vec::new();
    let mut mark = Mark::default();
    // The first one warms the guest's caches of translated code up, which costs no instructions, and the kernel's, which does.
    for _ in 0..3 {
        let mut hog = waiting_hog(&cgroup)?;
        cgroup.limit_above_usage(2 * MIB)?;
        hog.go()?;
        let found =
            watch.await_more(&mut mark, "one after the other", 1, |episode| episode.is_of(cgroup.path()))?;
        hog.wait()?;
        let episode = found.first().context("one was asked for")?;
        each.push(of_scan(&episode.json)?);
    }
    watch.end_json(0)?.lossless()?;
    each.sort_unstable();
    let mut figures = Figures::default();
    figures.add("scan_instructions_per_candidate", each[each.len() / 2]);
    figures.compare(stage)
}

/// Nanoseconds, which here are instructions, from the first candidate to the end of the scan, for each of the others.
fn of_scan(episode: &Value) -> Result<u64> {
    let at = |key: &str| episode["scan"][key].as_u64().with_context(|| format!("scan.{key} is no number"));
    let evaluated = episode["evaluated"].as_u64().context("evaluated is no number")?;
    ensure!(evaluated > u64::from(CROWD), "only {evaluated} were evaluated");
    Ok((at("last_ns")? - at("first_ns")?) / (evaluated - 1))
}

fn resident_kb(watch: &Watch) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", watch.pid()))
        .context("failed to read oomtrace's status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("there is no VmRSS")?;
    line.trim().trim_end_matches("kB").trim().parse().context("VmRSS is no number")
}
