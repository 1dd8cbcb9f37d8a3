//! The table of hooks: what is attached where, and what is missing without it.

use oomtrace_common::step;

/// A kernel function and the programs for it, by how they attach. The names of programs are
/// `<function>_<how>`.
pub struct FunctionHook {
    /// The function.
    pub function: &'static str,
    /// At its entry, in the fentry flavour.
    pub fentry: bool,
    /// At its return, in the fentry flavour.
    pub fexit: bool,
    /// At its entry, in the kprobe flavour.
    pub kprobe: bool,
    /// At its return, in the kprobe flavour.
    pub kretprobe: bool,
    /// Without it there is nothing to show.
    pub required: bool,
    /// Entered once or a few times in an episode: in both flavours a kprobe just behind the place that ftrace patches. It costs a
    /// fiftieth of a location of ftrace's to attach, and more to run, which does not matter there. Also, kprobes are not
    /// preempted: where the kernel can preempt an fentry program, a second task that runs the same one on that CPU is passed over.
    pub seldom: bool,
    /// Also entered by several tasks at once, and what it tells goes onto a ring that others write to: a kprobe at the very entry, where
    /// ftrace calls it. Behind that it may be a breakpoint, whose program may not wait for the ring's lock.
    pub shared: bool,
    /// In the kprobe flavour at the very entry, where there is a return probe: it is attached later and runs earlier, so that the
    /// return address is still the caller's, and the place is patched already.
    pub at_return_probe: bool,
}

/// Hooks on functions, in the order of attaching. What opens an episode comes last, so that an episode is only begun once everything
/// that fills it is there. All that is seldom comes at the end: 20 ms after the first kprobe the kernel begins to make jumps of them,
/// and holds locks for a tenth of a second then, which loading a program and every way of attaching one need.
pub const FUNCTIONS: [FunctionHook; 10] = [
    at_return(SCORER, false),
    at_return("out_of_memory", true),
    FunctionHook { seldom: false, ..seldom("oom_evaluate_task", true) },
    FunctionHook { shared: true, ..seldom("exit_oom_victim", false) },
    seldom(REAPS, false),
    seldom("mark_oom_victim", false),
    seldom("__oom_kill_process", false),
    seldom("mem_cgroup_print_oom_group", false),
    seldom("oom_kill_process", true),
    FunctionHook { at_return_probe: true, ..seldom("out_of_memory", true) },
];

/// Where the first instruction behind the five bytes may be that ftrace patches; x86 compilers put them first, before anything
/// touches the arguments, and `endbr64` before them in kernels that are built for it. Inside of an instruction a kprobe is
/// refused, so that the first one that is taken is the right one.
pub const BEHIND: &[u64] = if cfg!(target_arch = "x86_64") { &[5, 9] } else { &[] };

/// What the reaper calls, and on some kernels every victim that exits.
pub const REAPS: &str = "__oom_reap_task_mm";

/// The scorer. Some builds call a split copy of it; see [`split_copy`].
pub const SCORER: &str = "oom_badness";

const fn at_return(function: &'static str, required: bool) -> FunctionHook {
    FunctionHook {
        function,
        fentry: false,
        fexit: true,
        kprobe: false,
        kretprobe: true,
        required,
        seldom: false,
        shared: false,
        at_return_probe: false,
    }
}

const fn seldom(function: &'static str, required: bool) -> FunctionHook {
    FunctionHook {
        function,
        fentry: true,
        fexit: false,
        kprobe: true,
        kretprobe: false,
        required,
        seldom: true,
        shared: false,
        at_return_probe: false,
    }
}

/// A tracepoint; its program is `<event>_tracepoint`.
pub struct TracepointHook {
    /// Category.
    pub category: &'static str,
    /// Event.
    pub event: &'static str,
}

/// Tracepoints, in the order of attaching. None is required: without them, less is known of what happened to a victim.
pub const TRACEPOINTS: [TracepointHook; 7] = [
    TracepointHook { category: "oom", event: "wake_reaper" },
    TracepointHook { category: "oom", event: "start_task_reaping" },
    TracepointHook { category: "oom", event: "finish_task_reaping" },
    TracepointHook { category: "oom", event: "skip_task_reaping" },
    TracepointHook { category: "oom", event: "oom_score_adj_update" },
    TracepointHook { category: "signal", event: "signal_generate" },
    TracepointHook { category: "sched", event: "sched_process_exit" },
];

