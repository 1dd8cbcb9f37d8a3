//! The line of one ranking.

use std::io::{self, Write};

use serde::Serialize;

use crate::badness;
use crate::model::episode::{RankedCandidate, Verdict};
use crate::rank::{Differing, Report, Verification};

use super::episode::{MemoryJson, reason};
use super::{NameJson, rfc3339};

#[derive(Serialize)]
struct RankLine<'a> {
    r#type: &'static str,
    time: Option<String>,
    kernel_release: &'a str,
    page_size: u32,
    scope: &'static str,
    memcg: Option<&'a str>,
    limit_pages: Option<u64>,
    limit_assumed: bool,
    totalpages: u64,
    next: Option<NextJson<'a>>,
    /// How many there are, listed or not.
    ranked: usize,
    candidates: Vec<CandidateJson<'a>>,
    unseen: UnseenJson<'a>,
    verify: Option<VerifyJson<'a>>,
}

#[derive(Serialize)]
struct NextJson<'a> {
    pid: i32,
    comm: NameJson<'a>,
    points: Option<i64>,
}

#[derive(Serialize)]
struct CandidateJson<'a> {
    pid: i32,
    tid: i32,
    comm: NameJson<'a>,
    uid: Option<u32>,
    oom_score_adj: Option<i16>,
    points: Option<i64>,
    share: Option<i64>,
    #[serde(flatten)]
    memory: MemoryJson,
    cgroup: Option<NameJson<'a>>,
    verdict: &'static str,
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct UnseenJson<'a> {
    forbidden: u64,
    gone: u64,
    unexpected: u64,
    foreign: u64,
    threads: Option<u64>,
    hidepid: Option<&'a str>,
    all_pids: Option<bool>,
}

#[derive(Serialize)]
struct VerifyJson<'a> {
    checked: u64,
    agreed: u64,
    differing: Vec<DifferingJson<'a>>,
}

#[derive(Serialize)]
struct DifferingJson<'a> {
    pid: i32,
    comm: NameJson<'a>,
    oom_score: i64,
    computed: i64,
    cause: &'static str,
}

/// Writes a ranking as one line, with the first `top` candidates.
///
/// # Errors
///
/// Those of the writer.
pub fn ranking(mut writer: impl Write, report: &Report, top: usize) -> io::Result<()> {
    let mut line = serde_json::to_vec(&RankLine::new(report, top))?;
    line.push(b'\n');
    writer.write_all(&line)?;
    writer.flush()
}

impl<'a> RankLine<'a> {
    fn new(report: &'a Report, top: usize) -> Self {
        let ranking = &report.ranking;
        let unseen = report.unseen;
        Self {
            r#type: "rank",
            time: rfc3339(report.unix_ns.into()),
            kernel_release: &report.kernel_release,
            page_size: report.page_size,
            scope: if ranking.memcg.is_some() { "memcg" } else { "global" },
            memcg: ranking.memcg.as_deref(),
            limit_pages: report.limit_pages,
            limit_assumed: report.limit_assumed,
            totalpages: ranking.totalpages,
            next: ranking.next().map(|next| NextJson {
                pid: next.task.pid,
                comm: (&next.task.comm).into(),
                points: next.points(),
            }),
            ranked: ranking.candidates.len(),
            candidates: ranking
                .candidates
                .iter()
                .take(top)
                .map(|candidate| candidate_json(candidate, ranking.totalpages))
                .collect(),
            unseen: UnseenJson {
                forbidden: unseen.forbidden,
                gone: unseen.gone,
                unexpected: unseen.unexpected,
                foreign: unseen.foreign,
                threads: unseen.threads,
                hidepid: report.hidepid.as_deref(),
                all_pids: report.all_pids,
            },
            verify: report.verification.as_ref().map(verify_json),
        }
    }
}

fn candidate_json(candidate: &RankedCandidate, totalpages: u64) -> CandidateJson<'_> {
    let task = &candidate.task;
    let (verdict, why) = match candidate.verdict {
        Verdict::Chosen => ("next", None),
        // Nothing blocks a scan that nobody makes.
        Verdict::Outscored | Verdict::Blocking => ("outscored", None),
        Verdict::Unkillable(why) => ("unkillable", Some(reason(why))),
        Verdict::PassedOver(why) => ("passed_over", Some(reason(why))),
    };
    let points = candidate.points();
    CandidateJson {
        pid: task.pid,
        tid: task.tid,
        comm: (&task.comm).into(),
        uid: task.uid,
        oom_score_adj: task.oom_score_adj,
        points,
        share: points.and_then(|points| badness::share(points, totalpages)),
        memory: candidate.memory.into(),
        cgroup: task.cgroup.as_ref().map(NameJson::from),
        verdict,
        reason: why,
    }
}

fn verify_json(verification: &Verification) -> VerifyJson<'_> {
    VerifyJson {
        checked: verification.checked,
        agreed: verification.agreed,
        differing: verification.differing.iter().map(DifferingJson::from).collect(),
    }
}

impl<'a> From<&'a Differing> for DifferingJson<'a> {
    fn from(differing: &'a Differing) -> Self {
        let Differing { pid, comm, oom_score, computed, cause } = differing;
        Self { pid: *pid, comm: comm.into(), oom_score: *oom_score, computed: *computed, cause: cause.word() }
    }
}
