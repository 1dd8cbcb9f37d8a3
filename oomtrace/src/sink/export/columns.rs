//! The columns of the tables. Their names, order, types and units are a promise (`docs/export.md`): new ones go to the end of
//! their table.

use crate::badness;
use crate::explain::timeline::freed_pages;
use crate::model::episode::Verdict;
use crate::model::names::Called;
use crate::model::observation::TaskFlags;
use crate::sink::json::{constraint, outcome, reason, scope, why};

use super::row::{Row, Value, int, name, text, truth};

/// A column.
#[derive(Clone, Copy)]
pub struct Column {
    pub(super) name: &'static str,
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "text has no types"))]
    pub(super) kind: Kind,
    pub(super) value: for<'r> fn(&Row<'r>) -> Value<'r>,
}

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 64 bits, signed.
    Int,
    Bool,
    /// UTF-8.
    Text,
    /// UTC, in microseconds.
    Time,
}

use Kind::{Bool, Int, Text, Time};

const fn column(name: &'static str, kind: Kind, value: for<'r> fn(&Row<'r>) -> Value<'r>) -> Column {
    Column { name, kind, value }
}

/// What every row of every table begins with: a fleet's files are then one table.
pub(super) const COMMON: &[Column] = &[
    column("host", Text, |row| text(row.info.host.as_deref())),
    column("boot_id", Text, |row| text(row.info.boot_id.as_deref())),
    column("episode_id", Text, |row| text(Some(row.id.as_str()))),
    column("episode", Int, |row| int(Some(row.episode.id))),
    column("time", Time, |row| {
        let unix_ns = row.stamp().and_then(|ns| row.info.unix_ns(ns));
        let us = unix_ns.and_then(|ns| i64::try_from(ns.div_euclid(1000)).ok());
        us.map_or(Value::Null, Value::Time)
    }),
    column("boot_ns", Int, |row| int(row.stamp().and_then(|ns| row.info.boot_ns(ns)))),
    column("source", Text, |row| text(Some(row.info.source.word()))),
    column("kernel_release", Text, |row| text(row.info.kernel_release.as_deref())),
    column("page_size", Int, |row| int(Some(row.info.page_size))),
    column("scope", Text, |row| text(row.episode.scope.map(scope))),
    column("outcome", Text, |row| text(Some(outcome(row.episode.outcome)))),
    column("memcg", Text, |row| {
        let limiting = row.episode.memcg.iter().find(|level| level.limiting);
        name(limiting.and_then(|level| level.path.as_ref()))
    }),
];

/// Of an episode.
pub(super) const EPISODE: &[Column] = &[
    column("duration_ns", Int, |row| row.after(row.episode.closed_ns)),
    column("constraint", Text, |row| text(row.episode.constraint.map(constraint))),
    column("sysrq", Bool, |row| truth(row.episode.order.map(|order| order == -1))),
    column("order", Int, |row| int(row.episode.order)),
    column("gfp_mask", Int, |row| int(row.episode.gfp_mask)),
    column("totalpages", Int, |row| int(row.episode.totalpages)),
    column("trigger_pid", Int, |row| {
        int(row.episode.trigger.as_ref().map(|trigger| trigger.pid).filter(|&pid| pid != 0))
    }),
    column("trigger_comm", Text, |row| name(row.episode.trigger.as_ref().map(|trigger| &trigger.comm))),
    column("trigger_uid", Int, |row| int(row.episode.trigger.as_ref().and_then(|trigger| trigger.uid))),
    column("trigger_cgroup", Text, |row| {
        name(row.episode.trigger.as_ref().and_then(|trigger| trigger.cgroup.as_ref()))
    }),
    column("memcg_usage_bytes", Int, |row| {
        let limiting = row.episode.memcg.iter().find(|level| level.limiting);
        row.bytes(limiting.and_then(|level| level.usage_pages))
    }),
    column("memcg_limit_bytes", Int, |row| {
        let limiting = row.episode.memcg.iter().find(|level| level.limiting);
        row.bytes(limiting.and_then(|level| level.max_pages))
    }),
    column("machine_ram_bytes", Int, |row| int(row.info.ram_bytes)),
    column("machine_swap_bytes", Int, |row| int(row.info.swap_bytes)),
    column("evaluated", Int, |row| int(row.episode.evaluated)),
    column("candidates", Int, |row| int(Some(row.episode.candidates.len() as u64))),
    column("victims", Int, |row| int(Some(row.episode.victims.len() as u64))),
    column("chosen_points", Int, |row| int(row.episode.chosen_points)),
    column("message", Text, |row| name(row.episode.message.as_ref())),
    column("folded", Int, |row| {
        let folded = row.episode.folded;
        let all = [folded.aborted_scans, folded.already_exiting, folded.repeats];
        int(Some(all.into_iter().map(u64::from).sum::<u64>()))
    }),
    column("lossy", Bool, |row| truth(Some(row.episode.lost.any()))),
];

/// Of a candidate or a victim: who, and its memory.
pub(super) const PERSON: &[Column] = &[
    column("position", Int, |row| int(row.at.map(|at| at as u64))),
    column("pid", Int, |row| int(row.person.map(|person| person.pid).filter(|&pid| pid != 0))),
    column("tid", Int, |row| int(row.person.map(|person| person.tid).filter(|&tid| tid != 0))),
    column("comm", Text, |row| name(row.person.map(|person| &person.comm))),
    column("uid", Int, |row| int(row.person.and_then(|person| person.uid))),
    column("oom_score_adj", Int, |row| int(row.person.and_then(|person| person.oom_score_adj))),
    column("cgroup", Text, |row| name(row.person.and_then(|person| person.cgroup.as_ref()))),
    column("container_id", Text, |row| text(row.owner.container.map(|container| container.id))),
    column("pod_uid", Text, |row| row.owner.pod.map_or(Value::Null, |pod| Value::Text(pod.uid().into()))),
    column("unit", Text, |row| text(row.owner.unit)),
    column("rss_anon_bytes", Int, |row| row.part(|memory| memory.rss_anon_pages)),
    column("rss_file_bytes", Int, |row| row.part(|memory| memory.rss_file_pages)),
    column("rss_shmem_bytes", Int, |row| row.part(|memory| memory.rss_shmem_pages)),
    column("rss_bytes", Int, |row| row.part(|memory| memory.resident_pages())),
    column("swap_bytes", Int, |row| row.part(|memory| memory.swap_entries)),
    column("pgtables_bytes", Int, |row| int(row.memory.and_then(|memory| memory.pgtables_bytes))),
    column("total_vm_bytes", Int, |row| row.part(|memory| memory.total_vm_pages)),
];

/// What somebody's pod and container are called.
pub(super) const CALLED: &[Column] = &[
    column("namespace", Text, |row| name(row.called.namespace)),
    column("pod", Text, |row| name(row.called.pod)),
    column("container", Text, |row| name(row.called.container)),
];

/// The same of the cgroup whose limit was met.
pub(super) const MEMCG_CALLED: &[Column] = &[
    column("memcg_namespace", Text, |row| name(memcg_called(row).namespace)),
    column("memcg_pod", Text, |row| name(memcg_called(row).pod)),
    column("memcg_container", Text, |row| name(memcg_called(row).container)),
];

fn memcg_called<'r>(row: &Row<'r>) -> Called<'r> {
    let limiting = row.episode.memcg.iter().find(|level| level.limiting);
    let path = limiting.and_then(|level| level.path.as_ref());
    path.map(|path| row.episode.owner(path).1).unwrap_or_default()
}

