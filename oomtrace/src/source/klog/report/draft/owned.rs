//! What lines said, copied out of them.

use crate::model::Name;
use crate::model::observation::Constraint;

use super::super::super::grammar::{Context, Killed, Row, Rss, Summary, Trigger, Zone};

#[derive(Debug)]
pub(in crate::source::klog::report) struct Asked {
    pub(in crate::source::klog::report) comm: Option<Name>,
    pub(in crate::source::klog::report) gfp_mask: Option<u32>,
    pub(in crate::source::klog::report) gfp_names: Option<Name>,
    pub(in crate::source::klog::report) order: Option<i32>,
    pub(in crate::source::klog::report) oom_score_adj: Option<i16>,
    pub(in crate::source::klog::report) nodemask: Option<Name>,
    /// It is of the time of `oomkilladj`, before `oom_score_adj`.
    pub(in crate::source::klog::report) old_adj: bool,
}

#[derive(Debug)]
pub(in crate::source::klog::report) struct Asker {
    pub(in crate::source::klog::report) cpu: Option<u32>,
    pub(in crate::source::klog::report) uid: Option<u32>,
    pub(in crate::source::klog::report) tid: i32,
    pub(in crate::source::klog::report) comm: Name,
    pub(in crate::source::klog::report) not_tainted: bool,
}

#[derive(Debug, Default)]
pub(in crate::source::klog::report) struct ZoneDraft {
    pub(in crate::source::klog::report) node: u32,
    pub(in crate::source::klog::report) name: Name,
    pub(in crate::source::klog::report) counters_kb: Vec<(Name, u64)>,
    pub(in crate::source::klog::report) reserve: Vec<i64>,
    pub(in crate::source::klog::report) blocks: Vec<u64>,
    pub(in crate::source::klog::report) page_kb: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(in crate::source::klog::report) struct TaskRow {
    pub(in crate::source::klog::report) tid: i32,
    pub(in crate::source::klog::report) pid: i32,
    pub(in crate::source::klog::report) uid: u32,
    pub(in crate::source::klog::report) comm: Name,
    pub(in crate::source::klog::report) total_vm: Option<u64>,
    pub(in crate::source::klog::report) rss: Option<u64>,
    pub(in crate::source::klog::report) anon: Option<u64>,
    pub(in crate::source::klog::report) file: Option<u64>,
    pub(in crate::source::klog::report) shmem: Option<u64>,
    pub(in crate::source::klog::report) table_pages: Option<u64>,
    pub(in crate::source::klog::report) pgtables_bytes: Option<u64>,
    pub(in crate::source::klog::report) swap: Option<u64>,
    pub(in crate::source::klog::report) oom_score_adj: Option<i16>,
}

#[derive(Debug)]
pub(in crate::source::klog::report) struct Choice {
    pub(in crate::source::klog::report) constraint: Constraint,
    pub(in crate::source::klog::report) nodemask: Name,
    pub(in crate::source::klog::report) cpuset: Name,
    pub(in crate::source::klog::report) mems_allowed: Name,
    pub(in crate::source::klog::report) oom_memcg: Option<Name>,
    pub(in crate::source::klog::report) task: Option<Name>,
    pub(in crate::source::klog::report) pid: i32,
    pub(in crate::source::klog::report) uid: u32,
}

#[derive(Debug)]
pub(in crate::source::klog::report) struct Scored {
    pub(in crate::source::klog::report) prefix: Name,
    pub(in crate::source::klog::report) pid: i32,
    pub(in crate::source::klog::report) comm: Name,
    pub(in crate::source::klog::report) score: Option<i64>,
}

#[derive(Debug)]
pub(in crate::source::klog::report) struct Kill {
    pub(in crate::source::klog::report) at: u64,
    pub(in crate::source::klog::report) prefix: Name,
    pub(in crate::source::klog::report) tid: i32,
    pub(in crate::source::klog::report) comm: Name,
    pub(in crate::source::klog::report) total_vm_kb: Option<u64>,
    pub(in crate::source::klog::report) rss: Rss,
    pub(in crate::source::klog::report) uid: Option<u32>,
    pub(in crate::source::klog::report) pgtables_kb: Option<u64>,
    pub(in crate::source::klog::report) oom_score_adj: Option<i16>,
}

impl From<Trigger<'_>> for Asked {
    fn from(trigger: Trigger<'_>) -> Self {
        Self {
            comm: trigger.comm.map(Name::from),
            gfp_mask: trigger.gfp_mask,
            gfp_names: trigger.gfp_names.map(Name::from),
            order: trigger.order,
            oom_score_adj: trigger.oom_score_adj,
            nodemask: trigger.nodemask.map(Name::from),
            old_adj: trigger.oom_score_adj.is_none() && trigger.oom_adj.is_some(),
        }
    }
}

impl From<Context<'_>> for Asker {
    fn from(context: Context<'_>) -> Self {
        Self {
            cpu: context.cpu,
            uid: context.uid,
            tid: context.tid,
            comm: Name::from(context.comm),
            not_tainted: context.not_tainted,
        }
    }
}

impl From<Zone<'_>> for ZoneDraft {
    fn from(zone: Zone<'_>) -> Self {
        Self {
            node: zone.node,
            name: Name::from(zone.name),
            counters_kb: zone.counters_kb.into_iter().map(|(name, kb)| (Name::from(name), kb)).collect(),
            ..Self::default()
        }
    }
}

impl From<Row<'_>> for TaskRow {
    fn from(row: Row<'_>) -> Self {
        let Row {
            tid, pid, uid, total_vm, rss, anon, file, shmem, table_pages, pgtables_bytes, swap, ..
        } = row;
        Self {
            tid,
            pid,
            uid,
            comm: Name::from(row.comm),
            total_vm,
            rss,
            anon,
            file,
            shmem,
            table_pages,
            pgtables_bytes,
            swap,
            oom_score_adj: row.oom_score_adj,
        }
    }
}

impl From<Summary<'_>> for Choice {
    fn from(summary: Summary<'_>) -> Self {
        Self {
            constraint: summary.constraint,
            nodemask: Name::from(summary.nodemask),
            cpuset: Name::from(summary.cpuset),
            mems_allowed: Name::from(summary.mems_allowed),
            oom_memcg: summary.oom_memcg.map(Name::from),
            task: summary.task.map(Name::from),
            pid: summary.pid,
            uid: summary.uid,
        }
    }
}

impl Kill {
    pub(super) fn new(killed: Killed<'_>, at: u64) -> Self {
        Self {
            at,
            prefix: Name::from(killed.prefix),
            tid: killed.tid,
            comm: Name::from(killed.comm),
            total_vm_kb: killed.total_vm_kb,
            rss: killed.rss,
            uid: killed.uid,
            pgtables_kb: killed.pgtables_kb,
            oom_score_adj: killed.oom_score_adj,
        }
    }
}
