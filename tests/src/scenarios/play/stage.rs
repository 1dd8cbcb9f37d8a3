//! A case made real: its cgroups and processes, then its OOM.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::spec::{Member, Spec, Trigger, comm};
use crate::harness::PATIENCE;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::process::{Launch, Running};
use crate::harness::swap::Swap;
use crate::harness::sysctl::Sysctl;
use crate::oracle::counters;
use crate::oracle::formula::PAGE_BYTES;
use crate::oracle::kmsg::KernelLog;
use crate::scenarios::common::{ballast, mapped_file};
use crate::skip;

/// What the guest offers.
#[derive(Debug)]
pub(in crate::scenarios) struct Machine {
    /// Major and minor number of the release.
    pub(in crate::scenarios) release: (u32, u32),
    /// Whether swap can be turned on and counted by cgroup.
    pub(in crate::scenarios) swap: bool,
}

impl Machine {
    /// Looks at the guest. Without cgroup version 2 nothing of this can be played.
    pub(in crate::scenarios) fn look() -> Result<Self> {
        if Version::of_guest()? == Version::One {
            skip!("lowers limits below what is used, which cgroup version 1 refuses");
        }
        let release =
            std::fs::read_to_string("/proc/sys/kernel/osrelease").context("failed to read the release")?;
        let mut numbers = release.split('.').map(|word| word.parse::<u32>());
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            bail!("the release is {release:?}");
        };
        let probe = Cgroup::new("swap probe")?;
        let accounted = probe.directory().join("memory.swap.max").exists();
        Ok(Self { release: (major, minor), swap: accounted && Swap::is_possible() })
    }
}

/// A case whose processes are there.
pub(in crate::scenarios) struct Play<'a> {
    spec: &'a Spec,
    cast: Running,
    pids: BTreeMap<i32, usize>,
    cgroups: Vec<Cgroup>,
    /// KiB of swap that are used, when the machine has any.
    swap_kb: Option<u64>,
    _ballast: Option<Sysctl>,
    _swap: Option<Swap>,
}

impl<'a> Play<'a> {
    /// Makes the cgroups and starts the processes; returns when all are set up.
    pub(in crate::scenarios) fn set_up(spec: &'a Spec, machine: &Machine) -> Result<Self> {
        let mut cgroups: Vec<Cgroup> = Vec::new();
        for (at, node) in spec.nodes.iter().enumerate() {
            let cgroup = match node.parent.and_then(|parent| cgroups.get(parent)) {
                Some(parent) => parent.child(&format!("n{at}"))?,
                None => Cgroup::new(&spec.name())?,
            };
            if let Some(kb) = node.roomy_limit_kb {
                cgroup.write("memory.max", &(kb * 1024).to_string())?;
            }
            cgroups.push(cgroup);
        }
        let swap_kb = spec.swap.filter(|_| machine.swap).map(|swap| swap.kb);
        let swap = swap_kb.map(|_| Swap::on()).transpose()?;
        let mut launch = Launch::guest("cast")?.adj(-1000).arg("--file").arg(mapped_file()?);
        if !spec.huge_pages {
            launch = launch.arg("--no-huge");
        }
        for (at, member) in present(spec) {
            let cgroup = cgroups.get(member.node).context("a member is nowhere")?;
            launch = launch.arg(word(at, member, cgroup));
        }
        let (cast, pids) = launch.start_ready()?;
        let pids = pids
            .split(' ')
            .zip(present(spec))
            .map(|(pid, (at, _))| Ok((pid.parse().context("a process id is no number")?, at)))
            .collect::<Result<_>>()?;
        let ballast = if spec.trigger == Trigger::Machine { Some(ballast()?) } else { None };
        let play = Self { spec, cast, pids, cgroups, swap_kb, _ballast: ballast, _swap: swap };
        if let (Trigger::Meet { limit_kb }, Some(node)) = (spec.trigger, spec.firing()) {
            play.limit(node, limit_kb * 1024, 0)?;
        }
        Ok(play)
    }

    /// Process ids of the members, each with the member's place in the list.
    pub(in crate::scenarios) fn pids(&self) -> &BTreeMap<i32, usize> {
        &self.pids
    }

    /// Those who run while the kernel is at it, and cannot be killed.
    pub(in crate::scenarios) fn bystanders(&self) -> Vec<i32> {
        vec![std::process::id().cast_signed(), self.cast.pid()]
    }

