//! The first and the last line.

use serde::Serialize;

use crate::model::observation::Lost;
use crate::model::session::{Hook, Settings};
use crate::model::{Gap, SessionInfo};
use crate::sink::Totals;

use super::ledger::LedgerJson;
use super::stats::StatsJson;
use super::{FORMAT, rfc3339};

#[derive(Serialize)]
pub(super) struct Session<'a> {
    r#type: &'static str,
    format: u32,
    tool_version: &'a str,
    source: &'static str,
    host: Option<&'a str>,
    kernel_release: Option<&'a str>,
    kernel_version: Option<&'a str>,
    machine: Option<&'a str>,
    boot_id: Option<&'a str>,
    page_size: u32,
    cpus: Option<u32>,
    ram_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    ring_bytes: Option<u64>,
    started: Option<String>,
    started_boot_ns: u64,
    utc_offset_seconds: i32,
    cgroup_version: Option<u8>,
    rss_counters: Option<&'static str>,
    tainted: Option<u64>,
    settings: SettingsJson,
    hooks: Vec<HookJson<'a>>,
    log_times: Option<LogTimesJson>,
}

#[derive(Serialize)]
struct LogTimesJson {
    boot: bool,
    wall: bool,
    zone_told: bool,
    year_told: bool,
    step_ns: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct SettingsJson {
    panic_on_oom: Option<i32>,
    oom_kill_allocating_task: Option<i32>,
    oom_dump_tasks: Option<i32>,
    overcommit_memory: Option<i32>,
    swappiness: Option<i32>,
}

#[derive(Serialize)]
struct HookJson<'a> {
    target: &'a str,
    kind: &'a str,
    missing: Option<&'a str>,
}

impl<'a> From<&'a SessionInfo> for Session<'a> {
    fn from(info: &'a SessionInfo) -> Self {
        Self {
            r#type: "session",
            format: FORMAT,
            tool_version: &info.tool_version,
            source: info.source.word(),
            host: info.host.as_deref(),
            kernel_release: info.kernel_release.as_deref(),
            kernel_version: info.kernel_version.as_deref(),
            machine: info.machine.as_deref(),
            boot_id: info.boot_id.as_deref(),
            page_size: info.page_size,
            cpus: info.cpus,
            ram_bytes: info.ram_bytes,
            swap_bytes: info.swap_bytes,
            ring_bytes: info.ring_bytes,
            started: info.started_unix_ns.and_then(|ns| rfc3339(ns.into())),
            started_boot_ns: info.started_boot_ns,
            utc_offset_seconds: info.utc_offset_seconds,
            cgroup_version: info.cgroup_version,
            rss_counters: match info.rss_counters_percpu {
                _ if info.of_a_log() => None,
                true => Some("percpu"),
                false => Some("shared"),
            },
            tainted: info.tainted,
            settings: info.settings.into(),
            hooks: info.hooks.iter().map(HookJson::from).collect(),
            log_times: info.log_clock.map(|clock| {
                let wall = info.started_unix_ns.is_some();
                LogTimesJson {
                    boot: clock.boot,
                    wall,
                    zone_told: wall && clock.zone,
                    year_told: wall && clock.year,
                    step_ns: Some(clock.step_ns).filter(|&step| step > 0),
                }
            }),
        }
    }
}

impl From<Settings> for SettingsJson {
    fn from(settings: Settings) -> Self {
        let Settings {
            panic_on_oom,
            oom_kill_allocating_task,
            oom_dump_tasks,
            overcommit_memory,
            swappiness,
        } = settings;
        Self { panic_on_oom, oom_kill_allocating_task, oom_dump_tasks, overcommit_memory, swappiness }
    }
}

impl<'a> From<&'a Hook> for HookJson<'a> {
    fn from(hook: &'a Hook) -> Self {
        Self { target: &hook.target, kind: &hook.kind, missing: hook.missing.as_deref() }
    }
}

#[derive(Serialize)]
pub(crate) struct LostJson {
    candidates: u64,
    records: u64,
    reads: u64,
    victims: u64,
    rejected: u64,
    unclosed: u64,
    missed_runs: Option<u64>,
    lines: u64,
    reports: u64,
    log_records: u64,
}

impl From<Lost> for LostJson {
    fn from(lost: Lost) -> Self {
        let Lost {
            candidates,
            records,
            reads,
            victims,
            rejected,
            unclosed,
            missed_runs,
            lines,
            reports,
            log_records,
        } = lost;
        Self {
            candidates,
            records,
            reads,
            victims,
            rejected,
            unclosed,
            missed_runs,
            lines,
            reports,
            log_records,
        }
    }
}

/// Only recordings have gaps, and few.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn none(count: &u64) -> bool {
    *count == 0
}

#[derive(Serialize)]
pub(super) struct GapJson<'a> {
    r#type: &'static str,
    cause: &'static str,
    records: Option<u64>,
    bytes: Option<u64>,
    episodes: Option<u64>,
    first_time: Option<String>,
    first_boot_ns: Option<u64>,
    last_boot_ns: Option<u64>,
    error: Option<&'a str>,
}

impl<'a> GapJson<'a> {
    pub(super) fn new(gap: &'a Gap, info: Option<&SessionInfo>) -> Self {
        let time = |ns| info.and_then(|info| info.unix_ns(ns)).and_then(rfc3339);
        Self {
            r#type: "gap",
            cause: match gap.cause {
                Gap::BEHIND => "behind",
                Gap::TARGET => "target",
                Gap::ELSEWHERE => "elsewhere",
                _ => "unknown",
            },
            records: gap.records,
            bytes: gap.bytes,
            episodes: gap.episodes,
            first_time: gap.first_boot_ns.and_then(time),
            first_boot_ns: gap.first_boot_ns,
            last_boot_ns: gap.last_boot_ns,
            error: gap.error.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct End<'a> {
    r#type: &'static str,
    complete: bool,
    episodes: u64,
    victims: u64,
    boot_ns: Option<u64>,
    hidden: u64,
    #[serde(skip_serializing_if = "none")]
    gaps: u64,
    lost: LostJson,
    ledger: LedgerJson<'a>,
    stats: Option<StatsJson<'a>>,
}

impl<'a> End<'a> {
    pub(super) fn new(totals: &'a Totals, info: Option<&SessionInfo>) -> Self {
        let &Totals {
            complete,
            episodes,
            victims,
            hidden,
            boot_ns,
            gaps,
            lost,
            ref ledger,
            ref stats,
            samples: _,
        } = totals;
        Self {
            r#type: "end",
            complete,
            episodes,
            victims,
            boot_ns: boot_ns.and_then(|ns| info.map_or(Some(ns), |info| info.boot_ns(ns))),
            hidden,
            gaps,
            lost: lost.into(),
            ledger: ledger.into(),
            stats: stats.as_ref().map(StatsJson::from),
        }
    }
}
