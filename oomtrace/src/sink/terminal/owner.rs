//! Whose the victim was, and who had set its `oom_score_adj`.

use crate::model::cgroup_path;
use crate::model::episode::{Person, Victim, VictimWhy};
use crate::model::evidence::AdjUpdated;

use super::page::Page;
use super::{Context, called, words};

/// `victim    in pod shop/checkout-7d9c (burstable), container app (containerd 9a1c55e0b7d3)`, or without names
/// `in container 9a1c55e0b7d3 (containerd), pod 3f0e1c7a-… (burstable)`: of the first one; a group dies in one place.
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let Context { episode, options, .. } = context;
    let Some(victim) = first(&episode.victims) else { return };
    let Some(cgroup) = &victim.task.cgroup else { return };
    let unit = cgroup_path::owner(cgroup).unit;
    let mut parts = called::owners(episode, cgroup);
    // The scope that a runtime makes for a container says the same again.
    let telling = |unit: &str| options.verbose || (unit.ends_with(".service") && parts.is_empty());
    // What is a unit's name has none but harmless characters.
    if let Some(unit) = unit.filter(|unit| telling(unit)) {
        parts.push(format!("unit {}", words::path(unit, page.text_width().saturating_sub(5))));
    }
    if !parts.is_empty() {
        page.labelled("victim", &format!("in {}", parts.join(", ")));
    }
}

fn first(victims: &[Victim]) -> Option<&Victim> {
    victims.iter().find(|victim| victim.why == VictimWhy::Chosen).or_else(|| victims.first())
}

/// `adjusted  oom_score_adj of gunicorn[48121] was set from 0 to 936 by kubelet[812], 18.4 s before`: the last change of the first victim; verbose, all
/// that are known. A task may have had another name then.
pub(super) fn adjusted(context: &Context<'_>, page: &mut Page) {
    let Context { episode, options, .. } = context;
    let changes = &episode.adj_changes;
    let victim = first(&episode.victims);
    let is_victims = |change: &AdjUpdated| {
        victim.is_some_and(|victim| change.tid == victim.task.pid || change.tid == victim.task.tid)
    };
    let last = changes.iter().rposition(is_victims);
    let shown = changes.iter().enumerate().filter(|(i, _)| options.verbose || Some(*i) == last);
    for (i, (_, change)) in shown.enumerate() {
        let task = victim.filter(|_| is_victims(change)).map(|victim| &victim.task);
        page.labelled(if i == 0 { "adjusted" } else { "" }, &self::change(context, change, task));
    }
}

/// The words for one change of `oom_score_adj`; `task` is who it was about, under the name that it had at the OOM.
pub(super) fn change(context: &Context<'_>, change: &AdjUpdated, task: Option<&Person>) -> String {
    let episode = context.episode;
    let earlier = episode.adj_changes.iter().take_while(|earlier| *earlier != change);
    let before = earlier.filter(|earlier| earlier.tid == change.tid).last();
    let from = before.map_or_else(String::new, |earlier| format!("from {} ", earlier.oom_score_adj));
    let by = match (&change.by_comm, change.by_pid) {
        (_, Some(pid)) if pid == change.tid => " by itself".to_owned(),
        (Some(comm), Some(pid)) => format!(" by {comm}[{pid}]"),
        (None, Some(pid)) => format!(" by pid {pid}"),
        (Some(comm), None) => format!(" by {comm}"),
        (None, None) => String::new(),
    };
    let ago = episode.opened_ns.and_then(|opened| opened.checked_sub(change.at.boot_ns));
    let ago = ago.map_or_else(String::new, |ns| format!(", {} before", words::long_duration(ns)));
    let (who, then) = match task {
        Some(task) if task.comm != change.comm => (words::task(task), format!(" (then {})", change.comm)),
        Some(task) => (words::task(task), String::new()),
        None => (format!("{}[{}]", change.comm, change.tid), String::new()),
    };
    format!("oom_score_adj of {who}{then} was set {from}to {}{by}{ago}", change.oom_score_adj)
}
