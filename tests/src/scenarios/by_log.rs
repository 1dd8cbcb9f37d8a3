//! The `log` flavour: what the kernel logs, joined with what tracepoints tell.
//!
//! The reference is the harness's own reader of the same log, which shares no code with oomtrace's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::common::{MIB, ballast, crowd, only_episode, waiting_hog};
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::process::{Launch, Running};
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::sysctl::Sysctl;
use crate::harness::view::{Candidate, Episode};
use crate::oracle::formula::{self, PAGE_BYTES};
use crate::oracle::kmsg::KernelLog;
use crate::oracle::report::Report;
use crate::oracle::{counters, kmsg};
use crate::skip;

/// A memcg OOM: limits, every candidate of the kernel's table, the victim with its mark and its exit.
pub(super) fn memcg(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("log_memcg")?;
    let _crowd = crowd(&cgroup, 200)?;
    let mut hog = waiting_hog(&cgroup)?;
    let limit = cgroup.limit_above_usage(8 * MIB)?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the memcg", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    let report = stage.report("of the memcg", |report| report.is_of(cgroup.path()))?;
    ensure!(report.rows.len() == 202, "the kernel's table has {} rows", report.rows.len());
    as_reported(episode, &report, limit / PAGE_BYTES)?;
    killed(episode, &hog)?;
    let level = &episode.json["memcg"]["chain"][0];
    ensure!(level["max_pages"].as_u64() == Some(limit / PAGE_BYTES), "the limit is {}", level["max_pages"]);
    ensure!(level["usage_pages"].as_u64().is_some(), "the usage is not known");
    Ok(())
}

/// An OOM of the whole machine.
pub(super) fn global(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("log_global")?;
    let _crowd = crowd(&cgroup, 50)?;
    let mut hog = waiting_hog(&cgroup)?;
    let _ballast = ballast()?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the whole machine", |episode| episode.memcg.is_none())?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    ensure!(episode.string("scope")? == "global", "scope {}", episode.string("scope")?);
    let report = stage.report("of the whole machine", |report| report.summary.is_some())?;
    as_reported(episode, &report, counters::total_pages()?)?;
    killed(episode, &hog)
}

/// `memory.oom.group`: all its victims, with their exits.
pub(super) fn group_kill(stage: &Stage) -> Result<()> {
    if Version::of_guest()? == Version::One {
        skip!("cgroup version 1 has no memory.oom.group");
    }
    let cgroup = Cgroup::new("log_group")?;
    cgroup.write("memory.oom.group", "1")?;
    let mut members = Vec::new();
    for _ in 0..4 {
        members.push(Launch::guest("hog")?.args(&["--hold", "256"]).inside(&cgroup).start_ready()?.0);
    }
    members.push(waiting_hog(&cgroup)?);
    cgroup.limit_above_usage(4 * MIB)?;
    let doomed: BTreeSet<i32> = members.iter().map(Running::pid).collect();
    let watch = stage.watch(&[])?;
    if let Some(hog) = members.last_mut() {
        hog.go()?;
    }
    watch.await_episode("of the group", |episode| episode.is_of(cgroup.path()))?;
    for member in &mut members {
        member.wait()?;
    }
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    ensure!(episode.outcome == "group_killed", "outcome {}", episode.outcome);
    let victims: BTreeSet<i32> = episode.victim_pids().into_iter().collect();
    ensure!(victims == doomed, "victims {victims:?}, members {doomed:?}");
    ensure!(episode.json["oom_group"] == cgroup.path(), "the group is {}", episode.json["oom_group"]);
    let unseen = episode.victims.iter().filter(|victim| victim.exited_boot_ns.is_none()).count();
    ensure!(unseen == 0, "{unseen} exits are not known");
    Ok(())
}

/// Two OOMs at the same time: each has its own victim, mark and exit.
pub(super) fn two_at_once(stage: &Stage) -> Result<()> {
    let cgroups = [Cgroup::new("log_one")?, Cgroup::new("log_two")?];
    let mut hogs = Vec::new();
    for cgroup in &cgroups {
        hogs.push(waiting_hog(cgroup)?);
        cgroup.limit_above_usage(4 * MIB)?;
    }
    let watch = stage.watch(&[])?;
    for hog in &mut hogs {
        hog.go()?;
    }
    watch.await_episodes("one each", 2, |episode| episode.memcg.is_some())?;
    for hog in &mut hogs {
        hog.wait()?;
    }
    let lines = watch.end_json(0)?;
    lines.lossless()?;
    ensure!(lines.episodes.len() == 2, "{} episodes of two kills", lines.episodes.len());
    for (cgroup, hog) in cgroups.iter().zip(&hogs) {
        let episodes = lines.of(cgroup.path());
        ensure!(episodes.len() == 1, "{} episodes of {}", episodes.len(), cgroup.path());
        killed(episodes[0], hog)?;
    }
    Ok(())
}

