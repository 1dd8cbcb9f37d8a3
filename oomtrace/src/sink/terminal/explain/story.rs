//! What led there: settings, adjustments.

use crate::explain::Explanation;
use crate::model::session::Settings;

use super::super::page::Page;
use super::super::{Context, owner, words};

/// Changes of adjustments that are shown, the latest.
const MAX_CHANGES: usize = 12;

/// What `/proc/sys/vm` did.
pub(super) fn settings(explanation: &Explanation<'_>, page: &mut Page) {
    let in_force = explanation.settings;
    let settings = in_force.settings;
    if explanation.session.of_a_log() && settings == Settings::default() {
        // No log has them.
        return;
    }
    let mut parts = Vec::new();
    parts.push(match (settings.panic_on_oom, in_force.by_hand, in_force.memcg) {
        (None, ..) => "panic_on_oom is not known".to_owned(),
        (Some(0), ..) => "panic_on_oom 0: the kernel kills instead of panicking".to_owned(),
        (Some(value), true, _) => format!("panic_on_oom {value}: not asked for sysrq-f"),
        (Some(1), false, true) => "panic_on_oom 1: panics only when the whole machine is out of memory, not for a cgroup".to_owned(),
        (Some(1), false, false) => "panic_on_oom 1: the kernel panics when the whole machine, not just a cpuset or memory policy, is out of memory".to_owned(),
        (Some(value), false, _) => format!("panic_on_oom {value}: the kernel panics instead of killing"),
    });
    parts.push(match (settings.oom_kill_allocating_task, in_force.memcg) {
        (None, _) => "oom_kill_allocating_task is not known".to_owned(),
        (Some(0), _) => "oom_kill_allocating_task 0: whoever asks, all are compared".to_owned(),
        (Some(value), true) => format!(
            "oom_kill_allocating_task {value}: only for the whole machine; for a cgroup's limit all are compared"
        ),
        (Some(value), false) => format!(
            "oom_kill_allocating_task {value}: the one that asks dies, if it may be killed, and nobody is compared"
        ),
    });
    parts.push(match settings.oom_dump_tasks {
        None => "oom_dump_tasks is not known".to_owned(),
        Some(0) => {
            "oom_dump_tasks 0: the kernel's log has no table of tasks; the choice is the same".to_owned()
        }
        Some(value) => format!("oom_dump_tasks {value}: only adds the table of tasks to the kernel's log"),
    });
    let when = match (in_force.at_the_choice, explanation.episode.chosen_ns) {
        (true, Some(_)) => "at the choice",
        (true, None) => "at that moment",
        (false, _) => "when the capture began",
    };
    let usual = (settings.panic_on_oom, settings.oom_kill_allocating_task, settings.oom_dump_tasks);
    if usual == (Some(0), Some(0), Some(1)) {
        page.labelled(
            "settings",
            &format!(
                "panic_on_oom 0, oom_kill_allocating_task 0, oom_dump_tasks 1 ({when}): the kernel kills instead of \
                 panicking, compares all processes, whoever asks, and puts the table of tasks into its log"
            ),
        );
        return;
    }
    page.labelled("settings", &format!("{when}:"));
    for part in &parts {
        page.labelled_hanging("", part, 2);
    }
}

/// Who was adjusted before.
pub(super) fn adjusted(explanation: &Explanation<'_>, context: &Context<'_>, page: &mut Page) {
    let changes = &explanation.adj_changes;
    let skipped = changes.len().saturating_sub(MAX_CHANGES);
    if skipped > 0 {
        page.labelled("adjusted", &format!("{} before these", words::count(skipped as u64, "change")));
    }
    let episode = explanation.episode;
    for (i, change) in changes.iter().skip(skipped).enumerate() {
        let tasks = episode.candidates.iter().map(|candidate| &candidate.task);
        let mut tasks = tasks.chain(episode.victims.iter().map(|victim| &victim.task));
        let task = tasks.find(|task| task.pid == change.tid || task.tid == change.tid);
        let label = if i == 0 && skipped == 0 { "adjusted" } else { "" };
        page.labelled(label, &owner::change(context, change, task));
    }
}
