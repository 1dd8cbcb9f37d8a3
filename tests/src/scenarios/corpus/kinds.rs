//! What happens in each recording of the corpus.

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, kill_process};

use super::super::common::{MIB, crowd, waiting_hog};
use crate::harness::PATIENCE;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::held::Held;
use crate::harness::process::{Launch, Running};
use crate::harness::swap::Swap;
use crate::harness::sysctl::Sysctl;
use crate::oracle::kmsg::KernelLog;
use crate::skip;

/// Makes the OOM happen, and returns when its victim is gone.
type Happen = Box<dyn FnOnce() -> Result<()>>;

/// A recording of the corpus.
pub(super) struct Kind {
    /// Its name.
    pub(super) name: &'static str,
    /// Sets everything up.
    pub(super) prepare: fn() -> Result<Happen>,
    /// How much of the file is kept, as a fraction.
    pub(super) cut: Option<(usize, usize)>,
}

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    Kind { name: "memcg", prepare: memcg, cut: None },
    Kind { name: "parent-limit", prepare: parent_limit, cut: None },
    Kind { name: "global", prepare: global, cut: None },
    Kind { name: "group-kill", prepare: group_kill, cut: None },
    Kind { name: "shared-mm", prepare: shared_mm, cut: None },
    Kind { name: "exited-leader", prepare: exited_leader, cut: None },
    Kind { name: "allocating-task", prepare: allocating_task, cut: None },
    Kind { name: "sysrq", prepare: sysrq, cut: None },
    Kind { name: "swap", prepare: swap, cut: None },
    Kind { name: "none-killable", prepare: none_killable, cut: None },
    Kind { name: "aborted-scans", prepare: aborted_scans, cut: None },
    Kind { name: "already-exiting", prepare: already_exiting, cut: None },
    Kind { name: "reaped", prepare: reaped, cut: None },
    Kind { name: "names", prepare: names, cut: None },
    Kind { name: "cut-off", prepare: aborted_scans, cut: Some((4, 5)) },
];

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

fn parent_limit() -> Result<Happen> {
    let grandparent = Cgroup::new("kubepods.slice")?;
    grandparent.hold_for_children()?;
    let parent = grandparent.child("kubepods-burstable.slice")?;
    let pod = parent.child("kubepods-burstable-pod2f6b1c0e_7d0a_4c55_9b3e_0a1d2c3b4e5f.slice")?;
    let scope =
        pod.child("cri-containerd-3f4e5d6c7b8a99887766554433221100ffeeddccbbaa99887766554433221100.scope")?;
    let crowd = crowd(&scope, 6)?;
    let hog = waiting_hog(&scope)?;
    scope.limit(256 * MIB)?;
    grandparent.limit(512 * MIB)?;
    pod.limit_above_usage(16 * MIB)?;
    Ok(until_killed(hog, (crowd, scope, pod, parent, grandparent)))
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

fn swap() -> Result<Happen> {
    if !Swap::is_possible() || Version::of_guest()? == Version::One {
        skip!("needs a disk to swap to and cgroup version 2");
    }
    let swap = Swap::on()?;
    let cgroup = Cgroup::new("swapping")?;
    let crowd = crowd(&cgroup, 12)?;
    let hog = waiting_hog(&cgroup)?;
    let limit = cgroup.limit_above_usage(4 * MIB)?;
    cgroup.limit_with_swap(limit, 4 * MIB)?;
    Ok(until_killed(hog, (crowd, cgroup, swap)))
}

/// The one with the most points is dying already, of something else, when the kernel chooses it.
fn already_exiting() -> Result<Happen> {
    let cgroup = Cgroup::new("dying")?;
    let (dying, _) =
        Launch::guest("hog")?.args(&["--hold", "8192", "--adj", "900"]).inside(&cgroup).start_ready()?;
    let mut hog = waiting_hog(&cgroup)?;
    let held = Held::at_exit(dying.pid())?;
    let pid = Pid::from_raw(dying.pid()).context("a process has an id")?;
    kill_process(pid, Signal::KILL).context("failed to kill a process")?;
    held.await_stop()?;
    // The adjustment of the hog would make it the first.
    std::fs::write(format!("/proc/{}/oom_score_adj", hog.pid()), "0").context("failed to adjust the hog")?;
    cgroup.limit_above_usage(4 * MIB)?;
    Ok(Box::new(move || {
        hog.go()?;
        // When there is a second OOM, the first is over: the dying one has been chosen. Not much longer than that, as everything that
        // the hog tries until then is another scan that ends at the dying one.
        cgroup.await_ooms(2, PATIENCE)?;
        drop(held);
        // The hog grows into the memory that comes free, and is next.
        hog.wait()?;
        drop((dying, cgroup));
        Ok(())
    }))
}

/// A victim that does not get to its end for so long that the reaper takes its memory.
fn reaped() -> Result<Happen> {
    let cgroup = Cgroup::new("stuck")?;
    let mut hog = waiting_hog(&cgroup)?;
    let held = Held::at_exit(hog.pid())?;
    let mut log = KernelLog::from_now()?;
    cgroup.limit_above_usage(8 * MIB)?;
    Ok(Box::new(move || {
        hog.go()?;
        held.await_stop()?;
        log.wait_for("oom_reaper: reaped process", PATIENCE)?;
        drop(held);
        let status = hog.wait()?;
        ensure!(!status.success(), "the victim ended as if nothing had happened");
        drop(cgroup);
        Ok(())
    }))
}
