//! The line of one episode explained.

mod what_if;

use serde::Serialize;

use crate::explain::cause::{Basis, Makeup, Margin, Protected};
use crate::explain::contest::Turn;
use crate::explain::gaps::Gap;
use crate::explain::limits::{Limits, Machine, Next};
use crate::explain::settings::InForce;
use crate::explain::timeline::{Event, Moment};
use crate::explain::{Check, Explanation, Row};
use crate::model::episode::{Episode, Person, RankedCandidate, Scope};
use crate::model::{SessionInfo, ShortId};

use super::episode::{outcome, reason, why};
use super::evidence::AdjJson;
use super::{NameJson, rfc3339};
use what_if::{WhatIfJson, what_if_json};

/// One JSON object, without the end of the line.
///
/// # Errors
///
/// What the serialiser says; none is to be expected.
pub fn explanation(explanation: &Explanation<'_>) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&ExplainLine::new(explanation))
}

#[derive(Serialize)]
struct ExplainLine<'a> {
    r#type: &'static str,
    episode: u64,
    short_id: String,
    time: Option<String>,
    boot_ns: Option<u64>,
    page_size: u32,
    outcome: &'static str,
    scope: Option<&'static str>,
    sysrq: Option<bool>,
    basis: &'static str,
    totalpages: Option<u64>,
    killable: u64,
    chosen: Option<ChosenJson<'a>>,
    margin: Option<MarginJson<'a>>,
    check: Option<CheckJson<'a>>,
    victims: Vec<DeadJson<'a>>,
    candidates: Vec<RowJson<'a>>,
    candidates_more: u64,
    protected: Vec<ProtectedJson<'a>>,
    limits: Option<LimitsJson<'a>>,
    machine: MachineJson,
    settings: SettingsJson,
    oom_group: Option<NameJson<'a>>,
    adj_changes: Vec<AdjJson<'a>>,
    timeline: Vec<MomentJson<'a>>,
    unknown: Vec<&'static str>,
    what_if: Option<WhatIfJson<'a>>,
}

#[derive(Serialize)]
struct PersonJson<'a> {
    pid: i32,
    comm: NameJson<'a>,
}

impl<'a> From<&'a Person> for PersonJson<'a> {
    fn from(person: &'a Person) -> Self {
        Self { pid: person.pid, comm: NameJson::from(&person.comm) }
    }
}

#[derive(Serialize)]
struct ChosenJson<'a> {
    #[serde(flatten)]
    person: PersonJson<'a>,
    oom_score_adj: Option<i16>,
    points: Option<i64>,
    memory_pages: Option<i64>,
    adj_pages: Option<i64>,
    adj_step_pages: Option<u64>,
    rss_anon_pages: Option<u64>,
    rss_file_pages: Option<u64>,
    rss_shmem_pages: Option<u64>,
    swap_entries: Option<u64>,
    pgtables_bytes: Option<u64>,
    difference: Option<i64>,
}

#[derive(Serialize)]
struct MarginJson<'a> {
    runner_up: PersonJson<'a>,
    runner_up_points: i64,
    points: i64,
    memory_pages: Option<i64>,
    adj_pages: Option<i64>,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    same: Option<bool>,
    named: Option<PersonJson<'a>>,
}

#[derive(Serialize)]
struct DeadJson<'a> {
    #[serde(flatten)]
    person: PersonJson<'a>,
    why: &'static str,
}

#[derive(Serialize)]
struct RowJson<'a> {
    #[serde(flatten)]
    person: PersonJson<'a>,
    points: Option<i64>,
    oom_score_adj: Option<i16>,
    memory_pages: Option<i64>,
    victim: bool,
    in_group: bool,
    spared_at_adj: Option<i16>,
    instead: Option<i32>,
    chosen_at_adj: Option<i16>,
    turn_known: bool,
}

#[derive(Serialize)]
struct ProtectedJson<'a> {
    reason: &'static str,
    scored: bool,
    count: u64,
    biggest: Vec<HolderJson<'a>>,
}

#[derive(Serialize)]
struct HolderJson<'a> {
    #[serde(flatten)]
    person: PersonJson<'a>,
    memory_pages: u64,
}

#[derive(Serialize)]
struct LimitsJson<'a> {
    chain: Vec<RoomJson<'a>>,
    next: NextJson<'a>,
}

#[derive(Serialize)]
struct RoomJson<'a> {
    path: Option<NameJson<'a>>,
    limiting: bool,
    usage_pages: Option<u64>,
    max_pages: Option<u64>,
    headroom_pages: Option<u64>,
    high_pages: Option<u64>,
    swap_usage_pages: Option<u64>,
    swap_max_pages: Option<u64>,
}

#[derive(Serialize)]
struct NextJson<'a> {
    kind: &'static str,
    path: Option<NameJson<'a>>,
    headroom_pages: Option<u64>,
    useful_max_pages: Option<u64>,
}

#[derive(Serialize)]
struct MachineJson {
    free_pages: Option<u64>,
    reserve_pages: Option<u64>,
    anon_pages: Option<u64>,
    file_pages: Option<u64>,
    slab_unreclaimable_pages: Option<u64>,
    swap_free_pages: Option<u64>,
    swap_total_pages: Option<u64>,
}

