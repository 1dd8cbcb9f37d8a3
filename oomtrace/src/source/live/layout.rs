//! Fills in [`Layout`] from the running kernel's BTF: one table of struct, member and its other names.
//!
//! No version is looked at. A member that is not there stays `ABSENT`, and what is read through it is unknown; a few are
//! needed for anything at all, and their absence is an error.

use std::path::Path;

use oomtrace_common::config::{ABSENT, Layout};

use super::{
    LiveError,
    btf::Types,
    limits,
    places::{self, Found},
};

/// What BTF told.
pub struct Kernel {
    /// Offsets; those of tracepoints are not filled in.
    pub layout: Layout,
    /// `rss_stat` is an array of per-CPU counters.
    pub rss_counters_percpu: bool,
    /// Members that are not there, as `struct.member`.
    pub missing: Vec<String>,
    /// Where the situation around a choice is.
    pub evidence: Found,
    /// Functions to hook that BTF knows.
    pub functions: Functions,
}

/// Ids of functions in a kernel's BTF, which fentry attaches by.
#[derive(Clone, Debug, Default)]
pub struct Functions(Vec<(&'static str, u32)>);

impl Functions {
    fn of(types: &Types, wanted: &[&'static str]) -> Self {
        let named = |&(index, id): &(usize, u32)| Some((*wanted.get(index)?, id));
        Self(types.functions().iter().filter_map(named).collect())
    }

    /// Looks only for functions in `btf`.
    ///
    /// # Errors
    /// When the file cannot be read as BTF.
    pub fn read(btf: &Path, wanted: &[&'static str]) -> Result<Self, LiveError> {
        Ok(Self::of(&Types::read(btf, wanted)?, wanted))
    }

    /// The id of one; `None` when BTF does not have it.
    #[must_use]
    pub fn id(&self, function: &str) -> Option<u32> {
        self.0.iter().find(|&&(name, _)| name == function).map(|&(_, id)| id)
    }
}

/// Where the running kernel's BTF is.
pub const VMLINUX_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Reads `btf`, and the ids of those of `functions` that it has.
///
/// # Errors
/// When the file cannot be read as BTF, or lacks a member that nothing works without.
pub fn read(btf: &Path, functions: &[&'static str]) -> Result<Kernel, LiveError> {
    let types = Types::read(btf, functions)?;
    let mut layout = Layout::UNSET;
    let mut missing = Vec::new();
    // The first of the alternatives that is there.
    let mut find = |structure: &str, paths: &[&str]| {
        let found = paths.iter().find_map(|path| types.member(structure, path));
        if found.is_none() {
            missing.push(format!("{structure}.{}", paths[0]));
        }
        found.map_or(ABSENT, |found| found.offset)
    };
    macro_rules! members {
        ($($field:ident: $structure:literal $($path:literal)|+;)*) => {
            $(layout.$field = find($structure, &[$($path),+]);)*
        };
    }
    members! {
        oc_memcg: "oom_control" "memcg";
        oc_gfp_mask: "oom_control" "gfp_mask";
        oc_order: "oom_control" "order";
        oc_totalpages: "oom_control" "totalpages";
        oc_chosen: "oom_control" "chosen";
        oc_chosen_points: "oom_control" "chosen_points";
        oc_constraint: "oom_control" "constraint";
        task_pid: "task_struct" "pid";
        task_tgid: "task_struct" "tgid";
        task_comm: "task_struct" "comm";
        task_group_leader: "task_struct" "group_leader";
        task_mm: "task_struct" "mm";
        task_signal: "task_struct" "signal";
        task_real_cred: "task_struct" "real_cred";
        task_flags: "task_struct" "flags";
        task_cgroups: "task_struct" "cgroups";
        task_thread_node: "task_struct" "thread_node";
        task_vfork_done: "task_struct" "vfork_done";
        task_real_parent: "task_struct" "real_parent";
        cred_uid: "cred" "uid";
        signal_live: "signal_struct" "live";
        signal_thread_head: "signal_struct" "thread_head";
        signal_oom_score_adj: "signal_struct" "oom_score_adj";
        signal_oom_mm: "signal_struct" "oom_mm";
        signal_oom_flag_origin: "signal_struct" "oom_flag_origin";
        mm_pgtables_bytes: "mm_struct" "pgtables_bytes";
        mm_total_vm: "mm_struct" "total_vm";
        mm_flags: "mm_struct" "flags";
        css_cgroup: "cgroup_subsys_state" "cgroup";
        css_parent: "cgroup_subsys_state" "parent";
        cgroup_kn: "cgroup" "kn";
        kn_id: "kernfs_node" "id";
        kn_name: "kernfs_node" "name";
        kn_parent: "kernfs_node" "parent" | "__parent";
        memcg_css: "mem_cgroup" "css";
        memcg_usage: "mem_cgroup" "memory.usage";
        memcg_max: "mem_cgroup" "memory.max";
        memcg_high: "mem_cgroup" "memory.high" | "high";
        memcg_swap_usage: "mem_cgroup" "swap.usage";
        memcg_swap_max: "mem_cgroup" "swap.max";
    }
    (layout.task_run, layout.task_run_len) =
        run(&[(layout.task_real_cred, 8), (layout.task_comm, 16), (layout.task_signal, 8)]);
    // Within `comm`, which has 16 bytes.
    layout.task_comm_rest = if layout.task_comm == ABSENT { ABSENT } else { layout.task_comm + 8 };
    missing.extend(limits::offsets(&types, &mut layout));
    layout.css_set_memory = css_set_memory(&types).unwrap_or(ABSENT);
    if layout.css_set_memory == ABSENT {
        missing.push("css_set.subsys[memory_cgrp_id]".into());
    }
    let rss_counters_percpu = rss_stat(&types, &mut layout);
    if rss_counters_percpu.is_none() {
        missing.push("mm_struct.rss_stat".into());
    }
    for (member, offset) in [
        ("oom_control.chosen", layout.oc_chosen),
        ("oom_control.memcg", layout.oc_memcg),
        ("oom_control.gfp_mask", layout.oc_gfp_mask),
        ("oom_control.order", layout.oc_order),
        ("oom_control.totalpages", layout.oc_totalpages),
        ("oom_control.chosen_points", layout.oc_chosen_points),
        ("oom_control.constraint", layout.oc_constraint),
        ("task_struct.pid", layout.task_pid),
        ("task_struct.tgid", layout.task_tgid),
        ("task_struct.real_cred", layout.task_real_cred),
        ("cred.uid", layout.cred_uid),
        ("task_struct.comm", layout.task_comm),
        ("task_struct.signal", layout.task_signal),
        ("task_struct.mm", layout.task_mm),
        ("task_struct.flags", layout.task_flags),
        ("task_struct.thread_node", layout.task_thread_node),
        ("signal_struct.thread_head", layout.signal_thread_head),
        ("signal_struct.live", layout.signal_live),
        ("signal_struct.oom_score_adj", layout.signal_oom_score_adj),
        ("signal_struct.oom_flag_origin", layout.signal_oom_flag_origin),
        ("signal_struct.oom_mm", layout.signal_oom_mm),
    ] {
        if offset == ABSENT {
            return Err(LiveError::Layout { member: member.into() });
        }
    }
    let mut evidence = places::find(&types);
    missing.append(&mut evidence.missing);
    Ok(Kernel {
        layout,
        evidence,
        rss_counters_percpu: rss_counters_percpu.unwrap_or(false),
        missing,
        functions: Functions::of(&types, functions),
    })
}

/// Where members, given as offsets and sizes, begin, and what they span.
fn run(members: &[(u32, u32)]) -> (u32, u32) {
    if members.iter().any(|&(offset, _)| offset == ABSENT) {
        return (ABSENT, ABSENT);
    }
    let start = members.iter().map(|&(offset, _)| offset).min().unwrap_or(0);
    let end = members.iter().map(|&(offset, size)| offset + size).max().unwrap_or(0);
    (start, end - start)
}

/// Offset of the memory controller's css in `css_set`. The controllers' numbers depend on the kernel's configuration.
fn css_set_memory(types: &Types) -> Option<u32> {
    let [memory] = types.enumerators(Some("cgroup_subsys_id"), ["memory_cgrp_id"])?;
    let subsys = types.member("css_set", "subsys")?;
    let (_, size) = types.element(subsys.kind)?;
    Some(subsys.offset + memory * size)
}

/// Offsets of the four RSS counters' values; whether they are per-CPU counters.
///
/// Up to 6.1: `struct mm_rss_stat { atomic_long_t count[NR_MM_COUNTERS]; }`. From 6.2 on:
/// `struct percpu_counter rss_stat[NR_MM_COUNTERS]`, each with a shared `count`.
fn rss_stat(types: &Types, layout: &mut Layout) -> Option<bool> {
    let [file, anon, swap, shmem] =
        types.enumerators(None, ["MM_FILEPAGES", "MM_ANONPAGES", "MM_SWAPENTS", "MM_SHMEMPAGES"])?;
    let stat = types.member("mm_struct", "rss_stat")?;
    let percpu = types.array(stat.kind).is_some();
    let (start, size) = if percpu {
        let (counter, size) = types.element(stat.kind)?;
        (stat.offset + types.member_of(counter, "count")?.offset, size)
    } else {
        let count = types.member_of(stat.kind, "count")?;
        (stat.offset + count.offset, types.element(count.kind)?.1)
    };
    layout.mm_rss_file = start + file * size;
    layout.mm_rss_anon = start + anon * size;
    layout.mm_swapents = start + swap * size;
    layout.mm_rss_shmem = start + shmem * size;
    if [file, anon, swap, shmem, size] == [0, 1, 2, 3, 8] {
        layout.mm_rss_run = start;
    }
    Some(percpu)
}