/// Evidence that is captured beside the decision; see `oomtrace-ebpf/src/evidence`. None is required. A step that the programs of
/// kprobes jump to; where there are no kprobes, an fentry program at the entry of the function.
pub struct EvidenceHook {
    /// Its fentry program is `<evidence>_fentry`.
    pub evidence: &'static str,
    /// Its steps, of [`oomtrace_common::step`].
    pub steps: &'static [u32],
    /// The function at whose entry it is captured.
    pub function: &'static str,
}

/// In the order of attaching.
pub const EVIDENCE: [EvidenceHook; 2] = [
    EvidenceHook {
        evidence: "situation",
        steps: &[step::SITUATION, step::NODE],
        function: "oom_kill_process",
    },
    EvidenceHook { evidence: "memcg_stat", steps: &[step::MEMCG_STAT], function: "__oom_kill_process" },
];

/// Where nobody can be killed, the kernel reports without a choice: the situation is captured here too, where there are kprobes.
pub const REPORT: &str = "dump_header";

/// Steps that nothing works without, where there are kprobes.
pub const STEPS: [u32; 3] = [step::SUBJECT, step::NAMES, step::LEVEL];

/// Functions that a hook may be attached to by fentry.
#[must_use]
pub fn functions() -> Vec<&'static str> {
    let mut functions: Vec<&str> = FUNCTIONS.iter().map(|hook| hook.function).collect();
    functions.extend(EVIDENCE.iter().map(|hook| hook.function));
    functions.sort_unstable();
    functions.dedup();
    functions
}

/// `name`, if it is that of a copy of the scorer that the compiler split off, such as `oom_badness.part.0`, which the scan may
/// call instead. A `.cold` part is jumped to, not called: a return probe on it would break the kernel's stack.
#[must_use]
pub fn split_copy(name: &[u8]) -> Option<String> {
    let suffix = name.strip_prefix(SCORER.as_bytes())?.strip_prefix(b".")?;
    if suffix.split(|&b| b == b'.').any(|part| part == b"cold") {
        return None;
    }
    String::from_utf8(name.to_vec()).ok()
}

/// Names that such copies get: those that GCC gives to a function that it splits, specialises, or both. It counts by function.
pub fn likely_split_copies() -> impl Iterator<Item = String> {
    const KINDS: [&str; 3] = ["part", "isra", "constprop"];
    let one = KINDS.iter().flat_map(|kind| (0..2).map(move |n| format!("{SCORER}.{kind}.{n}")));
    let two = KINDS.iter().flat_map(|first| {
        let others = KINDS.iter().filter(move |&second| second != first);
        others.map(move |second| format!("{SCORER}.{first}.0.{second}.0"))
    });
    one.chain(two)
}

#[cfg(test)]
mod tests {
    use super::{likely_split_copies, split_copy};

    #[test]
    fn likely_names_are_names_of_split_copies() {
        let likely: Vec<String> = likely_split_copies().collect();
        assert!(likely.iter().all(|name| split_copy(name.as_bytes()).as_deref() == Some(name)));
        for seen in ["oom_badness.part.0", "oom_badness.isra.0", "oom_badness.constprop.0.isra.0"] {
            assert!(likely.iter().any(|name| name == seen), "{seen}");
        }
    }

    #[test]
    fn split_copies_are_told_from_the_function_and_its_cold_part() {
        let copy = |name: &str| split_copy(name.as_bytes());
        for name in ["oom_badness.part.0", "oom_badness.constprop.0.isra.0"] {
            assert_eq!(copy(name).as_deref(), Some(name));
        }
        for name in ["oom_badness", "oom_badness.cold", "oom_badness.part.0.cold", "proc_oom_score\t[mod]"] {
            assert_eq!(copy(name), None, "{name}");
        }
    }
}
