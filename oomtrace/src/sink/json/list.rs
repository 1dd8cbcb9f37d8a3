//! The lines of a list.

use serde::Serialize;

use crate::sink::listing::Row;

use super::episode::{outcome, scope};
use super::{NameJson, rfc3339};

#[derive(Serialize)]
struct RowJson<'a> {
    r#type: &'static str,
    file: &'a str,
    id: u64,
    short_id: &'a str,
    host: Option<&'a str>,
    boot_id: Option<&'a str>,
    time: Option<String>,
    scope: Option<&'static str>,
    outcome: &'static str,
    memcg: Option<NameJson<'a>>,
    victims: u64,
    victim: Option<VictimJson<'a>>,
}

#[derive(Serialize)]
struct VictimJson<'a> {
    pid: Option<i32>,
    comm: NameJson<'a>,
    cgroup: Option<NameJson<'a>>,
    namespace: Option<NameJson<'a>>,
    pod: Option<NameJson<'a>>,
    container: Option<NameJson<'a>>,
    resident_bytes: Option<u64>,
}

/// One JSON object, with the end of the line.
///
/// # Errors
///
/// What the serialiser says; none is to be expected.
pub fn listed(row: &Row) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&RowJson {
        r#type: "listed",
        file: &row.file,
        id: row.number,
        short_id: row.id.as_str(),
        host: row.host.as_deref(),
        boot_id: row.boot_id.as_deref(),
        time: row.unix_ns.and_then(rfc3339),
        scope: row.scope.map(scope),
        outcome: outcome(row.outcome),
        memcg: row.memcg.as_ref().map(NameJson::from),
        victims: row.victims,
        victim: row.victim.as_ref().map(|victim| VictimJson {
            pid: Some(victim.pid).filter(|&pid| pid != 0),
            comm: NameJson::from(&victim.comm),
            cgroup: victim.cgroup.as_ref().map(NameJson::from),
            namespace: row.called.namespace.as_ref().map(NameJson::from),
            pod: row.called.pod.as_ref().map(NameJson::from),
            container: row.called.container.as_ref().map(NameJson::from),
            resident_bytes: row.victim_bytes,
        }),
    })?;
    line.push(b'\n');
    Ok(line)
}
