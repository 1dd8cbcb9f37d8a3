//! `memory.oom.group`: all that are killed are victims, once each, though the kernel visits the first of them twice.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::common::{MIB, ledger, only_episode, waiting_hog};
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::compare::{self, Basis};
use crate::harness::process::{Launch, Running};
use crate::harness::stage::Stage;
use crate::oracle::counters;
use crate::oracle::formula::PAGE_BYTES;
use crate::skip;

pub(super) fn run(stage: &Stage) -> Result<()> {
    if Version::of_guest()? == Version::One {
        skip!("cgroup version 1 has no memory.oom.group");
    }
    let outer = Cgroup::new("group_kill")?;
    let group = outer.child("doomed")?;
    let neighbour = outer.child("neighbour")?;
    group.write("memory.oom.group", "1")?;
    // No parent and children here: a child that dies with its parent could be gone before the kernel gets to it.
    let mut members = (0..4).map(|_| idle(&group, 0)).collect::<Result<Vec<_>>>()?;
    let protected = idle(&group, -1000)?;
    let untouched = idle(&neighbour, 900)?;
    members.push(waiting_hog(&group)?);
    let totalpages = outer.limit_above_usage(4 * MIB)? / PAGE_BYTES;
    let doomed: BTreeSet<i32> = members.iter().map(Running::pid).collect();
    let kills = counters::oom_kills()?;

    let watch = stage.watch(&[])?;
    if let Some(hog) = members.last_mut() {
        hog.go()?;
    }
    watch.await_episode("of the group", |episode| episode.is_of(outer.path()))?;
    for member in &mut members {
        member.wait()?;
    }
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the group", |report| report.is_of(outer.path()))?;
    ensure!(report.group.as_deref() == Some(group.path()), "the kernel killed the group {:?}", report.group);
    compare::with_report(episode, &report, &Basis::new(totalpages)?)?;
    ensure!(episode.outcome == "group_killed", "outcome {}", episode.outcome);
    let victims = episode.victim_pids();
    ensure!(victims.len() == doomed.len(), "{} victims of {}: {victims:?}", victims.len(), doomed.len());
    ensure!(
        victims.iter().copied().collect::<BTreeSet<_>>() == doomed,
        "victims {victims:?}, members {doomed:?}"
    );
    let why: Vec<_> = episode.victims.iter().map(|victim| victim.why.as_str()).collect();
    ensure!(why == ["chosen", "group", "group", "group", "group"], "the victims are there as {why:?}");
    // The kernel counts its first victim twice.
    ensure!(group.oom_kills()? == 6, "memory.events counts {} kills", group.oom_kills()?);
    ensure!(
        counters::oom_kills()? == kills + 6,
        "/proc/vmstat counts {} kills",
        counters::oom_kills()? - kills
    );
    let told = ledger(&lines.end)?;
    ensure!(
        (told.counted, told.captured, told.processes, told.missed) == (Some(6), 6, 5, Some(0)),
        "{told:?}"
    );
    ensure!(episode.json["oom_group"] == group.path(), "the group is {}", episode.json["oom_group"]);
    ensure!(group.members()? == [protected.pid()], "left in the group: {:?}", group.members()?);
    ensure!(neighbour.members()? == [untouched.pid()], "left beside the group: {:?}", neighbour.members()?);
    Ok(())
}

fn idle(cgroup: &Cgroup, adj: i32) -> Result<Running> {
    let launch = Launch::guest("hog")?.args(&["--hold", "256", "--adj", &adj.to_string()]);
    Ok(launch.inside(cgroup).start_ready()?.0)
}
