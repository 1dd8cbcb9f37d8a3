//! The line of a job that was run.

use serde::Serialize;

use crate::explain::explain;
use crate::explain::job::{Job, Kill, limit_needed, spared};
use crate::model::ShortId;

#[derive(Serialize)]
struct JobJson<'a> {
    r#type: &'static str,
    command: &'a [String],
    code: Option<i32>,
    signal: Option<i32>,
    status: u8,
    duration_ns: u64,
    source: Option<&'static str>,
    not_seen: &'a [String],
    cgroup: CgroupJson<'a>,
    peak: PeakJson,
    processes: u64,
    kills: Vec<KillJson>,
    more_kills: u64,
    other_kills: u64,
    counted: Option<CountedJson<'a>>,
    machine_kills: Option<u64>,
}

#[derive(Serialize)]
struct CgroupJson<'a> {
    path: &'a str,
    from_the_root: bool,
    made: Option<&'a str>,
}

#[derive(Serialize)]
struct PeakJson {
    cgroup_bytes: Option<u64>,
    cgroup_exact: Option<bool>,
    process_bytes: u64,
}

#[derive(Serialize)]
struct KillJson {
    id: u64,
    short_id: String,
    sure: bool,
    whose: &'static str,
    limiting: Option<String>,
    limit_bytes: Option<u64>,
    victims: Vec<i32>,
    more_than_bytes: Option<u64>,
    useful_bytes: Option<u64>,
    spared: Option<SparedJson>,
}

#[derive(Serialize)]
struct SparedJson {
    oom_score_adj: i16,
    instead: Option<i32>,
    instead_of_job: bool,
}

#[derive(Serialize)]
struct CountedJson<'a> {
    kills: u64,
    whose: &'static str,
    limiting: Option<&'a str>,
    limit_bytes: Option<u64>,
    sure: bool,
    met: &'a [String],
}

/// One JSON object, with the end of the line.
///
/// # Errors
///
/// What the serialiser says; none is to be expected.
pub fn job(job: &Job) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&JobJson {
        r#type: "job",
        command: &job.command,
        code: job.code,
        signal: job.signal,
        status: job.status,
        duration_ns: job.duration_ns,
        source: job.source.map(|source| source.word()),
        not_seen: &job.unseen,
        cgroup: CgroupJson {
            path: job.home.path.as_deref().unwrap_or(&job.home.shown),
            from_the_root: job.home.path.is_some(),
            made: job.home.made.as_deref(),
        },
        peak: PeakJson {
            cgroup_bytes: job.peak.map(|peak| peak.bytes),
            cgroup_exact: job.peak.map(|peak| peak.exact),
            process_bytes: job.largest_bytes,
        },
        processes: job.processes,
        kills: job.kills.iter().map(|kill| kill_json(job, kill)).collect(),
        more_kills: job.more_kills,
        other_kills: job.others,
        counted: job.counted.as_ref().map(|counted| CountedJson {
            kills: counted.kills,
            whose: counted.whose.word(),
            limiting: counted.limiting.as_deref(),
            limit_bytes: counted.limit_bytes,
            sure: counted.sure,
            met: &counted.met,
        }),
        machine_kills: job.machine_kills,
    })?;
    line.push(b'\n');
    Ok(line)
}

fn kill_json(job: &Job, kill: &Kill) -> KillJson {
    let Kill { episode, info, sure, relatives } = kill;
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    let explanation = explain(episode, info, &[]).ok();
    let needed = explanation.as_ref().and_then(limit_needed);
    let spared = explanation.as_ref().and_then(spared);
    KillJson {
        id: episode.id,
        short_id: ShortId::of(episode, info).to_string(),
        sure: *sure,
        whose: kill.victims().next().map_or("unknown", |victim| job.home.whose(episode, victim).word()),
        limiting: limiting.and_then(|level| level.path.as_ref()).map(ToString::to_string),
        limit_bytes: limiting.and_then(|level| level.max_pages).map(|pages| info.bytes(pages)),
        victims: kill.victims().map(|victim| victim.pid).collect(),
        more_than_bytes: needed.map(|(met, _)| info.bytes(met)),
        useful_bytes: needed.and_then(|(_, most)| most).map(|pages| info.bytes(pages)),
        spared: spared.map(|spared| SparedJson {
            oom_score_adj: spared.adj,
            instead: spared.instead,
            instead_of_job: spared.instead.is_some_and(|pid| relatives.contains(&pid)),
        }),
    }
}
