//! `guest record-corpus DIR`: a small real session of each kind, for the corpus and the bundled demo.
//!
//! Nothing is compared here; the scenarios prove that what is recorded is right.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, mount};
use rustix::process::Signal;

use super::common::{MIB, crowd, waiting_hog};
use crate::harness::cgroup::Cgroup;
use crate::harness::process::{Launch, Running};
use crate::harness::stage::OOMTRACE;
use crate::harness::sysctl::Sysctl;
use crate::harness::watch::Watch;
use crate::programs::Arguments;

/// Makes the OOM happen, and returns when its victim is gone.
type Happen = Box<dyn FnOnce() -> Result<()>>;
/// Sets everything up.
type Prepare = fn() -> Result<Happen>;

const KINDS: &[(&str, Prepare)] = &[
    ("memcg", memcg),
    ("global", global),
    ("group-kill", group_kill),
    ("shared-mm", shared_mm),
    ("exited-leader", exited_leader),
    ("allocating-task", allocating_task),
    ("sysrq", sysrq),
    ("none-killable", none_killable),
    ("aborted-scans", aborted_scans),
    ("names", names),
];

/// Records all kinds, or those that are named: `DIR [--attach fentry|kprobe] [--only KIND]`.
pub fn main(mut arguments: Arguments) -> Result<ExitCode> {
    let attach: String = arguments.option("--attach")?.unwrap_or_else(|| "auto".to_owned());
    let only: Option<String> = arguments.option("--only")?;
    let directory: PathBuf = arguments.next("DIR")?;
    arguments.end()?;
    std::fs::create_dir_all(&directory).with_context(|| format!("failed to make {}", directory.display()))?;
    std::fs::write("/proc/self/oom_score_adj", "-1000").context("failed to protect the harness")?;
    let _quiet = Sysctl::set("kernel/printk", "1 4 1 7")?;
    for (name, prepare) in KINDS.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
        let file = directory.join(format!("{name}.oomtrace"));
        record(&file, &attach, *prepare).with_context(|| format!("failed to record {name}"))?;
        println!("{} {} bytes", file.display(), std::fs::metadata(&file)?.len());
    }
    Ok(ExitCode::SUCCESS)
}

fn record(file: &Path, attach: &str, prepare: Prepare) -> Result<()> {
    let happen = prepare()?;
    let record = Watch::start(Launch::of(OOMTRACE).args(&["record", "--attach", attach, "-o"]).arg(file))?;
    record.await_ready()?;
    happen()?;
    let finished = record.end(Signal::INT)?;
    ensure!(finished.code == Some(0), "oomtrace ended with code {:?}: {}", finished.code, finished.stderr);
    Ok(())
}

/// Lets `hog` go until it is killed; what else is kept lives until then.
fn until_killed(mut hog: Running, kept: impl Sized + 'static) -> Happen {
    Box::new(move || {
        hog.go()?;
        hog.wait()?;
        drop(kept);
        Ok(())
    })
}

fn memcg() -> Result<Happen> {
    let outer = Cgroup::new("shop")?;
    let cgroup = outer.child("checkout")?;
    let crowd = crowd(&cgroup, 12)?;
    let hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(24 * MIB)?;
    Ok(until_killed(hog, (crowd, cgroup, outer)))
}

fn global() -> Result<Happen> {
    let cgroup = Cgroup::new("batch")?;
    let crowd = crowd(&cgroup, 12)?;
    let hog = waiting_hog(&cgroup)?;
    Ok(until_killed(hog, (crowd, cgroup)))
}

fn group_kill() -> Result<Happen> {
    let cgroup = Cgroup::new("pod")?;
    cgroup.write("memory.oom.group", "1")?;
    let idle = || anyhow::Ok(Launch::guest("hog")?.args(&["--hold", "512"]).inside(&cgroup).start_ready()?.0);
    let members = [idle()?, idle()?, idle()?];
    let hog = waiting_hog(&cgroup)?;
    cgroup.limit_above_usage(8 * MIB)?;
    Ok(until_killed(hog, (members, cgroup)))
}

fn shared_mm() -> Result<Happen> {
    let cgroup = Cgroup::new("shared")?;
    let (hog, _) = Launch::guest("share-mm")?.args(&["--adj", "500"]).inside(&cgroup).start_ready()?;
    cgroup.limit_above_usage(8 * MIB)?;
    Ok(until_killed(hog, cgroup))
}

fn exited_leader() -> Result<Happen> {
    let cgroup = Cgroup::new("leaderless")?;
    let (hog, _) = Launch::guest("exit-leader")?.args(&["--adj", "500"]).inside(&cgroup).start_ready()?;
    cgroup.limit_above_usage(8 * MIB)?;
    Ok(until_killed(hog, cgroup))
}

fn allocating_task() -> Result<Happen> {
    let cgroup = Cgroup::new("batch")?;
    let hog = waiting_hog(&cgroup)?;
    let setting = Sysctl::set("vm/oom_kill_allocating_task", "1")?;
    Ok(until_killed(hog, (setting, cgroup)))
}

fn sysrq() -> Result<Happen> {
    let cgroup = Cgroup::new("batch")?;
    let (mut fat, _) =
        Launch::guest("hog")?.args(&["--hold", "20000", "--adj", "1000"]).inside(&cgroup).start_ready()?;
    Ok(Box::new(move || {
        std::fs::write("/proc/sysrq-trigger", "f").context("failed to ask for an OOM kill by sysrq")?;
        fat.wait()?;
        drop(cgroup);
        Ok(())
    }))
}

fn none_killable() -> Result<Happen> {
    let directory = "/run-corpus";
    std::fs::create_dir_all(directory)?;
    mount("tmpfs", directory, "tmpfs", MountFlags::empty(), None).context("failed to mount a tmpfs")?;
    let cgroup = Cgroup::new("protected")?;
    let (idle, _) = Launch::guest("idle")?.args(&["4", "--adj", "-1000"]).inside(&cgroup).start_ready()?;
    cgroup.limit_above_usage(4 * MIB)?;
    Ok(Box::new(move || {
        let fill = Launch::guest("fill")?.args(&["--adj", "-1000", "/run-corpus/file", "64"]).inside(&cgroup);
        fill.start_ready()?;
        drop((idle, cgroup));
        Ok(())
    }))
}

fn aborted_scans() -> Result<Happen> {
    let cgroup = Cgroup::new("crowded")?;
    let mut hogs = (0..3).map(|_| waiting_hog(&cgroup)).collect::<Result<Vec<_>>>()?;
    cgroup.limit_above_usage(24 * MIB)?;
    Ok(Box::new(move || {
        for hog in &mut hogs {
            hog.go()?;
        }
        for hog in &mut hogs {
            hog.wait()?;
        }
        drop(cgroup);
        Ok(())
    }))
}

fn names() -> Result<Happen> {
    let cgroup = Cgroup::new("odd names")?;
    let named = |hex: &str| anyhow::Ok(Launch::guest("named")?.arg(hex).inside(&cgroup).start_ready()?.0);
    let sleepers =
        [named("2873642d70616d29")?, named("6e65770a6c696e65")?, named("fffe806c6174696ee9")?, named("-")?];
    let hog = Launch::guest("named")?.args(&["--hog", "--adj", "1000", "62e46420226829"]);
    let (hog, _) = hog.inside(&cgroup).start_ready()?;
    cgroup.limit_above_usage(4 * MIB)?;
    Ok(until_killed(hog, (sleepers, cgroup)))
}
