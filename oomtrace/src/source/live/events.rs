//! Where the fields of tracepoints are in their records, for the programs; a tracepoint without them reports nothing.

use std::path::Path;

use oomtrace_common::config::Layout;

use super::tracefs;

/// Looks up fields of one tracepoint; those that it does not have stay as they are.
pub(super) fn find(root: &Path, category: &str, event: &str, fields: &mut [(&str, &mut u32)]) {
    let Ok(format) = tracefs::format(root, category, event) else { return };
    for (field, offset) in fields {
        if let Some(found) = tracefs::field_offset(&format, field) {
            **offset = found;
        }
    }
}

/// Of the tracepoints that every flavour uses: adjustments and the reaper.
pub(super) fn of_all_flavours(root: &Path, layout: &mut Layout) {
    let adjusted = &mut [
        ("pid", &mut layout.tp_adj_pid),
        ("comm", &mut layout.tp_adj_comm),
        ("oom_score_adj", &mut layout.tp_adj_value),
    ];
    find(root, "oom", "oom_score_adj_update", adjusted);
    find(root, "oom", "wake_reaper", &mut [("pid", &mut layout.tp_wake_reaper_pid)]);
    find(root, "oom", "start_task_reaping", &mut [("pid", &mut layout.tp_start_reaping_pid)]);
    find(root, "oom", "finish_task_reaping", &mut [("pid", &mut layout.tp_finish_reaping_pid)]);
    find(root, "oom", "skip_task_reaping", &mut [("pid", &mut layout.tp_skip_reaping_pid)]);
}
