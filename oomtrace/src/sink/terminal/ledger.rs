//! The ledger in a sentence.

use crate::model::Ledger;
use crate::model::ledger::Reason;

use super::words;

/// What the kernel counted against what was captured; `None` when its counters are not known, as in recordings of older
/// versions and in those without an end.
pub(crate) fn line(ledger: &Ledger) -> Option<String> {
    let counted = ledger.counted?;
    let missed = ledger.missed()?;
    let mut line = match (counted, ledger.captured) {
        (0, 0) => "the kernel counted no kill".to_owned(),
        // Should not be; and if it is, no sum is made of it.
        (counted, captured) if captured > counted => {
            format!("{} captured, and the kernel counted {counted}", words::count(captured, "kill"))
        }
        (counted, captured) => {
            let are = if captured == 1 { "is" } else { "are" };
            let kills = if counted == 1 { "kill" } else { "kills" };
            format!(
                "{} of {} {kills} that the kernel counted {are} accounted for",
                words::grouped(captured.into()),
                words::grouped(counted.into()),
            )
        }
    };
    if ledger.processes < ledger.captured {
        let processes = words::counted(ledger.processes, "process", "processes");
        line.push_str(&format!(" ({processes}: the first one of a group is counted twice)"));
    }
    if missed > 0 {
        let why: Vec<&str> = ledger.reasons.iter().copied().map(reason).collect();
        line.push_str(&format!(
            ", {} missed, most likely because {}",
            words::grouped(missed.into()),
            why.join(", or ")
        ));
        let places = ledger.cgroups.iter().map(|cgroup| {
            let path = cgroup.path.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string);
            format!("{} of {} in {path}", cgroup.captured, cgroup.counted)
        });
        let places: Vec<String> = places.collect();
        if !places.is_empty() {
            line.push_str(&format!(" (seen: {})", places.join(", ")));
        }
    }
    let beyond =
        [(ledger.shared_mm, "killed for sharing the memory of a victim"), (ledger.exiting, "dying anyway")];
    let beyond: Vec<(u64, &str)> = beyond.into_iter().filter(|(number, _)| *number > 0).collect();
    match beyond[..] {
        [] => {}
        [(number, why)] => line.push_str(&format!("; {} that it does not count ({why})", more(number))),
        _ => {
            let all = beyond.iter().map(|(number, _)| number).sum();
            let parts: Vec<String> = beyond.iter().map(|(number, why)| format!("{number} {why}")).collect();
            line.push_str(&format!("; {} that it does not count ({})", more(all), parts.join(", ")));
        }
    }
    Some(line)
}

fn more(number: u64) -> String {
    format!("{} more {}", words::grouped(number.into()), if number == 1 { "process" } else { "processes" })
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::RecordsLost => "records were lost",
        Reason::RunsMissed => "the kernel skipped runs of the probes",
        Reason::NotHooked => "__oom_kill_process is not hooked",
        Reason::UnderWay => "an OOM was under way when the capture began or ended",
        Reason::RunsUnknown => "the kernel skipped runs of the probes, which this one does not count",
    }
}
