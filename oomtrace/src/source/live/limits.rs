//! Where a memcg keeps what its report says of its limits: protections, failures, kills, the group flag.
//!
//! Split from [`super::layout`], whose rules hold here too.

use oomtrace_common::config::{ABSENT, Layout};

use super::{btf::Types, host};

/// Fills in the offsets; returns what is not there, as `struct.member`.
pub(super) fn offsets(types: &Types, layout: &mut Layout) -> Vec<String> {
    let mut missing = Vec::new();
    let mut find = |path: &str| {
        let found = types.member("mem_cgroup", path).map_or(ABSENT, |found| found.offset);
        if found == ABSENT {
            missing.push(format!("mem_cgroup.{path}"));
        }
        found
    };
    layout.memcg_min = find("memory.min");
    layout.memcg_low = find("memory.low");
    layout.memcg_oom_group = find("oom_group");
    layout.memcg_failcnt = find("memory.failcnt");
    layout.memcg_swap_failcnt = find("swap.failcnt");
    layout.memcg_oom_kills = event(types, "MEMCG_OOM_KILL").unwrap_or_else(|| {
        missing.push("mem_cgroup.memory_events[MEMCG_OOM_KILL]".into());
        ABSENT
    });
    let version = host::cgroup_version();
    // From 6.16 on a counter keeps its failcnt on cgroup v1 only, and the kernel reports the events' counts in its place.
    let kept_on_v1_only = types.has_member("page_counter", "track_failcnt");
    if kept_on_v1_only && version == Some(2) {
        layout.memcg_failcnt = event(types, "MEMCG_MAX").unwrap_or(ABSENT);
        layout.memcg_swap_failcnt = event(types, "MEMCG_SWAP_MAX").unwrap_or(ABSENT);
    }
    // There on some kernels on cgroup v2 too, where nothing is charged to it.
    if version == Some(1) {
        let kmem = types.member("mem_cgroup", "kmem.usage");
        layout.memcg_kmem_usage = kmem.map_or(ABSENT, |found| found.offset);
    }
    missing
}

/// Where `mem_cgroup.memory_events` counts this event. The enumerators move: `MEMCG_OOM_KILL` is behind whatever is new.
fn event(types: &Types, enumerator: &str) -> Option<u32> {
    let [index] = types.enumerators(Some("memcg_memory_event"), [enumerator])?;
    let events = types.member("mem_cgroup", "memory_events")?;
    let (_, size) = types.element(events.kind)?;
    index.checked_mul(size)?.checked_add(events.offset)
}
