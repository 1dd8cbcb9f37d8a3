//! Whom a process of a scenario runs as: root with all, nobody with nothing, nobody with chosen capabilities.

use std::io;

use anyhow::{Context as _, Result, ensure};
use rustix::thread::CapabilitySet;

/// Uid and gid of nobody.
const NOBODY: libc::uid_t = 65534;

/// What `docs/privileges.md` tells to give to oomtrace, without what only `--stats` needs.
pub const RECOMMENDED: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::SYS_RESOURCE)
    .union(CapabilitySet::IPC_LOCK);

/// Becomes nobody with these capabilities, which are kept by an exec. Only async-signal-safe calls are made.
pub(super) fn become_nobody(kept: CapabilitySet) -> io::Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) })?;
    // SAFETY: no groups are passed, so no memory is read.
    check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: takes a number only.
    check(unsafe { libc::setgid(NOBODY) })?;
    // SAFETY: takes a number only. Leaving uid 0 takes what is permitted out of use.
    check(unsafe { libc::setuid(NOBODY) })?;
    let sets = rustix::thread::CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
    rustix::thread::set_capabilities(None, sets)?;
    for bit in kept.iter() {
        rustix::thread::configure_capability_in_ambient_set(bit, true)?;
    }
    Ok(())
}

/// What every thread of a process is left with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// All capabilities that a thread has in a set other than the bound, together.
    pub capabilities: CapabilitySet,
    /// What the bound still allows.
    pub bound: CapabilitySet,
    /// All threads can gain nothing by an exec.
    pub no_new_privileges: bool,
    /// All threads have a filter of system calls.
    pub filtered: bool,
    /// How many threads.
    pub threads: usize,
}

impl Left {
    /// To the threads of the process `pid`.
    pub fn to(pid: i32) -> Result<Self> {
        let none = CapabilitySet::empty();
        let mut left =
            Self { capabilities: none, bound: none, no_new_privileges: true, filtered: true, threads: 0 };
        let directory = format!("/proc/{pid}/task");
        for entry in std::fs::read_dir(&directory).with_context(|| format!("failed to list {directory}"))? {
            let file = entry.with_context(|| format!("failed to list {directory}"))?.path().join("status");
            let status = std::fs::read_to_string(&file)
                .with_context(|| format!("failed to read {}", file.display()))?;
            let field = |key: &str| -> Result<&str> {
                let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
                Ok(line.with_context(|| format!("{} has no {key}", file.display()))?.trim())
            };
            let set = |key: &str| -> Result<CapabilitySet> {
                let bits =
                    u64::from_str_radix(field(key)?, 16).with_context(|| format!("{key} is no set"))?;
                Ok(CapabilitySet::from_bits_retain(bits))
            };
            for key in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                left.capabilities |= set(key)?;
            }
            left.bound |= set("CapBnd")?;
            left.no_new_privileges &= field("NoNewPrivs")? == "1";
            left.filtered &= field("Seccomp")? == "2";
            left.threads += 1;
        }
        ensure!(left.threads > 0, "{pid} has no thread");
        Ok(left)
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
