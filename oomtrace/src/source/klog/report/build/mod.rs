//! From a collected report to observations. Sizes become pages here; what the log does not say stays unknown.
//!
//! Here is their order, whose OOM it was, and what there is to say of the report itself; [`tasks`], [`memory`], [`stack`] and
//! [`total`] have the rest.

mod memory;
mod stack;
mod tasks;
mod total;

use crate::model::Name;
use crate::model::evidence::{MemcgStat, Stack};
use crate::model::observation::{CgroupNode, Choice, Constraint, Observation, Opened, Stamp};
use crate::model::report::{Report, Table};

use super::boot::Boot;
use super::draft::Draft;
use super::names;

/// A limit of this many kB and more is none: `PAGE_COUNTER_MAX` in kB, on 64-bit and, from 3.19 on, 32-bit machines; and what 3.x
/// printed for `RES_COUNTER_MAX`.
const NO_LIMIT_KB: u64 = 9_007_199_254_740_000;

/// What is made of a report.
pub(super) struct Build<'a> {
    draft: &'a Draft,
    boot: &'a Boot,
    page_kb: u64,
    cgroups: &'a mut names::Cgroups,
    out: &'a mut Vec<Observation>,
}

/// Appends the observations of a report.
pub(super) fn observations(
    draft: &Draft,
    boot: &Boot,
    cgroups: &mut names::Cgroups,
    out: &mut Vec<Observation>,
) {
    let page_kb = boot.page_kb.unwrap_or(4).max(1);
    Build { draft, boot, page_kb, cgroups, out }.run();
}

impl Build<'_> {
    fn run(mut self) {
        let draft = self.draft;
        let limiting = self.limiting();
        let limiting_id = limiting.as_ref().map(|path| self.cgroup(path));
        let first = self.stamp(draft.first);
        if draft.trigger.is_some() || draft.context.is_some() {
            let trigger = self.trigger();
            let asked = draft.trigger.as_ref();
            let memcg = self.memcg();
            self.out.push(Observation::Opened(Opened {
                at: first,
                trigger,
                gfp_mask: asked.and_then(|asked| asked.gfp_mask),
                order: asked.and_then(|asked| asked.order),
                memcg: limiting_id.or((memcg == Some(true)).then_some(0)),
                gfp_names: asked.and_then(|asked| asked.gfp_names.clone()),
            }));
        }
        self.level(first, limiting_id);
        self.situation(first);
        self.zones(first);
        if let Some(frames) = &draft.frames {
            let frames = stack::outwards(frames);
            self.out.push(Observation::Stack(Stack {
                at: first,
                frames: frames.to_vec(),
                cut: draft.frames_cut,
            }));
        }
        if let Some((path, counters)) = &draft.stats {
            let cgroup = self.cgroup(path);
            let counters = counters.clone();
            self.out.push(Observation::MemcgStat(MemcgStat {
                at: first,
                cgroup,
                stats: Vec::new(),
                counters,
            }));
        }
        let chosen = self.chosen();
        self.candidates(first, chosen.as_ref());
        let constraint = self.constraint();
        if let Some(chosen) = chosen.clone() {
            self.out.push(Observation::Choice(Choice {
                at: first,
                chosen,
                chosen_points: None,
                totalpages: None,
                constraint,
                message: self.message(),
            }));
        }
        self.kills(chosen.as_ref());
        let report = self.report(constraint);
        self.out.push(Observation::Report(report));
    }

    fn stamp(&self, at: u64) -> Stamp {
        Stamp { boot_ns: at, episode: self.draft.id }
    }

    /// The id that stands for a path, which is told when it is new.
    fn cgroup(&mut self, path: &Name) -> u64 {
        let (id, new) = self.cgroups.id(path);
        if new {
            let path = Some(path.clone());
            self.out.push(Observation::Cgroup(CgroupNode { id, parent: None, name: Name::default(), path }));
        }
        id
    }

    fn limiting(&self) -> Option<Name> {
        let draft = self.draft;
        let summary = draft.summary.as_ref().and_then(|summary| summary.oom_memcg.clone());
        // Empty when it cannot be told from what follows; another line may tell it.
        let summary = summary.filter(|path| !path.is_empty());
        let summary = summary.or_else(|| draft.task_in.as_ref().map(|(_, limit)| limit.clone()));
        summary.or_else(|| draft.stats.as_ref().map(|(path, _)| path.clone())).filter(|path| !path.is_empty())
    }

    /// Whether it is a memcg's.
    fn memcg(&self) -> Option<bool> {
        let draft = self.draft;
        if let Some(summary) = &draft.summary {
            return Some(summary.oom_memcg.is_some());
        }
        if draft.task_in.is_some() || !draft.usages.is_empty() || draft.stats.is_some() {
            return Some(true);
        }
        let by_message = self.message().and_then(|message| match &*message {
            message if message.starts_with(b"Memory cgroup") => Some(true),
            b"" => None,
            _ => Some(false),
        });
        by_message.or(draft.mem_info.then_some(false))
    }

    fn constraint(&self) -> Option<Constraint> {
        match &self.draft.summary {
            Some(summary) => Some(summary.constraint),
            None => (self.memcg() == Some(true)).then_some(Constraint::Memcg),
        }
    }

    fn message(&self) -> Option<Name> {
        let draft = self.draft;
        let chosen = draft.chosen.as_ref().map(|chosen| &chosen.prefix);
        let message = chosen.or_else(|| draft.kills.first().map(|kill| &kill.prefix));
        message.filter(|message| !message.is_empty()).cloned()
    }

    fn pages(&self, kb: u64) -> u64 {
        kb / self.page_kb
    }

    /// Whether something is missing that every report has.
    fn cut(&self) -> bool {
        let draft = self.draft;
        // The line of the context came with 2.6.2x, the summary with 5.0.
        let adjusted = draft.trigger.as_ref().is_some_and(|asked| asked.oom_score_adj.is_some());
        draft.has_gap || draft.trigger.is_none() || (adjusted && draft.context.is_none()) || !draft.ended
    }

    fn report(&self, constraint: Option<Constraint>) -> Report {
        let draft = self.draft;
        let (totalpages, totalpages_without_swap) = self.totalpages(constraint);
        let kill_only = draft.is_kill_only();
        let table = draft.columns.as_ref().map(|_| {
            let chosen = draft.summary.as_ref().map(|summary| summary.pid);
            let chosen = chosen.or_else(|| draft.chosen.as_ref().map(|chosen| chosen.pid));
            let has_chosen = chosen.is_none_or(|pid| draft.row(pid).is_some());
            let whole = has_chosen && draft.unread_rows == 0 && !draft.rows_left_out && draft.ended;
            if whole { Table::Whole } else { Table::Part }
        });
        Report {
            at: self.stamp(draft.last),
            memcg: self.memcg(),
            constraint,
            totalpages,
            totalpages_without_swap,
            table,
            none_killable: draft.none_killable,
            unread: draft.unread,
            cut: !kill_only && self.cut(),
            kill_only,
            score: draft.chosen.as_ref().and_then(|chosen| chosen.score),
            already_exiting: draft.already_exiting.is_some() && draft.kills.is_empty(),
        }
    }
}