/// `vm.oom_dump_tasks=0`: nobody but the chosen one is known, which is said.
pub(super) fn without_tables(stage: &Stage) -> Result<()> {
    let _setting = Sysctl::set("vm/oom_dump_tasks", "0")?;
    let cgroup = Cgroup::new("log_no_table")?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the memcg", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let said = watch.stderr.text();
    let lines = watch.end_json(0)?;
    ensure!(said.contains("oom_dump_tasks"), "nothing is said of the missing table: {said}");
    let episode = only_episode(&lines)?;
    killed(episode, &hog)?;
    let others = episode.candidates.iter().filter(|candidate| candidate.task.pid != hog.pid()).count();
    ensure!(others == 0, "{others} candidates that no table has");
    ensure!(episode.candidates.iter().all(|candidate| candidate.points.is_none()), "points out of nothing");
    Ok(())
}

/// Without tracefs (and BTF, and debugfs with the scheduler's clock) there is the log alone: said, and the kill is shown without an exit.
pub(super) fn alone(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("log_alone")?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    let launch = Launch::of(OOMTRACE).args(&["watch", "--json", "--attach", "log"]).hiding("/sys/kernel");
    let watch = stage.follow(launch)?;
    watch.await_ready()?;
    hog.go()?;
    watch.await_episode("of the memcg", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let said = watch.stderr.text();
    let lines = watch.end_json(0)?;
    ensure!(said.contains("log alone") && said.contains("tracefs"), "it does not say so: {said}");
    let episode = only_episode(&lines)?;
    ensure!(episode.outcome == "killed", "outcome {}", episode.outcome);
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    ensure!(episode.victims[0].exited_boot_ns.is_none(), "an exit that nobody could see");
    Ok(())
}

/// Records that the kernel overwrote are counted to the last one, and a kill whose report is among them is told by its mark.
pub(super) fn overwritten(stage: &Stage) -> Result<()> {
    let _unlimited = Sysctl::set("kernel/printk_devkmsg", "on\n")?;
    let (first, second) = (Cgroup::new("log_read")?, Cgroup::new("log_overwritten")?);
    let mut hogs = Vec::new();
    for cgroup in [&first, &second] {
        hogs.push(waiting_hog(cgroup)?);
        cgroup.limit_above_usage(4 * MIB)?;
    }
    let watch = stage.watch(&[])?;
    // Once this one is shown, the log has been read to its end.
    let mut log = KernelLog::from_now()?;
    hogs[0].go()?;
    watch.await_episode("that can be read", |episode| episode.is_of(first.path()))?;
    hogs[0].wait()?;
    let newest = log.records()?.last().map(|record| record.sequence).context("nothing was logged")?;
    watch.signal(Signal::STOP)?;
    hogs[1].go()?;
    hogs[1].wait()?;
    flood()?;
    let oldest = kmsg::oldest()?;
    ensure!(oldest > newest + 1, "the log has room for all of it");
    watch.signal(Signal::CONT)?;
    let victim = hogs[1].pid();
    watch.await_episode("that was overwritten", |episode| episode.victim_pids() == [victim])?;
    let lines = watch.end_json(4)?;
    let episode =
        lines.episodes.iter().find(|episode| episode.victim_pids() == [victim]).context("it is gone")?;
    ensure!(episode.outcome == "incomplete", "outcome {}", episode.outcome);
    ensure!(episode.victims[0].exited_boot_ns.is_some(), "the victim's exit is not known");
    let lost = lines.end["lost"]["log_records"].as_u64();
    ensure!(lost == Some(oldest - newest - 1), "{lost:?} lost records, and {} are gone", oldest - newest - 1);
    Ok(())
}

/// Where functions cannot be hooked `auto` goes by the log, and says why.
pub(super) fn auto(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("log_auto")?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    let watch = stage.follow(Launch::of(OOMTRACE).args(&["watch", "--json"]).hiding("/sys/kernel/btf"))?;
    watch.await_ready()?;
    hog.go()?;
    watch.await_episode("of the memcg", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let said = watch.stderr.text();
    let lines = watch.end_json(0)?;
    for word in ["BTF", "--btf", "kernel's log"] {
        ensure!(said.contains(word), "it does not mention {word}: {said}");
    }
    let episode = only_episode(&lines)?;
    ensure!(episode.string("source")? == "log", "source {}", episode.string("source")?);
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    Ok(())
}

/// Writes to the log what it has no room for.
fn flood() -> Result<()> {
    use std::io::Write as _;
    let mut line = String::new();
    for _ in 0..90 {
        write!(line, "flooding ")?;
    }
    let mut log =
        std::fs::OpenOptions::new().write(true).open("/dev/kmsg").context("failed to open /dev/kmsg")?;
    // A record a write: 4 MB and more.
    for _ in 0..5_000 {
        log.write_all(line.as_bytes()).context("failed to write to /dev/kmsg")?;
    }
    Ok(())
}

/// The hog was killed, and nobody else; its mark and its exit are there, in this order.
fn killed(episode: &Episode, hog: &Running) -> Result<()> {
    ensure!(episode.string("source")? == "log", "source {}", episode.string("source")?);
    ensure!(episode.outcome == "killed", "outcome {}", episode.outcome);
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    let victim = &episode.json["victims"][0];
    let (marked, exited) = (victim["marked_boot_ns"].as_u64(), victim["exited_boot_ns"].as_u64());
    ensure!(marked.is_some() && marked < exited, "marked at {marked:?}, gone at {exited:?}");
    let began = episode.json["boot_ns"].as_u64();
    ensure!(began.is_some() && began <= marked, "the report begins at {began:?}, the mark is of {marked:?}");
    Ok(())
}

/// Every row is a candidate with all its numbers, and every candidate has a row; points are those of the formula.
fn as_reported(episode: &Episode, report: &Report, totalpages: u64) -> Result<()> {
    let total = episode.number("totalpages")?;
    ensure!(total == Some(totalpages.cast_signed()), "totalpages {total:?}, not {totalpages}");
    ensure!(
        episode.candidates.len() == report.rows.len(),
        "{} candidates of {} rows",
        episode.candidates.len(),
        report.rows.len()
    );
    for row in &report.rows {
        let candidate =
            episode.candidate(row.tgid).with_context(|| format!("{} is no candidate", row.tgid))?;
        let ours = numbers(candidate, resident(episode, row.tgid));
        let kernels = [
            Some(row.tid.into()),
            Some(row.uid.into()),
            Some(row.oom_score_adj.into()),
            Some(row.total_vm),
            Some(row.rss),
            Some(row.swapents),
            Some(row.pgtables_bytes),
            formula::points(row, totalpages),
        ];
        ensure!(ours == kernels, "{}: {ours:?}, and {kernels:?} by the kernel", row.tgid);
        ensure!(
            candidate.task.comm == row.name,
            "{} is called {}",
            row.tgid,
            candidate.task.comm.escape_ascii()
        );
        if let Some(parts) = row.parts {
            let ours = (candidate.memory.anon, candidate.memory.file, candidate.memory.shmem);
            ensure!(
                ours == (Some(parts.anon), Some(parts.file), Some(parts.shmem)),
                "{}: {ours:?}",
                row.tgid
            );
        }
    }
    ensure!(episode.victim_pids() == report.killed(), "victims {:?}", episode.victim_pids());
    Ok(())
}

/// `rss_pages` of a candidate, which every kernel's table has.
fn resident(episode: &Episode, pid: i32) -> Option<i64> {
    let candidates = episode.json["candidates"].as_array()?;
    candidates.iter().find(|candidate| candidate["pid"] == pid)?["rss_pages"].as_i64()
}

fn numbers(candidate: &Candidate, rss: Option<i64>) -> [Option<i64>; 8] {
    [
        Some(candidate.task.tid.into()),
        candidate.task.uid,
        candidate.task.oom_score_adj,
        candidate.total_vm_pages,
        rss,
        candidate.memory.swap,
        candidate.memory.pgtables_bytes,
        candidate.points,
    ]
}
