//! The capabilities that have to do with a capture: for what, and what there is without them.

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// A capability, and what it is good for here.
#[derive(Clone, Copy, Debug)]
pub struct Capability {
    /// As the kernel and `setcap` have it.
    pub name: &'static str,
    /// Its bit.
    pub bit: CapabilitySet,
    /// Whether hooks on functions, and the tracepoints of the log flavour, need it.
    pub required: bool,
    /// What it is for.
    pub purpose: &'static str,
    /// What there is without it.
    pub without: &'static str,
}

/// All of them, the required ones first.
pub const ALL: [Capability; 8] = [
    Capability {
        name: "CAP_BPF",
        bit: CapabilitySet::BPF,
        required: true,
        purpose: "loads programs and makes their maps",
        without: "only the kernel's log can be followed",
    },
    Capability {
        name: "CAP_PERFMON",
        bit: CapabilitySet::PERFMON,
        required: true,
        purpose: "attaches programs, which read kernel memory",
        without: "only the kernel's log can be followed",
    },
    Capability {
        name: "CAP_DAC_READ_SEARCH",
        bit: CapabilitySet::DAC_READ_SEARCH,
        required: false,
        purpose: "reads tracefs, which belongs to root",
        without: "exits, signals, reaping and adjustments are not seen",
    },
    Capability {
        name: "CAP_SYSLOG",
        bit: CapabilitySet::SYSLOG,
        required: false,
        purpose: "shows addresses of the kernel's symbols; reads /dev/kmsg",
        without: "call paths have no names, counters of nodes and settings of the moment are not captured, and the log flavour \
                  needs kernel.dmesg_restrict=0",
    },
    Capability {
        name: "CAP_SYS_RESOURCE",
        bit: CapabilitySet::SYS_RESOURCE,
        required: false,
        purpose: "lowers oom_score_adj; before Linux 5.11 also raises RLIMIT_MEMLOCK for maps",
        without: "oomtrace itself can be killed, unless who starts it has lowered its oom_score_adj",
    },
    Capability {
        name: "CAP_IPC_LOCK",
        bit: CapabilitySet::IPC_LOCK,
        required: false,
        purpose: "locks oomtrace's memory",
        without: "its memory is locked only as far as RLIMIT_MEMLOCK goes",
    },
    Capability {
        name: "CAP_DAC_OVERRIDE",
        bit: CapabilitySet::DAC_OVERRIDE,
        required: false,
        purpose: "records to a folder that belongs to somebody else",
        without: "recordings go where its user may write",
    },
    Capability {
        name: "CAP_SYS_ADMIN",
        bit: CapabilitySet::SYS_ADMIN,
        required: false,
        purpose: "makes the kernel count what programs cost, for --stats; opens perf events where kernel.perf_event_paranoid is 3 \
                  (Debian's default)",
        without: "--stats has no runs and times, unless kernel.bpf_stats_enabled is 1; no kprobes and tracepoints where \
                  kernel.perf_event_paranoid is 3",
    },
];

/// What this thread may use now; nothing, if that cannot be told.
#[must_use]
pub fn held() -> CapabilitySet {
    capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective)
}

/// Names of those in `set` that are in [`ALL`], and how many others there are.
#[must_use]
pub fn names(set: CapabilitySet) -> String {
    let known = ALL.iter().filter(|capability| set.contains(capability.bit)).map(|c| c.name.to_owned());
    let others = ALL.iter().fold(set, |rest, capability| rest - capability.bit).bits().count_ones();
    let others = (others > 0).then(|| format!("{others} more"));
    known.chain(others).collect::<Vec<_>>().join(", ")
}

/// Gives up the use of all, but keeps what is permitted: [`keep`] can take some of it up again.
pub(super) fn rest() -> rustix::io::Result<CapabilitySets> {
    let now = capabilities(None)?;
    set_capabilities(None, CapabilitySets { effective: CapabilitySet::empty(), ..now })?;
    Ok(now)
}

/// Keeps `kept`, as far as it is permitted, and gives up all others for good: what is in use, permitted, inherited, ambient, and,
/// where CAP_SETPCAP allows that, the bound of what an exec could give.
pub(super) fn keep(kept: CapabilitySet) -> rustix::io::Result<()> {
    let now = capabilities(None)?;
    clear_ambient_capability_set()?;
    bound(now.permitted);
    let kept = kept & now.permitted;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}

/// Gives up all capabilities for good, also those that programs it starts would have; root keeps what root has.
pub fn drop_unless_root() {
    if !rustix::process::geteuid().is_root() {
        // Without one there is nothing to give up.
        let _ = keep(CapabilitySet::empty());
    }
}

/// Empties the bounding set, which takes CAP_SETPCAP. Without it the set stays: an exec that gained anything by it is ruled out by
/// no-new-privileges.
fn bound(permitted: CapabilitySet) {
    if !permitted.contains(CapabilitySet::SETPCAP) {
        return;
    }
    let sets =
        CapabilitySets { effective: CapabilitySet::SETPCAP, permitted, inheritable: CapabilitySet::empty() };
    if set_capabilities(None, sets).is_err() {
        return;
    }
    // The first number that the kernel does not have ends it.
    for bit in 0..u64::BITS {
        if remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named() {
        assert_eq!(names(CapabilitySet::empty()), "");
        assert_eq!(names(CapabilitySet::PERFMON | CapabilitySet::BPF), "CAP_BPF, CAP_PERFMON");
        assert_eq!(names(CapabilitySet::BPF | CapabilitySet::CHOWN | CapabilitySet::KILL), "CAP_BPF, 2 more");
    }

    /// On a thread of its own: the others keep what they have.
    #[test]
    fn what_is_given_up_is_gone() {
        let gone = std::thread::spawn(|| {
            rest().unwrap();
            let resting = capabilities(None).unwrap();
            keep(CapabilitySet::BPF).unwrap();
            (resting, capabilities(None).unwrap())
        });
        let (resting, kept) = gone.join().unwrap();
        assert_eq!(resting.effective, CapabilitySet::empty());
        assert_eq!(kept.permitted, resting.permitted & CapabilitySet::BPF);
        assert_eq!(kept.effective, kept.permitted);
        assert_eq!(kept.inheritable, CapabilitySet::empty());
    }
}
