//! A capture by root, and by somebody who has nothing but the recommended capabilities: it gives up all of them on all threads, gains
//! nothing by exec, may make few system calls, and captures and records as before, names of call paths and counters of losses included.

use anyhow::{Context as _, Result, ensure};
use rustix::thread::CapabilitySet;
use serde_json::Value;

use super::common::{MIB, only_episode, waiting_hog};
use super::replay_identical::Scratch;
use crate::harness::call_path;
use crate::harness::cgroup::Cgroup;
use crate::harness::credentials::{Left, RECOMMENDED};
use crate::harness::process::Launch;
use crate::harness::release;
use crate::harness::stage::{Flavour, OOMTRACE, Stage};
use crate::harness::sysctl::Sysctl;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // Debian's kernels take CAP_SYS_ADMIN for any perf event by default.
    let _perf = Sysctl::set("kernel/perf_event_paranoid", "2")?;
    for (who, launch) in
        [("root", Launch::of(OOMTRACE)), ("nobody", Launch::of(OOMTRACE).as_nobody_with(RECOMMENDED))]
    {
        captures(stage, launch).with_context(|| format!("as {who}"))?;
    }
    let refused = stage.logged("type=1326")?;
    ensure!(refused.is_empty(), "system calls were refused: {refused:#?}");
    told(stage)
}

fn captures(stage: &Stage, launch: Launch) -> Result<()> {
    let flavour = stage.flavour();
    let cgroup = Cgroup::new("sandboxed")?;
    let file = Scratch::new("sandboxed.session")?;
    let mut hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(4 * MIB)?;
    let reports = stage.reports()?.reports.len();
    let launch = launch.args(&["watch", "--json", "--stats", "--attach", &flavour.to_string()]);
    let watch = stage.follow(launch.args(&["-o", file.text()?]))?;
    watch.await_ready()?;

    let banner = watch.stderr.text();
    ensure!(banner.contains("protected, confined"), "it does not say that it is guarded: {banner}");
    let adj = std::fs::read_to_string(format!("/proc/{}/oom_score_adj", watch.pid()))?;
    ensure!(adj.trim() == "-1000", "its oom_score_adj is {adj}");
    let left = Left::to(watch.pid())?;
    ensure!(left.no_new_privileges && left.filtered, "it is not confined: {left:?}");
    ensure!(left.capabilities == kept()?, "it has kept capabilities: {left:?}");
    // Only root may take from the bound.
    ensure!(left.bound.is_empty() || left.bound.contains(RECOMMENDED), "half a bound: {left:?}");

    hog.go()?;
    watch.await_episode("of the cgroup", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;
    let episode = only_episode(&lines)?;
    ensure!(episode.victim_pids() == [hog.pid()], "victims {:?}", episode.victim_pids());
    let missing: Vec<&Value> = lines.session["hooks"]
        .as_array()
        .context("there are no hooks")?
        .iter()
        .filter(|hook| !hook["missing"].is_null() && hook["kind"] != "none")
        .collect();
    ensure!(missing.is_empty(), "it has not hooked all: {missing:?}");
    if flavour != Flavour::Log {
        let reports = stage.reports()?.reports.split_off(reports);
        let report = reports.iter().find(|report| report.is_of(cgroup.path())).context("no report")?;
        call_path::compared(episode, &report.details, flavour)?;
        ensure!(!episode.json["memory"].is_null(), "the machine's memory was not captured");
    }
    // What programs lost is read at the end.
    let told = stage.follow(Launch::of(OOMTRACE).args(&["info", "--json", file.text()?]))?.wait()?;
    let told: Value = serde_json::from_slice(&told.stdout).context("info printed no JSON")?;
    ensure!(told["episodes"] == 1, "what was recorded: {told}");
    Ok(())
}

/// What may be left: before Linux 5.19, reading the counters of losses takes a capability where unprivileged bpf(2) is off.
fn kept() -> Result<CapabilitySet> {
    let off = std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled");
    let off = off.is_ok_and(|value| value.trim() != "0");
    Ok(if off && release::is_before(5, 19)? { CapabilitySet::BPF } else { CapabilitySet::empty() })
}

/// When it is told to, it keeps what it has, and says so.
fn told(stage: &Stage) -> Result<()> {
    let watch = stage.watch(&["--no-sandbox"])?;
    let left = Left::to(watch.pid())?;
    ensure!(!left.no_new_privileges && !left.filtered && left.capabilities.contains(RECOMMENDED), "{left:?}");
    ensure!(watch.stderr.text().contains("not confined"), "it says {}", watch.stderr.text());
    watch.end_json(0)?.lossless()
}
