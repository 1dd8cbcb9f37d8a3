//! The line of one episode, but for its candidates.

use serde::Serialize;

use crate::explain::timeline::freed_pages;
use crate::model::cgroup_path::{self, Container, Owner};
use crate::model::episode::{Episode, MemcgLimit, Outcome, Person, Reason, Scope, Victim, VictimWhy};
use crate::model::names::Names;
use crate::model::observation::{Constraint, Memory};
use crate::model::{Name, SessionInfo, ShortId, gfp};

use super::evidence::{AdjJson, FrameJson, MomentJson, SituationJson, moments};
use super::memory::{MachineJson, MemcgStatJson, machine};
use super::report::ReportJson;
use super::samples::SampleJson;
use super::session::{LostJson, SettingsJson};
use super::{NameJson, rfc3339};

/// What comes before the candidates.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    r#type: &'static str,
    id: u64,
    short_id: String,
    time: Option<String>,
    boot_ns: Option<u64>,
    duration_ns: Option<u64>,
    source: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_off: Option<bool>,
    scope: Option<&'static str>,
    constraint: Option<&'static str>,
    sysrq: Option<bool>,
    order: Option<i32>,
    gfp_mask: Option<GfpJson>,
    totalpages: Option<u64>,
    trigger: Option<TriggerJson<'a>>,
    situation: Option<SituationJson<'a>>,
    settings: Option<SettingsJson>,
    memory: Option<MachineJson<'a>>,
    memcg: Option<MemcgJson<'a>>,
    chosen_points: Option<i64>,
    message: Option<NameJson<'a>>,
    evaluated: Option<u32>,
    blocker: Option<i32>,
    scorer_silent: bool,
    report: Option<ReportJson<'a>>,
}

/// What comes behind them.
#[derive(Serialize)]
pub(super) struct Rest<'a> {
    victims: Vec<VictimJson<'a>>,
    oom_group: Option<NameJson<'a>>,
    adj_changes: Vec<AdjJson<'a>>,
    memory_before: Vec<SampleJson<'a>>,
    scan: Option<ScanJson>,
    timeline: Vec<MomentJson>,
    folded: FoldedJson,
    lost: LostJson,
}

#[derive(Serialize)]
struct GfpJson {
    raw: u32,
    hex: String,
    flags: Vec<String>,
}

#[derive(Serialize)]
struct TaskJson<'a> {
    pid: Option<i32>,
    tid: Option<i32>,
    comm: NameJson<'a>,
    uid: Option<u32>,
    oom_score_adj: Option<i16>,
    cgroup: Option<NameJson<'a>>,
    #[serde(flatten)]
    owner: OwnerJson<'a>,
}

#[derive(Serialize)]
struct TriggerJson<'a> {
    #[serde(flatten)]
    task: TaskJson<'a>,
    stack: Option<Vec<FrameJson<'a>>>,
    stack_cut: Option<bool>,
}

#[derive(Default, Serialize)]
pub(super) struct OwnerJson<'a> {
    container: Option<ContainerJson<'a>>,
    pod: Option<PodJson<'a>>,
    unit: Option<&'a str>,
}

#[derive(Serialize)]
struct ContainerJson<'a> {
    runtime: Option<&'static str>,
    id: &'a str,
    name: Option<NameJson<'a>>,
}

#[derive(Serialize)]
struct PodJson<'a> {
    uid: Option<String>,
    qos: Option<&'static str>,
    namespace: Option<NameJson<'a>>,
    name: Option<NameJson<'a>>,
}

#[derive(Serialize)]
struct MemcgJson<'a> {
    path: Option<NameJson<'a>>,
    #[serde(flatten)]
    owner: OwnerJson<'a>,
    chain: Vec<LevelJson<'a>>,
    stat: Option<MemcgStatJson<'a>>,
}

#[derive(Serialize)]
struct LevelJson<'a> {
    path: Option<NameJson<'a>>,
    limiting: bool,
    usage_pages: Option<u64>,
    max_pages: Option<u64>,
    high_pages: Option<u64>,
    swap_usage_pages: Option<u64>,
    swap_max_pages: Option<u64>,
    failcnt: Option<u64>,
    swap_failcnt: Option<u64>,
    min_pages: Option<u64>,
    low_pages: Option<u64>,
    oom_kills: Option<u64>,
    oom_group: Option<bool>,
    kmem_usage_pages: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct MemoryJson {
    rss_anon_pages: Option<u64>,
    rss_file_pages: Option<u64>,
    rss_shmem_pages: Option<u64>,
    swap_entries: Option<u64>,
    total_vm_pages: Option<u64>,
    pgtables_bytes: Option<u64>,
    rss_pages: Option<u64>,
}

#[derive(Serialize)]
struct VictimJson<'a> {
    #[serde(flatten)]
    task: TaskJson<'a>,
    why: &'static str,
    #[serde(flatten)]
    memory: MemoryJson,
    killed_boot_ns: Option<u64>,
    marked_boot_ns: Option<u64>,
    exited_boot_ns: Option<u64>,
    released_boot_ns: Option<u64>,
    reaped: Option<ReapedJson>,
}

