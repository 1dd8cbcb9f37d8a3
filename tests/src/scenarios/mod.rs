//! What is proved on real kernels, one file each.

mod aborted_scans;
mod adjusted;
mod allocating_task;
mod already_exiting;
mod bad_files;
mod budget;
mod by_log;
mod call_trace;
mod common;
mod contended;
pub mod corpus;
mod demo;
mod doctor;
mod exited_leader;
mod flight_recorder;
mod global_200;
mod group_kill;
mod guide;
mod hooks;
mod idle;
mod interrupted;
mod job;
mod ledger;
mod ledger_lossy;
mod level_counters;
mod limit_lowered;
mod many_globals;
mod measure;
mod mem_info;
mod memcg_200;
mod memcg_stat;
mod metrics;
mod names;
mod nested_limits;
mod no_map_calls;
mod no_phantoms;
mod none_killable;
mod oracle_agrees;
mod otlp;
mod parent_limit;
mod play;
mod pod_names;
mod random;
mod rank;
mod rank_unprivileged;
mod reaper;
mod recorder_killed;
mod recording_readonly;
mod recording_target;
mod refusals;
mod replay_identical;
mod ring_too_small;
mod sandboxed;
mod scale;
mod scorer_silent;
mod screen;
mod shared_mm;
mod stats;
mod storm;
mod swap;
mod sysrq_f;
mod systemd;
mod threads;
mod vfork_child;
mod what_if;

use anyhow::Result;

use crate::harness::stage::Stage;

/// When a scenario is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Always.
    Core,
    /// Always, in guests of their own: many cases made from seeds, which take their time. `--seed` runs one of them again.
    Seeded,
    /// Always, in guests of their own, with memory for tens of thousands of processes.
    Scale,
    /// Always, in guests with little memory.
    Small,
    /// Always, in guests that have systemd's packages.
    Systemd,
    /// Always, in guests whose clock is their instruction counter.
    Instructions,
    /// When asked for: prints figures, proves nothing.
    Measure,
}

/// How often a scenario is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavours {
    /// Once by fentry, once by kprobes.
    Hooks,
    /// By the kernel's log.
    Log,
    /// Once, however it attaches.
    Once,
}

/// One scenario.
pub struct Scenario {
    /// Its name; runs per flavour have `/fentry`, `/kprobe` or `/log` after it.
    pub name: &'static str,
    /// When it is run.
    pub group: Group,
    /// By which ways of attaching it is run.
    pub flavours: Flavours,
    /// What it does.
    pub run: fn(&Stage) -> Result<()>,
}

/// All scenarios, in the order in which they run: those that need reports first, those that make many OOMs last.
pub const SCENARIOS: &[Scenario] = &[
    once("oracle_agrees", oracle_agrees::run),
    each("memcg_200", memcg_200::run),
    each("global_200", global_200::run),
    each("mem_info", mem_info::run),
    each("memcg_stat", memcg_stat::run),
    each("call_trace", call_trace::run),
    each("group_kill", group_kill::run),
    each("shared_mm", shared_mm::run),
    each("exited_leader", exited_leader::run),
    each("nested_limits", nested_limits::run),
    each("parent_limit", parent_limit::run),
    each("limit_lowered", limit_lowered::run),
    each("level_counters", level_counters::run),
    each("threads", threads::run),
    each("vfork_child", vfork_child::run),
    each("names", names::run),
    each("pod_names", pod_names::run),
    each("no_phantoms", no_phantoms::run),
    each("no_map_calls", no_map_calls::run),
    each("none_killable", none_killable::run),
    each("sysrq_f", sysrq_f::run),
    each("allocating_task", allocating_task::run),
    each("scorer_silent", scorer_silent::run),
    each("job", job::by_hooks),
    each("replay_identical", replay_identical::run),
    each("stats", stats::run),
    each("ring_too_small", ring_too_small::run),
    each("interrupted", interrupted::run),
    each("sandboxed", sandboxed::run),
    once("metrics", metrics::run),
    once("hooks", hooks::run),
    once("screen", screen::run),
    once("otlp", otlp::run),
    each("adjusted", adjusted::run),
    each("reaper", reaper::run),
    each("already_exiting", already_exiting::run),
    each("ledger", ledger::run),
    each("ledger_lossy", ledger_lossy::run),
    each("swap", swap::run),
    each("budget", budget::counts),
    once("flight_recorder", flight_recorder::run),
    once("idle", idle::run),
    once("rank", rank::run),
    once("rank_unprivileged", rank_unprivileged::run),
    once("no_root", refusals::no_root),
    once("no_btf", refusals::no_btf),
    once("doctor", doctor::run),
    once("demo", demo::run),
    once("job_unprivileged", job::unprivileged),
    once("bad_files", bad_files::run),
    by_log("replay_identical", replay_identical::run),
    by_log("sandboxed", sandboxed::run),
    by_log("memcg", by_log::memcg),
    by_log("pod_names", pod_names::run),
    by_log("global", by_log::global),
    by_log("job", job::by_log),
    by_log("group_kill", by_log::group_kill),
    by_log("two_at_once", by_log::two_at_once),
    by_log("without_tables", by_log::without_tables),
    by_log("alone", by_log::alone),
    by_log("overwritten", by_log::overwritten),
    by_log("auto", by_log::auto),
    once("recorder_killed", recorder_killed::run),
    once("guide", guide::run),
    once("recording_readonly", recording_readonly::run),
    once("recording_target", recording_target::run),
    each("aborted_scans", aborted_scans::run),
    each("storm", storm::run),
    each("contended", contended::run),
    Scenario { name: "random", group: Group::Seeded, flavours: Flavours::Hooks, run: random::run },
    Scenario { name: "systemd", group: Group::Systemd, flavours: Flavours::Once, run: systemd::run },
    Scenario { name: "package", group: Group::Systemd, flavours: Flavours::Once, run: systemd::package::run },
    Scenario { name: "what_if", group: Group::Seeded, flavours: Flavours::Hooks, run: what_if::run },
    Scenario { name: "scale", group: Group::Scale, flavours: Flavours::Once, run: scale::run },
    Scenario { name: "many_globals", group: Group::Small, flavours: Flavours::Once, run: many_globals::few },
    Scenario {
        name: "many_globals_500",
        group: Group::Measure,
        flavours: Flavours::Once,
        run: many_globals::many,
    },
    Scenario {
        name: "instructions",
        group: Group::Instructions,
        flavours: Flavours::Hooks,
        run: budget::instructions,
    },
    Scenario { name: "measure", group: Group::Measure, flavours: Flavours::Hooks, run: measure::run },
];

/// Those of the core group that another architecture could break, for guests that emulate one slowly: arguments and return values of
/// functions, call paths, who is killed and why, what is allowed once attached, the kernel's log.
pub const ARCH: &[&str] = &[
    "oracle_agrees",
    "memcg_200",
    "global_200",
    "call_trace",
    "group_kill",
    "replay_identical",
    "sandboxed",
    "ledger",
    "global",
];

const fn each(name: &'static str, run: fn(&Stage) -> Result<()>) -> Scenario {
    Scenario { name, group: Group::Core, flavours: Flavours::Hooks, run }
}

const fn by_log(name: &'static str, run: fn(&Stage) -> Result<()>) -> Scenario {
    Scenario { name, group: Group::Core, flavours: Flavours::Log, run }
}

const fn once(name: &'static str, run: fn(&Stage) -> Result<()>) -> Scenario {
    Scenario { name, group: Group::Core, flavours: Flavours::Once, run }
}