/// Of a candidate.
pub(super) const CANDIDATE: &[Column] = &[
    column("scan_index", Int, |row| int(row.candidate.and_then(|candidate| candidate.scan_index))),
    column("verdict", Text, |row| {
        text(row.candidate.map(|candidate| match candidate.verdict {
            Verdict::Chosen => "chosen",
            Verdict::Outscored => "outscored",
            Verdict::Unkillable(_) => "unkillable",
            Verdict::PassedOver(_) => "passed_over",
            Verdict::Blocking => "blocking",
        }))
    }),
    column("reason", Text, |row| {
        text(row.candidate.and_then(|candidate| match candidate.verdict {
            Verdict::Unkillable(why) | Verdict::PassedOver(why) => Some(reason(why)),
            Verdict::Chosen | Verdict::Outscored | Verdict::Blocking => None,
        }))
    }),
    column("points", Int, |row| int(row.candidate.and_then(|candidate| candidate.points()))),
    column("share", Int, |row| {
        let points = row.candidate.and_then(|candidate| candidate.points());
        int(points.zip(row.episode.totalpages).and_then(|(points, total)| badness::share(points, total)))
    }),
    column("memory_exact", Bool, |row| {
        let explained = row.candidate.and_then(|candidate| candidate.explained);
        truth(explained.map(|explained| explained.difference == 0))
    }),
    column("exiting", Bool, |row| flag(row, TaskFlags::EXITING)),
    column("oom_victim", Bool, |row| flag(row, TaskFlags::VICTIM)),
    column("oom_flag_origin", Bool, |row| flag(row, TaskFlags::ORIGIN)),
];

/// Of a victim.
pub(super) const VICTIM: &[Column] = &[
    column("why", Text, |row| text(row.victim.map(|victim| why(victim.why)))),
    column("killed_after_ns", Int, |row| row.after(row.victim.and_then(|victim| victim.killed_ns))),
    column("marked_after_ns", Int, |row| row.after(row.victim.and_then(|victim| victim.marked_ns))),
    column("exited_after_ns", Int, |row| row.after(row.victim.and_then(|victim| victim.exited_ns))),
    column("released_after_ns", Int, |row| row.after(row.victim.and_then(|victim| victim.released_ns))),
    column("reap_started_after_ns", Int, |row| {
        row.after(row.victim.and_then(|victim| victim.reaped?.started_ns))
    }),
    column("reap_finished_after_ns", Int, |row| {
        row.after(row.victim.and_then(|victim| victim.reaped?.finished_ns))
    }),
    column("reap_skipped", Bool, |row| {
        truth(row.victim.and_then(|victim| victim.reaped).map(|reaped| reaped.skipped))
    }),
    column("reap_freed_bytes", Int, |row| {
        row.bytes(row.victim.and_then(|victim| victim.reaped.as_ref()).and_then(freed_pages))
    }),
];

fn flag<'r>(row: &Row<'r>, bit: u32) -> Value<'r> {
    truth(row.candidate.map(|candidate| candidate.flags.has(bit)))
}