    /// Makes the OOM, and returns when the kernel is through with it; the result is `totalpages`.
    pub(in crate::scenarios) fn make_oom(&mut self, log: &mut KernelLog) -> Result<u64> {
        match self.spec.trigger {
            Trigger::Sysrq => {
                self.push_out()?;
                let total = counters::total_pages()?;
                std::fs::write("/proc/sysrq-trigger", "f")
                    .context("failed to ask for an OOM kill by sysrq")?;
                log.wait_for(": Killed process ", PATIENCE)?;
                Ok(total)
            }
            Trigger::Machine => {
                self.grow()?;
                counters::total_pages()
            }
            Trigger::Meet { limit_kb } => {
                self.grow()?;
                Ok(limit_kb * 1024 / PAGE_BYTES)
            }
            Trigger::Lower { node, excess_kb } => {
                let usage: u64 = self.usage(node)?;
                let swap = self.swap_kb.unwrap_or(0) * 1024;
                let limit = usage.saturating_sub(swap + excess_kb * 1024) / PAGE_BYTES * PAGE_BYTES;
                // The write returns when the usage is below the limit, or nobody is left.
                self.limit(node, limit, swap)
            }
            Trigger::Grow { node, room_kb } => {
                let limit = (self.usage(node)? + room_kb * 1024) / PAGE_BYTES * PAGE_BYTES;
                let total = self.limit(node, limit, self.swap_kb.unwrap_or(0) * 1024)?;
                self.grow()?;
                Ok(total)
            }
        }
    }

    /// Sets a limit, and that of swap; returns both together in pages.
    fn limit(&self, node: usize, bytes: u64, swap_bytes: u64) -> Result<u64> {
        let cgroup = self.cgroup(node)?;
        if self.swap_kb.is_some() {
            cgroup.limit_with_swap(bytes, swap_bytes)?;
            return Ok(bytes / PAGE_BYTES + swap_bytes / PAGE_BYTES);
        }
        cgroup.limit(bytes)?;
        Ok(bytes / PAGE_BYTES)
    }

    /// Lets the growing member begin.
    pub(in crate::scenarios) fn go(&mut self) -> Result<()> {
        self.cast.go()
    }

    /// Lets the growing member grow until it has all it wants, or is dead.
    pub(in crate::scenarios) fn grow(&mut self) -> Result<()> {
        self.cast.go()?;
        let word = self.cast.line()?;
        if !matches!(word.as_str(), "grown" | "ended") {
            bail!("cast said {word:?}");
        }
        Ok(())
    }

    /// Makes the kernel swap out some of what is used.
    fn push_out(&self) -> Result<()> {
        let Some(kb) = self.swap_kb else { return Ok(()) };
        let target = self.usage(0)?.saturating_sub(kb * 1024);
        let cgroup = self.cgroup(0)?;
        cgroup.write("memory.high", &target.to_string())?;
        cgroup.write("memory.high", "max")
    }

    fn usage(&self, node: usize) -> Result<u64> {
        self.cgroup(node)?.read("memory.current")?.trim().parse().context("memory.current is not a number")
    }

    /// The cgroup of a node.
    pub(in crate::scenarios) fn cgroup(&self, node: usize) -> Result<&Cgroup> {
        self.cgroups.get(node).context("there is no such cgroup")
    }
}

impl Drop for Play<'_> {
    fn drop(&mut self) {
        // Children before parents: a cgroup with children cannot be removed.
        while self.cgroups.pop().is_some() {}
    }
}

/// Those members that are there, each with its place in the list.
fn present(spec: &Spec) -> impl Iterator<Item = (usize, &Member)> {
    spec.members.iter().enumerate().filter(|(_, member)| !member.absent)
}

/// The word for `cast`.
fn word(at: usize, member: &Member, cgroup: &Cgroup) -> String {
    let Member { adj, anon_kb, shmem_kb, file_kb, tables, threads, habit, .. } = member;
    let mut word = format!(
        "name={},cgroup={},adj={adj},anon={anon_kb},shmem={shmem_kb},file={file_kb},tables={tables},threads={threads},habit={}",
        comm(at),
        cgroup.directory().display(),
        habit.word()
    );
    if let Some(kb) = member.grow_kb {
        word.push_str(&format!(",grow={kb}"));
    }
    word
}
