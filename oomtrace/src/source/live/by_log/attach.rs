//! The tracepoints of the `log` flavour: which there are, their fields, their programs.

use std::{
    os::fd::RawFd,
    path::{Path, PathBuf},
};

use oomtrace_common::{
    config::{ABSENT, Layout, Sizes},
    mark::MarkFields,
};

use super::super::{
    bpf::{Preset, Programs},
    btf::Types,
    buffer::Buffer,
    events,
    hooks::TracepointHook,
    layout::VMLINUX_BTF,
    load::{OBJECT, Options, bytes_of},
    support, tracefs,
};
use super::kmsg::KMSG;
use crate::model::session::Hook;

/// Category, event, program; none is required.
const TRACEPOINTS: [(TracepointHook, &str); 7] = [
    (of("oom", "mark_victim"), "mark_victim_tracepoint"),
    (of("sched", "sched_process_exit"), "victim_exit_tracepoint"),
    (of("oom", "wake_reaper"), "wake_reaper_tracepoint"),
    (of("oom", "start_task_reaping"), "start_task_reaping_tracepoint"),
    (of("oom", "finish_task_reaping"), "reaping_over_tracepoint"),
    (of("oom", "skip_task_reaping"), "skip_task_reaping_tracepoint"),
    (of("oom", "oom_score_adj_update"), "oom_score_adj_update_tracepoint"),
];

/// Victims that are followed at a time.
const VICTIMS: u32 = 4096;

const fn of(category: &'static str, event: &'static str) -> TracepointHook {
    TracepointHook { category, event }
}

/// What was attached.
pub(in super::super) struct Traced {
    /// The programs; `None` where none can be loaded.
    pub(in super::super) programs: Option<Programs>,
    /// The log, tracepoints, attached and not, and what other flavours have.
    pub(in super::super) hooks: Vec<Hook>,
    /// Descriptors of programs that only run for victims: a run of them that the kernel skipped is a loss.
    pub(in super::super) program_fds: Vec<RawFd>,
}

/// What there is no hook for, and what is not known without it.
const WITHOUT: [(&str, &str); 4] = [
    (
        "out_of_memory",
        "when it was entered and left, and passes of which the kernel prints nothing, are not known",
    ),
    ("oom_evaluate_task", "who was passed over, and why, is not known"),
    ("oom_badness", "points are not the kernel's, but computed from the log's table of tasks"),
    ("signal:signal_generate", "processes that are killed because they share a victim's memory are not seen"),
];

/// Attaches what can be. `tables`: `vm.oom_dump_tasks`.
pub(in super::super) fn attach(options: &Options, buffer: Buffer, tables: Option<i32>) -> Traced {
    let mut hooks = vec![Hook { target: KMSG.to_owned(), kind: "log".to_owned(), missing: None }];
    let mut program_fds = Vec::new();
    let mut note = |target: String, missing: Option<String>| {
        hooks.push(Hook { target, kind: "tracepoint".to_owned(), missing });
    };
    let wanted = |target: &String| !options.without.contains(target);
    let programs = match programs(options, buffer) {
        Ok((mut programs, has_exits)) => {
            for (hook, program) in &TRACEPOINTS {
                let target = format!("{}:{}", hook.category, hook.event);
                let missing = if !wanted(&target) {
                    Some("left out as asked".to_owned())
                } else if hook.event == "sched_process_exit" && !has_exits {
                    Some(
                        "its record has no group_dead (Linux 6.16), and there is no BTF to count threads by"
                            .to_owned(),
                    )
                } else {
                    match programs.tracepoint(program, hook.category, hook.event) {
                        Ok(fd) => {
                            if hook.category == "oom" && hook.event != "oom_score_adj_update" {
                                program_fds.push(fd);
                            }
                            None
                        }
                        Err(reason) => Some(reason),
                    }
                };
                note(target, missing);
            }
            let any = hooks.iter().skip(1).any(|hook| hook.missing.is_none());
            any.then_some(programs)
        }
        Err(reason) => {
            TRACEPOINTS.iter().for_each(|(hook, _)| {
                note(format!("{}:{}", hook.category, hook.event), Some(reason.clone()));
            });
            None
        }
    };
    let without = |(target, missing): (&str, &str)| Hook {
        target: target.to_owned(),
        kind: "none".to_owned(),
        missing: Some(missing.to_owned()),
    };
    hooks.extend(WITHOUT.map(without));
    if tables == Some(0) {
        hooks.push(without((
            "vm.oom_dump_tasks",
            "it is 0: the kernel logs no table of tasks, and no candidates are known",
        )));
    }
    Traced { programs, hooks, program_fds }
}

/// The object, told of the fields; and whether the last exit of a process can be told from others.
fn programs(options: &Options, buffer: Buffer) -> Result<(Programs, bool), String> {
    support::privileges().map_err(|error| error.reason())?;
    support::not_locked_down().map_err(|error| error.reason())?;
    let root = tracefs::root().ok_or("tracefs is not mounted, or cannot be read")?;
    let (mut layout, mut mark) = (Layout::UNSET, MarkFields::UNSET);
    fields(&root, &mut layout, &mut mark);
    let has_exits = mark.group_dead != ABSENT || count_of_threads(options.btf.as_deref(), &mut layout);
    let sizes =
        Sizes { headroom: buffer.ring / 4, ring: buffer.ring, aftermath: buffer.aftermath, log: buffer.log };
    let page_size = u32::try_from(rustix::param::page_size()).unwrap_or(4096);
    let preset = Preset {
        globals: vec![("LAYOUT", bytes_of(&layout)), ("MARK", bytes_of(&mark)), ("SIZES", bytes_of(&sizes))],
        entries: vec![
            ("RING", u32::try_from(buffer.ring).unwrap_or(u32::MAX)),
            ("AFTERMATH", u32::try_from(buffer.aftermath).unwrap_or(u32::MAX)),
            ("LOG", 2),
            ("VICTIMS", VICTIMS),
            ("NAMED", 1),
            ("AYA_LOGS", page_size),
        ],
        layout: Some(&layout),
    };
    Ok((Programs::new(OBJECT, preset)?, has_exits))
}

/// Where threads of a process are counted, for kernels whose exits do not say which one is the last.
fn count_of_threads(btf: Option<&Path>, layout: &mut Layout) -> bool {
    let btf = btf.map_or_else(|| PathBuf::from(VMLINUX_BTF), Path::to_path_buf);
    let Ok(types) = Types::read(&btf, &[]) else { return false };
    let find =
        |structure: &str, member: &str| types.member(structure, member).map_or(ABSENT, |found| found.offset);
    layout.task_signal = find("task_struct", "signal");
    layout.signal_live = find("signal_struct", "live");
    layout.task_signal != ABSENT && layout.signal_live != ABSENT
}

/// Offsets in tracepoints' records.
fn fields(root: &Path, layout: &mut Layout, mark: &mut MarkFields) {
    let marked = &mut [
        ("pid", &mut mark.pid),
        ("comm", &mut mark.comm),
        ("uid", &mut mark.uid),
        ("oom_score_adj", &mut mark.oom_score_adj),
        ("total_vm", &mut mark.total_vm),
        ("anon_rss", &mut mark.anon_rss),
        ("file_rss", &mut mark.file_rss),
        ("shmem_rss", &mut mark.shmem_rss),
        ("pgtables", &mut mark.pgtables),
    ];
    events::find(root, "oom", "mark_victim", marked);
    events::find(root, "sched", "sched_process_exit", &mut [("group_dead", &mut mark.group_dead)]);
    events::of_all_flavours(root, layout);
}
