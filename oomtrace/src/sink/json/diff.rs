//! The line of a comparison of two episodes.

use serde::Serialize;

use crate::explain::diff::{Difference, Row, Share, Side};
use crate::model::ShortId;

use super::episode::{outcome, scope};
use super::session::SettingsJson;
use super::{NameJson, rfc3339};

#[derive(Serialize)]
struct DiffJson<'a> {
    r#type: &'static str,
    before: SideJson<'a>,
    after: SideJson<'a>,
    names: Vec<RowJson<'a>>,
    cgroups: Vec<RowJson<'a>>,
}

#[derive(Serialize)]
struct SideJson<'a> {
    id: u64,
    short_id: String,
    host: Option<&'a str>,
    boot_id: Option<&'a str>,
    time: Option<String>,
    scope: Option<&'static str>,
    outcome: &'static str,
    memcg: Option<NameJson<'a>>,
    usage_bytes: Option<u64>,
    limit_bytes: Option<u64>,
    allowed_bytes: Option<u64>,
    ram_bytes: Option<u64>,
    swap_bytes: Option<u64>,
    candidates: u64,
    candidates_lost: u64,
    settings: SettingsJson,
}

#[derive(Serialize)]
struct RowJson<'a> {
    name: NameJson<'a>,
    before: ShareJson,
    after: ShareJson,
    change_bytes: Option<i64>,
}

#[derive(Serialize)]
struct ShareJson {
    processes: u64,
    bytes: Option<u64>,
}

impl<'a> From<Side<'a>> for SideJson<'a> {
    fn from(side: Side<'a>) -> Self {
        let Side { episode, info } = side;
        let limiting = episode.memcg.iter().find(|level| level.limiting);
        let bytes = |pages: Option<u64>| pages.map(|pages| info.bytes(pages));
        let seen = episode.opened_ns.or(episode.closed_ns);
        Self {
            id: episode.id,
            short_id: ShortId::of(episode, info).to_string(),
            host: info.host.as_deref(),
            boot_id: info.boot_id.as_deref(),
            time: seen.and_then(|ns| info.unix_ns(ns)).and_then(rfc3339),
            scope: episode.scope.map(scope),
            outcome: outcome(episode.outcome),
            memcg: limiting.and_then(|level| level.path.as_ref()).map(NameJson::from),
            usage_bytes: bytes(limiting.and_then(|level| level.usage_pages)),
            limit_bytes: bytes(limiting.and_then(|level| level.max_pages)),
            allowed_bytes: bytes(episode.totalpages),
            ram_bytes: info.ram_bytes,
            swap_bytes: info.swap_bytes,
            candidates: episode.candidates.len() as u64,
            candidates_lost: episode.lost.candidates,
            settings: episode.situation.as_ref().map_or(info.settings, |situation| situation.settings).into(),
        }
    }
}

impl From<Share> for ShareJson {
    fn from(share: Share) -> Self {
        Self { processes: share.processes, bytes: share.bytes }
    }
}

impl<'a> From<&'a Row> for RowJson<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            name: (&row.name).into(),
            before: row.before.into(),
            after: row.after.into(),
            change_bytes: row.change(),
        }
    }
}

/// One JSON object, without the end of the line.
///
/// # Errors
///
/// What the serialiser says; none is to be expected.
pub fn difference(difference: &Difference<'_>) -> serde_json::Result<Vec<u8>> {
    let Difference { before, after, names, cgroups } = difference;
    serde_json::to_vec(&DiffJson {
        r#type: "diff",
        before: (*before).into(),
        after: (*after).into(),
        names: names.iter().map(RowJson::from).collect(),
        cgroups: cgroups.iter().map(RowJson::from).collect(),
    })
}
