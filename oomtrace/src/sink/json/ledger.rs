//! The ledger, in the last line and in `oomtrace info`.

use serde::Serialize;

use crate::model::Ledger;
use crate::model::ledger::{CgroupLedger, Reason};

use super::NameJson;

#[derive(Serialize)]
pub(crate) struct LedgerJson<'a> {
    counted: Option<u64>,
    captured: u64,
    missed: Option<u64>,
    missed_because: Vec<&'static str>,
    processes: u64,
    not_counted: NotCountedJson,
    cgroups_compared: u64,
    cgroups: Vec<CgroupJson<'a>>,
}

#[derive(Serialize)]
struct NotCountedJson {
    shared_mm: u64,
    exiting: u64,
}

#[derive(Serialize)]
struct CgroupJson<'a> {
    path: Option<NameJson<'a>>,
    counted: u64,
    captured: u64,
}

impl<'a> From<&'a Ledger> for LedgerJson<'a> {
    fn from(ledger: &'a Ledger) -> Self {
        Self {
            counted: ledger.counted,
            captured: ledger.captured,
            missed: ledger.missed(),
            missed_because: ledger.reasons.iter().copied().map(word).collect(),
            processes: ledger.processes,
            not_counted: NotCountedJson { shared_mm: ledger.shared_mm, exiting: ledger.exiting },
            cgroups_compared: ledger.cgroups_compared,
            cgroups: ledger.cgroups.iter().map(CgroupJson::from).collect(),
        }
    }
}

impl<'a> From<&'a CgroupLedger> for CgroupJson<'a> {
    fn from(cgroup: &'a CgroupLedger) -> Self {
        let CgroupLedger { path, counted, captured } = cgroup;
        Self { path: path.as_ref().map(NameJson::from), counted: *counted, captured: *captured }
    }
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::RecordsLost => "records_lost",
        Reason::RunsMissed => "runs_missed",
        Reason::NotHooked => "not_hooked",
        Reason::UnderWay => "under_way",
        Reason::RunsUnknown => "runs_unknown",
    }
}
