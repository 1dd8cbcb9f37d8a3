//! Two processes with one mm: the kernel kills both and logs one; both are victims.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, ledger, only_episode};
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("shared_mm")?;
    let (mut first, second) =
        Launch::guest("share-mm")?.args(&["--adj", "500"]).inside(&cgroup).start_ready()?;
    let second: i32 = second.parse().context("share-mm said no process id")?;
    // A third, which shares nothing and has to survive.
    let (third, _) = Launch::guest("hog")?.args(&["--hold", "512"]).inside(&cgroup).start_ready()?;
    let totalpages = cgroup.limit_above_usage(4 * MIB)? / PAGE_BYTES;
    let watch = stage.watch(&[])?;
    first.go()?;
    watch.await_episode("of the two", |episode| episode.is_of(cgroup.path()))?;
    first.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the two", |report| report.is_of(cgroup.path()))?;
    compare::with_report(episode, &report, &Basis::new(totalpages)?)?;
    ensure!(report.kills.len() == 1, "the kernel logged {} kills", report.kills.len());
    let mut victims = episode.victim_pids();
    victims.sort_unstable();
    ensure!(victims == [first.pid(), second], "victims {victims:?}, not {} and {second}", first.pid());
    let why: Vec<_> = episode.victims.iter().map(|victim| victim.why.as_str()).collect();
    ensure!(why == ["chosen", "shared_mm"], "the victims are there as {why:?}");
    // One of them is in no line of the log and in no counter.
    let told = ledger(&lines.end)?;
    ensure!(
        (told.counted, told.captured, told.missed, told.shared_mm) == (Some(1), 1, Some(0), 1),
        "{told:?}"
    );
    ensure!(cgroup.oom_kills()? == 1, "memory.events counts {} kills", cgroup.oom_kills()?);
    ensure!(cgroup.members()? == [third.pid()], "left in the cgroup: {:?}", cgroup.members()?);
    Ok(())
}