#[derive(Serialize)]
struct ReapedJson {
    started_boot_ns: Option<u64>,
    finished_boot_ns: Option<u64>,
    skipped: bool,
    before: Option<MemoryJson>,
    after: Option<MemoryJson>,
    freed_pages: Option<u64>,
}

#[derive(Serialize)]
struct ScanJson {
    first_ns: u64,
    last_ns: u64,
}

#[derive(Serialize)]
struct FoldedJson {
    aborted_scans: u32,
    already_exiting: u32,
    repeats: u32,
    first_boot_ns: Option<u64>,
    last_boot_ns: Option<u64>,
}

impl<'a> Head<'a> {
    pub(super) fn new(episode: &'a Episode, info: &'a SessionInfo) -> Self {
        Self {
            r#type: "episode",
            id: episode.id,
            short_id: ShortId::of(episode, info).to_string(),
            time: episode.opened_ns.and_then(|ns| info.unix_ns(ns)).and_then(rfc3339),
            boot_ns: episode.opened_ns.and_then(|ns| info.boot_ns(ns)),
            duration_ns: episode.opened_ns.zip(episode.closed_ns).and_then(|(from, to)| to.checked_sub(from)),
            source: info.source.word(),
            outcome: outcome(episode.outcome),
            cut_off: episode.cut_off.then_some(true),
            scope: episode.scope.map(scope),
            constraint: episode.constraint.map(constraint),
            sysrq: episode.order.map(|order| order == -1),
            order: episode.order,
            gfp_mask: episode.gfp_mask.map(|raw| GfpJson {
                raw,
                hex: format!("{raw:#x}"),
                flags: gfp::names_of(episode, info),
            }),
            totalpages: episode.totalpages,
            trigger: episode.trigger.as_ref().map(|trigger| TriggerJson {
                task: TaskJson::new(trigger, &episode.names),
                stack: episode.stack.as_ref().map(|stack| stack.frames.iter().map(FrameJson::from).collect()),
                stack_cut: episode.stack.as_ref().map(|stack| stack.cut),
            }),
            situation: episode.situation.as_ref().map(|situation| SituationJson::new(situation, info)),
            // No report has them.
            settings: episode
                .situation
                .as_ref()
                .filter(|_| episode.report.is_none())
                .map(|situation| situation.settings.into()),
            memory: machine(episode, info),
            memcg: memcg(episode, info),
            chosen_points: episode.chosen_points,
            message: episode.message.as_ref().map(NameJson::from),
            evaluated: episode.evaluated,
            blocker: episode.blocker,
            scorer_silent: episode.scorer_silent,
            report: episode.report.as_ref().map(|report| ReportJson::new(report, episode, info)),
        }
    }
}

impl<'a> Rest<'a> {
    pub(super) fn new(episode: &'a Episode, info: &'a SessionInfo) -> Self {
        let folded = episode.folded;
        Self {
            victims: episode
                .victims
                .iter()
                .map(|victim| VictimJson::new(victim, &episode.names, info))
                .collect(),
            oom_group: episode.oom_group.as_ref().map(NameJson::from),
            adj_changes: episode.adj_changes.iter().map(|change| AdjJson::new(change, info)).collect(),
            memory_before: episode.memory_before.iter().map(|sample| SampleJson(sample)).collect(),
            timeline: moments(episode, info),
            scan: episode.scan_ns.zip(episode.opened_ns).map(|((first, last), opened)| ScanJson {
                first_ns: first.saturating_sub(opened),
                last_ns: last.saturating_sub(opened),
            }),
            folded: FoldedJson {
                aborted_scans: folded.aborted_scans,
                already_exiting: folded.already_exiting,
                repeats: folded.repeats,
                first_boot_ns: folded.span_ns.and_then(|(first, _)| info.boot_ns(first)),
                last_boot_ns: folded.span_ns.and_then(|(_, last)| info.boot_ns(last)),
            },
            lost: episode.lost.into(),
        }
    }
}

pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Killed => "killed",
        Outcome::GroupKilled => "group_killed",
        Outcome::AlreadyExiting => "already_exiting",
        Outcome::Freed => "freed",
        Outcome::NoneKillable => "none_killable",
        Outcome::Skipped => "skipped",
        Outcome::Incomplete => "incomplete",
    }
}

pub(crate) fn constraint(constraint: Constraint) -> &'static str {
    match constraint {
        Constraint::None => "none",
        Constraint::Cpuset => "cpuset",
        Constraint::MemoryPolicy => "mempolicy",
        Constraint::Memcg => "memcg",
    }
}

pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "global",
        Scope::Memcg => "memcg",
    }
}

pub(in crate::sink) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::AdjMin => "adj_min",
        Reason::Init => "init",
        Reason::Kthread => "kthread",
        Reason::Vfork => "vfork",
        Reason::Reaped => "reaped",
        Reason::NoMm => "no_mm",
        Reason::NotEligible => "not_eligible",
        Reason::Unknown => "unknown",
    }
}

