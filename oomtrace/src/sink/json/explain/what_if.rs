//! The part of the line that is about something different.

use serde::Serialize;

use crate::explain::Explanation;
use crate::explain::change::{Change, Who};
use crate::explain::group::Group;
use crate::explain::what_if::{Fall, Spared, Supposed, Then, WhatIf};
use crate::model::episode::Person;
use crate::sink::terminal::text;

use super::PersonJson;

#[derive(Serialize)]
pub(super) struct WhatIfJson<'a> {
    changes: Vec<ChangeJson<'a>>,
    result: &'static str,
    victim: Option<VictimJson<'a>>,
    same_victim: Option<bool>,
    margin: Option<i64>,
    runner_up: Option<PersonJson<'a>>,
    group: Vec<PersonJson<'a>>,
    shared_mm: Vec<PersonJson<'a>>,
    room_pages: Option<i64>,
    then: Option<ThenJson<'a>>,
    unknown: Vec<String>,
}

#[derive(Serialize)]
struct VictimJson<'a> {
    #[serde(flatten)]
    person: PersonJson<'a>,
    points: Option<i64>,
}

#[derive(Serialize)]
struct ChangeJson<'a> {
    change: &'static str,
    who: Option<String>,
    processes: Vec<PersonJson<'a>>,
    oom_score_adj: Option<i16>,
    limit_bytes: Option<u64>,
}

#[derive(Serialize)]
struct ThenJson<'a> {
    victim: Option<VictimJson<'a>>,
    points: Option<i64>,
    margin: Option<i64>,
    group: Vec<PersonJson<'a>>,
    shared_mm: Vec<PersonJson<'a>>,
    trigger: PersonJson<'a>,
    growth_pages: i64,
    assumption: String,
}

pub(super) fn what_if_json<'a>(explanation: &'a Explanation<'a>, what_if: &'a WhatIf<'a>) -> WhatIfJson<'a> {
    let (result, fall, room_pages) = match &what_if.result {
        Supposed::Kill(fall) => ("kill", Some(fall), None),
        Supposed::NoKill(Spared::Room { pages }) => ("no_kill", None, Some(*pages)),
        Supposed::NoKill(Spared::NotAsked | Spared::AsItWas) => ("no_kill", None, None),
        Supposed::NoneKillable => ("none_killable", None, None),
        Supposed::Unknown(_) => ("unknown", None, None),
    };
    let doubts =
        what_if.doubts.iter().map(|doubt| text::doubt(explanation.episode, explanation.session, doubt));
    WhatIfJson {
        changes: what_if.changes.iter().map(|(change, whom)| change_json(change, whom)).collect(),
        result,
        victim: fall.map(victim),
        same_victim: fall.map(|fall| fall.same),
        margin: fall.and_then(margin_of),
        runner_up: fall.and_then(|fall| fall.runner_up).map(|(person, _)| PersonJson::from(person)),
        group: fall.map(group).unwrap_or_default(),
        shared_mm: fall.map(sharing).unwrap_or_default(),
        room_pages,
        then: what_if.then.as_ref().map(|then| then_json(explanation, then)),
        unknown: doubts.collect(),
    }
}

fn victim<'a>(fall: &'a Fall<'a>) -> VictimJson<'a> {
    VictimJson { person: PersonJson::from(fall.person), points: fall.points }
}

/// Not of one that comes before all that have points.
fn margin_of(fall: &Fall<'_>) -> Option<i64> {
    fall.runner_up.filter(|_| fall.points.is_some()).map(|(_, margin)| margin)
}

fn group<'a>(fall: &'a Fall<'a>) -> Vec<PersonJson<'a>> {
    match &fall.group {
        Group::With { members, .. } => members.iter().map(|person| PersonJson::from(*person)).collect(),
        Group::Nobody | Group::Unknown => Vec::new(),
    }
}

fn sharing<'a>(fall: &'a Fall<'a>) -> Vec<PersonJson<'a>> {
    fall.sharing.iter().map(|person| PersonJson::from(*person)).collect()
}

fn change_json<'a>(change: &'a Change, whom: &'a [&'a Person]) -> ChangeJson<'a> {
    let who = |who: &Who| match who {
        Who::Pid(pid) => pid.to_string(),
        Who::Name(name) => name.clone(),
    };
    let (word, who, oom_score_adj, limit_bytes) = match change {
        Change::Adj { who: whose, adj } => ("adj", Some(who(whose)), Some(*adj), None),
        Change::Limit { bytes } => ("limit", None, None, Some(*bytes)),
        Change::Kill { who: whom } => ("kill", Some(who(whom)), None, None),
    };
    let processes = whom.iter().map(|person| PersonJson::from(*person)).collect();
    ChangeJson { change: word, who, processes, oom_score_adj, limit_bytes }
}

fn then_json<'a>(explanation: &'a Explanation<'a>, then: &'a Then<'a>) -> ThenJson<'a> {
    let fall = then.fall.as_ref();
    ThenJson {
        victim: fall.map(victim),
        points: fall.and_then(|fall| fall.points),
        margin: fall.and_then(margin_of),
        group: fall.map(group).unwrap_or_default(),
        shared_mm: fall.map(sharing).unwrap_or_default(),
        trigger: PersonJson::from(then.trigger),
        growth_pages: then.growth_pages,
        assumption: text::assumption(explanation.session, then),
    }
}
