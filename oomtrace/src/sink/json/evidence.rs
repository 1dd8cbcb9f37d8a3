//! What was seen around the choice: call path, situation, changes of `oom_score_adj`, the timeline.

use serde::Serialize;

use crate::explain::timeline::{Event, timeline};
use crate::model::SessionInfo;
use crate::model::episode::Episode;
use crate::model::evidence::{AdjUpdated, Frame, Situation};

use super::{NameJson, rfc3339};

#[derive(Serialize)]
pub(super) struct FrameJson<'a> {
    function: Option<NameJson<'a>>,
    offset: Option<u32>,
    size: Option<u32>,
    module: Option<NameJson<'a>>,
}

impl<'a> From<&'a Frame> for FrameJson<'a> {
    fn from(frame: &'a Frame) -> Self {
        Self {
            function: frame.function.as_ref().map(NameJson::from),
            offset: frame.offset,
            size: frame.size,
            module: frame.module.as_ref().map(NameJson::from),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SituationJson<'a> {
    boot_ns: Option<u64>,
    cpu: Option<u32>,
    tainted: Option<u64>,
    nodemask_set: Option<bool>,
    nodemask: Option<&'a [u32]>,
    mems_allowed: Option<&'a [u32]>,
    cpuset: Option<NameJson<'a>>,
}

impl<'a> SituationJson<'a> {
    pub(super) fn new(situation: &'a Situation, info: &SessionInfo) -> Self {
        Self {
            boot_ns: info.boot_ns(situation.at.boot_ns),
            cpu: situation.cpu,
            tainted: situation.tainted,
            nodemask_set: situation.nodemask_set,
            nodemask: (situation.nodemask_set == Some(true)).then_some(&situation.nodemask),
            mems_allowed: situation.mems_allowed.as_deref(),
            cpuset: situation.cpuset.as_ref().map(NameJson::from),
        }
    }
}

#[derive(Serialize)]
pub(super) struct AdjJson<'a> {
    time: Option<String>,
    boot_ns: u64,
    tid: i32,
    comm: NameJson<'a>,
    oom_score_adj: i16,
    by_pid: Option<i32>,
    by_comm: Option<NameJson<'a>>,
}

impl<'a> AdjJson<'a> {
    pub(super) fn new(change: &'a AdjUpdated, info: &SessionInfo) -> Self {
        Self {
            time: info.unix_ns(change.at.boot_ns).and_then(rfc3339),
            boot_ns: change.at.boot_ns,
            tid: change.tid,
            comm: NameJson::from(&change.comm),
            oom_score_adj: change.oom_score_adj,
            by_pid: change.by_pid,
            by_comm: change.by_comm.as_ref().map(NameJson::from),
        }
    }
}

#[derive(Serialize)]
pub(super) struct MomentJson {
    event: &'static str,
    boot_ns: Option<u64>,
    ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_ns: Option<u64>,
}

pub(super) fn moments(episode: &Episode, info: &SessionInfo) -> Vec<MomentJson> {
    let moments = timeline(episode);
    moments
        .iter()
        .map(|moment| {
            let mut span = None;
            let (event, victim) = match moment.event {
                Event::Entered => ("entered", None),
                Event::Reported => ("reported", None),
                Event::FirstCandidate => ("first_candidate", None),
                Event::Chosen => ("chosen", None),
                Event::Signalled { victim } => ("signalled", Some(victim)),
                Event::Marked { victim } => ("marked", Some(victim)),
                Event::Returned => ("returned", None),
                Event::Folded { span_ns } => {
                    span = Some(span_ns);
                    ("folded", None)
                }
                Event::ReaperStarted { victim } => ("reaper_started", Some(victim)),
                Event::ReaperFinished { victim, .. } => ("reaper_finished", Some(victim)),
                Event::Exited { victim } => ("exited", Some(victim)),
                Event::Released { victim } => ("released", Some(victim)),
            };
            let pid = victim.and_then(|victim| episode.victims.get(victim)).map(|victim| victim.task.pid);
            MomentJson { event, boot_ns: info.boot_ns(moment.at_ns), ns: moment.delay_ns, pid, span_ns: span }
        })
        .collect()
}
