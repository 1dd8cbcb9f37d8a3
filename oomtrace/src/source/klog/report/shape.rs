//! What the shape of a report tells where no line does.

use super::super::grammar::Column;
use super::draft::Draft;
use crate::badness::{Era, Release};

/// kB in a page of the machine that printed the report; `None` when it does not tell.
pub(super) fn page_kb(draft: &Draft) -> Option<u64> {
    let buddy = draft.zones.iter().find_map(|zone| zone.page_kb);
    let usual = |kb: &u64| matches!(kb, 4 | 8 | 16 | 64);
    buddy.filter(usual).or_else(|| {
        // The address space of a victim, in kB there and in pages here.
        draft.kills.iter().find_map(|kill| {
            let pages = draft.row(kill.tid)?.total_vm.filter(|&pages| pages > 0)?;
            let kb = kill.total_vm_kb?;
            (kb % pages == 0).then_some(kb / pages).filter(usual)
        })
    })
}

/// The formula that the shape of the lines speaks for, as a release that has it; `None` when that of the kernel's release is as
/// good, or several could be meant.
pub(super) fn by_shape(draft: &Draft, release: Option<&str>) -> Option<&'static str> {
    let adjusted = draft.trigger.as_ref().is_some_and(|asked| asked.oom_score_adj.is_some())
        || draft.has_column(Column::ScoreAdj);
    if let Some(release) = release.and_then(Release::parse) {
        // Vendors took the scoring of 2.6.36 back.
        return (adjusted && release.era() == Era::Heuristic).then_some("2.6.36");
    }
    if draft.has_column(Column::Anon) {
        return Some("6.8");
    }
    let described = draft.kills.iter().any(|kill| kill.uid.is_some());
    if draft.summary.is_some() && (described || draft.has_column(Column::PgtablesBytes)) {
        // 5.9 cuts nothing off, 5.0 to 5.8 cut off at 1: the same for all that matter.
        return Some("5.9");
    }
    let old = draft.trigger.as_ref().is_some_and(|asked| asked.old_adj);
    let or_a_child = draft.chosen.is_some() && draft.kills.iter().any(|kill| kill.total_vm_kb.is_none());
    ((old || or_a_child) && !adjusted).then_some("2.6.18")
}
