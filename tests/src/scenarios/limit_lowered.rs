//! A limit lowered below what is used: the trigger is the one who writes it, outside the cgroup, and not a candidate.

use anyhow::{Result, ensure};

use super::common::MIB;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::compare::{self, Basis};
use crate::harness::process::{Launch, Running};
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;
use crate::skip;

pub(super) fn run(stage: &Stage) -> Result<()> {
    if Version::of_guest()? == Version::One {
        skip!("a limit of cgroup version 1 cannot be lowered below what is used");
    }
    let cgroup = Cgroup::new("limit_lowered")?;
    let mut fat = holding(&cgroup, 8192, 1000)?;
    let _thin = holding(&cgroup, 512, 0)?;
    let watch = stage.watch(&[])?;
    // The write only returns when the usage is below it.
    let limit = 4 * MIB;
    cgroup.limit(limit)?;
    fat.wait()?;
    watch.await_episode("of the lowered limit", |episode| episode.is_of(cgroup.path()))?;
    let lines = watch.end_json(0)?;

    lines.lossless()?;

    // The write does not wait for a victim's memory to come back: now and then it kills the thin one as well.
    let reports: Vec<_> =
        stage.reports()?.reports.into_iter().filter(|report| !report.kills.is_empty()).collect();
    let mut kills: Vec<_> = lines.episodes.iter().filter(|episode| episode.outcome == "killed").collect();
    // Episodes come in the order in which they are over; reports in that of the kills.
    kills.sort_by_key(|episode| episode.id);
    ensure!(kills.len() == reports.len(), "{} kills, and {} by the kernel", kills.len(), reports.len());
    let harness = std::process::id().cast_signed();
    for (episode, report) in kills.iter().zip(&reports) {
        compare::with_report(episode, report, &Basis::new(limit / PAGE_BYTES)?)?;
        let trigger = episode.trigger()?;
        ensure!(trigger.pid == harness, "the trigger is {trigger:?}, not the harness {harness}");
        ensure!(trigger.cgroup.as_deref() == Some(b"/"), "the trigger's cgroup is {:?}", trigger.cgroup);
        ensure!(episode.candidate(harness).is_none(), "the harness is a candidate");
    }
    ensure!(kills[0].victim_pids() == [fat.pid()], "victims {:?}", kills[0].victim_pids());
    ensure!(
        cgroup.oom_kills()? == u64::try_from(kills.len())?,
        "memory.events counts {} kills",
        cgroup.oom_kills()?
    );
    Ok(())
}

fn holding(cgroup: &Cgroup, kb: u32, adj: i32) -> Result<Running> {
    let launch = Launch::guest("hog")?.args(&["--hold", &kb.to_string(), "--adj", &adj.to_string()]);
    Ok(launch.inside(cgroup).start_ready()?.0)
}