#[derive(Serialize)]
struct SettingsJson {
    at_the_choice: bool,
    panic_on_oom: Option<i32>,
    oom_kill_allocating_task: Option<i32>,
    oom_dump_tasks: Option<i32>,
}

#[derive(Serialize)]
struct MomentJson<'a> {
    event: &'static str,
    boot_ns: Option<u64>,
    delay_ns: Option<u64>,
    who: Option<PersonJson<'a>>,
    freed_pages: Option<u64>,
    span_ns: Option<u64>,
}

impl<'a> ExplainLine<'a> {
    fn new(explanation: &'a Explanation<'a>) -> Self {
        let Explanation { episode, session, .. } = explanation;
        Self {
            r#type: "explain",
            episode: episode.id,
            short_id: ShortId::of(episode, session).to_string(),
            time: episode.opened_ns.and_then(|ns| session.unix_ns(ns)).and_then(rfc3339),
            boot_ns: episode.opened_ns.and_then(|ns| session.boot_ns(ns)),
            page_size: session.page_size,
            outcome: outcome(episode.outcome),
            scope: episode.scope.map(|scope| match scope {
                Scope::Global => "global",
                Scope::Memcg => "memcg",
            }),
            sysrq: episode.order.map(|order| order == -1),
            basis: basis(explanation.basis),
            totalpages: episode.totalpages,
            killable: explanation.killable,
            chosen: explanation.chosen.map(|chosen| chosen_json(chosen, explanation.makeup)),
            margin: explanation.margin.map(|margin| margin_json(&margin)),
            check: explanation.check.map(check),
            victims: episode
                .victims
                .iter()
                .map(|victim| DeadJson { person: PersonJson::from(&victim.task), why: why(victim.why) })
                .collect(),
            candidates: explanation.top.iter().map(RowJson::from).collect(),
            candidates_more: explanation.more,
            protected: explanation.protected.iter().map(ProtectedJson::from).collect(),
            limits: explanation.limits.as_ref().map(LimitsJson::from),
            machine: machine(explanation.machine),
            settings: settings(explanation.settings),
            oom_group: episode.oom_group.as_ref().map(NameJson::from),
            adj_changes: explanation
                .adj_changes
                .iter()
                .map(|change| AdjJson::new(change, explanation.session))
                .collect(),
            timeline: explanation
                .timeline
                .iter()
                .map(|moment| moment_json(episode, session, *moment))
                .collect(),
            unknown: explanation.gaps.iter().map(|gap| gap_word(*gap)).collect(),
            what_if: explanation.what_if.as_ref().map(|what_if| what_if_json(explanation, what_if)),
        }
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Points => "points",
        Basis::Origin => "oom_flag_origin",
        Basis::AllocatingTask => "allocating_task",
        Basis::DyingTrigger => "dying_trigger",
        Basis::Notifier => "notifier",
        Basis::StillDying => "still_dying",
        Basis::NoFsReclaim => "no_fs_reclaim",
        Basis::SwitchedOff => "switched_off",
        Basis::NotSeen => "unknown",
    }
}

fn chosen_json(chosen: &RankedCandidate, makeup: Option<Makeup>) -> ChosenJson<'_> {
    let memory = chosen.memory.unwrap_or_default();
    ChosenJson {
        person: PersonJson::from(&chosen.task),
        oom_score_adj: chosen.task.oom_score_adj,
        points: chosen.points(),
        memory_pages: makeup.and_then(|makeup| makeup.memory_pages),
        adj_pages: makeup.and_then(|makeup| makeup.adj_pages),
        adj_step_pages: makeup.and_then(|makeup| makeup.step_pages),
        rss_anon_pages: memory.rss_anon_pages,
        rss_file_pages: memory.rss_file_pages,
        rss_shmem_pages: memory.rss_shmem_pages,
        swap_entries: memory.swap_entries,
        pgtables_bytes: memory.pgtables_bytes,
        difference: makeup.and_then(|makeup| makeup.difference),
    }
}

fn margin_json<'a>(margin: &Margin<'a>) -> MarginJson<'a> {
    MarginJson {
        runner_up: PersonJson::from(margin.runner_up),
        runner_up_points: margin.runner_up_points,
        points: margin.points,
        memory_pages: margin.memory_pages,
        adj_pages: margin.adj_pages,
    }
}