pub(crate) fn why(why: VictimWhy) -> &'static str {
    match why {
        VictimWhy::Chosen => "chosen",
        VictimWhy::Group => "group",
        VictimWhy::SharedMm => "shared_mm",
        VictimWhy::Exiting => "exiting",
        VictimWhy::Child => "child",
    }
}

impl<'a> TaskJson<'a> {
    fn new(task: &'a Person, names: &'a Names) -> Self {
        Self {
            // 0 is nobody's: some old logs do not tell.
            pid: Some(task.pid).filter(|&pid| pid != 0),
            tid: Some(task.tid).filter(|&tid| tid != 0),
            comm: NameJson::from(&task.comm),
            uid: task.uid,
            oom_score_adj: task.oom_score_adj,
            cgroup: task.cgroup.as_ref().map(NameJson::from),
            owner: OwnerJson::of(task.cgroup.as_ref(), names),
        }
    }
}

impl<'a> OwnerJson<'a> {
    pub(super) fn of(cgroup: Option<&'a Name>, names: &'a Names) -> Self {
        let Some(cgroup) = cgroup else { return Self::default() };
        let owner = cgroup_path::owner(cgroup);
        let called = names.of(&owner);
        let Owner { container, pod, unit } = owner;
        let name = called.container.map(NameJson::from);
        Self {
            container: container.map(|Container { runtime, id }| ContainerJson { runtime, id, name }),
            // Of a container whose path names no pod it may be known all the same.
            pod: (pod.is_some() || called.pod.is_some()).then(|| PodJson {
                uid: pod.map(|pod| pod.uid()),
                qos: pod.and_then(|pod| pod.qos),
                namespace: called.namespace.map(NameJson::from),
                name: called.pod.map(NameJson::from),
            }),
            unit,
        }
    }
}

/// Known to be a memcg OOM, or with levels that say so.
fn memcg<'a>(episode: &'a Episode, info: &'a SessionInfo) -> Option<MemcgJson<'a>> {
    if episode.scope != Some(Scope::Memcg) && episode.memcg.is_empty() {
        return None;
    }
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    let path = limiting.and_then(|level| level.path.as_ref());
    Some(MemcgJson {
        path: path.map(NameJson::from),
        owner: OwnerJson::of(path, &episode.names),
        stat: episode.memcg_stat.as_ref().map(|stat| MemcgStatJson { stat, info }),
        chain: episode.memcg.iter().map(LevelJson::from).collect(),
    })
}

impl<'a> From<&'a MemcgLimit> for LevelJson<'a> {
    fn from(level: &'a MemcgLimit) -> Self {
        Self {
            path: level.path.as_ref().map(NameJson::from),
            limiting: level.limiting,
            usage_pages: level.usage_pages,
            max_pages: level.max_pages,
            high_pages: level.high_pages,
            swap_usage_pages: level.swap_usage_pages,
            swap_max_pages: level.swap_max_pages,
            failcnt: level.failcnt,
            swap_failcnt: level.swap_failcnt,
            min_pages: level.min_pages,
            low_pages: level.low_pages,
            oom_kills: level.oom_kills,
            oom_group: level.oom_group,
            kmem_usage_pages: level.kmem_usage_pages,
        }
    }
}

impl From<Option<Memory>> for MemoryJson {
    fn from(memory: Option<Memory>) -> Self {
        let rss_pages = memory.and_then(|memory| memory.resident_pages());
        let Memory {
            rss_anon_pages,
            rss_file_pages,
            rss_shmem_pages,
            swap_entries,
            pgtables_bytes,
            total_vm_pages,
            ..
        } = memory.unwrap_or_default();
        Self {
            rss_anon_pages,
            rss_file_pages,
            rss_shmem_pages,
            swap_entries,
            total_vm_pages,
            pgtables_bytes,
            rss_pages,
        }
    }
}

impl<'a> VictimJson<'a> {
    fn new(victim: &'a Victim, names: &'a Names, info: &SessionInfo) -> Self {
        let boot = |ns: Option<u64>| ns.and_then(|ns| info.boot_ns(ns));
        Self {
            task: TaskJson::new(&victim.task, names),
            why: why(victim.why),
            memory: victim.memory.into(),
            killed_boot_ns: boot(victim.killed_ns),
            marked_boot_ns: boot(victim.marked_ns),
            exited_boot_ns: boot(victim.exited_ns),
            released_boot_ns: boot(victim.released_ns),
            reaped: victim.reaped.map(|reaped| ReapedJson {
                started_boot_ns: boot(reaped.started_ns),
                finished_boot_ns: boot(reaped.finished_ns),
                skipped: reaped.skipped,
                before: reaped.before.map(|memory| Some(memory).into()),
                after: reaped.after.map(|memory| Some(memory).into()),
                freed_pages: freed_pages(&reaped),
            }),
        }
    }
}