fn check(check: Check<'_>) -> CheckJson<'_> {
    let (same, named) = match check {
        Check::Same | Check::SameNobody => (Some(true), None),
        Check::Differs { named } => (Some(false), named),
        Check::CannotTell => (None, None),
    };
    CheckJson { same, named: named.map(|named| PersonJson::from(&named.task)) }
}

impl<'a> From<&Row<'a>> for RowJson<'a> {
    fn from(row: &Row<'a>) -> Self {
        let (spared_at_adj, instead, chosen_at_adj) = match row.turn {
            Turn::Spared { at, instead } => (Some(at), instead, None),
            Turn::Chosen { at } => (None, None, Some(at)),
            Turn::InGroup => (Some(-1000), None, None),
            Turn::Never | Turn::Unknown => (None, None, None),
        };
        Self {
            person: PersonJson::from(&row.candidate.task),
            points: row.candidate.points(),
            oom_score_adj: row.candidate.task.oom_score_adj,
            memory_pages: row.memory_pages,
            victim: row.victim,
            in_group: row.turn == Turn::InGroup,
            spared_at_adj,
            instead,
            chosen_at_adj,
            turn_known: row.turn != Turn::Unknown,
        }
    }
}

impl<'a> From<&'a Protected<'a>> for ProtectedJson<'a> {
    fn from(protected: &'a Protected<'a>) -> Self {
        let biggest = protected.biggest.iter().map(|(person, memory_pages)| HolderJson {
            person: PersonJson::from(*person),
            memory_pages: *memory_pages,
        });
        Self {
            reason: reason(protected.reason),
            scored: protected.scored,
            count: protected.count,
            biggest: biggest.collect(),
        }
    }
}

impl<'a> From<&'a Limits<'a>> for LimitsJson<'a> {
    fn from(limits: &'a Limits<'a>) -> Self {
        let chain = limits.levels.iter().map(|room| RoomJson {
            path: room.level.path.as_ref().map(NameJson::from),
            limiting: room.level.limiting,
            usage_pages: room.level.usage_pages,
            max_pages: room.level.max_pages,
            headroom_pages: room.headroom_pages,
            high_pages: room.level.high_pages,
            swap_usage_pages: room.level.swap_usage_pages,
            swap_max_pages: room.level.swap_max_pages,
        });
        let none = |kind| NextJson { kind, path: None, headroom_pages: None, useful_max_pages: None };
        let next = match limits.next {
            Next::Ancestor { level, headroom_pages, useful_max_pages } => NextJson {
                kind: "ancestor",
                path: level.path.as_ref().map(NameJson::from),
                headroom_pages: Some(headroom_pages),
                useful_max_pages: Some(useful_max_pages),
            },
            Next::Machine => none("machine"),
            Next::Unknown => none("unknown"),
        };
        Self { chain: chain.collect(), next }
    }
}

fn machine(machine: Machine) -> MachineJson {
    let Machine {
        free_pages,
        reserve_pages,
        anon_pages,
        file_pages,
        slab_pages,
        swap_free_pages,
        swap_total_pages,
    } = machine;
    MachineJson {
        free_pages,
        reserve_pages,
        anon_pages,
        file_pages,
        slab_unreclaimable_pages: slab_pages,
        swap_free_pages,
        swap_total_pages,
    }
}

fn settings(in_force: InForce) -> SettingsJson {
    SettingsJson {
        at_the_choice: in_force.at_the_choice,
        panic_on_oom: in_force.settings.panic_on_oom,
        oom_kill_allocating_task: in_force.settings.oom_kill_allocating_task,
        oom_dump_tasks: in_force.settings.oom_dump_tasks,
    }
}

fn moment_json<'a>(episode: &'a Episode, session: &SessionInfo, moment: Moment) -> MomentJson<'a> {
    let (event, victim, freed_pages, span_ns) = match moment.event {
        Event::Entered => ("entered", None, None, None),
        Event::FirstCandidate => ("first_candidate", None, None, None),
        Event::Chosen => ("chosen", None, None, None),
        Event::Signalled { victim } => ("signalled", Some(victim), None, None),
        Event::Marked { victim } => ("marked", Some(victim), None, None),
        Event::Reported => ("reported", None, None, None),
        Event::Returned => ("returned", None, None, None),
        Event::Folded { span_ns } => ("folded", None, None, Some(span_ns)),
        Event::ReaperStarted { victim } => ("reaper_started", Some(victim), None, None),
        Event::ReaperFinished { victim, freed_pages } => ("reaper_finished", Some(victim), freed_pages, None),
        Event::Exited { victim } => ("exited", Some(victim), None, None),
        Event::Released { victim } => ("released", Some(victim), None, None),
    };
    let who = victim.and_then(|victim| episode.victims.get(victim)).map(|victim| &victim.task);
    MomentJson {
        event,
        boot_ns: session.boot_ns(moment.at_ns),
        delay_ns: moment.delay_ns,
        who: who.map(PersonJson::from),
        freed_pages,
        span_ns,
    }
}

fn gap_word(gap: Gap) -> &'static str {
    match gap {
        Gap::Entry => "entry",
        Gap::Return => "return",
        Gap::Candidates(_) => "candidates",
        Gap::ScorerSilent => "scorer_silent",
        Gap::Points(_) => "points",
        Gap::Formula => "formula",
        Gap::ApproximateParts => "approximate_parts",
        Gap::Limits => "limits",
        Gap::NoComparison => "no_comparison",
        Gap::MachineMemory => "machine_memory",
        Gap::Exits(_) => "exits",
        Gap::AdjChanges => "adj_changes",
        Gap::Records => "records",
        Gap::Reads => "reads",
    }
}
