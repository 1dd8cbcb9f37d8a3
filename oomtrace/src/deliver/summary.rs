//! An episode in a sentence, and in a few fields: what a log line or a hook's environment has of it.

use crate::model::episode::{Episode, Outcome, Scope};
use crate::model::{Name, SessionInfo, ShortId};
use crate::sink::{json, terminal};

/// Fields by name; what is not known is not there. Values may hold anything that a process or a cgroup may be called.
#[must_use]
pub fn fields(episode: &Episode, info: &SessionInfo) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("EPISODE", ShortId::of(episode, info).to_string()),
        ("NUMBER", episode.id.to_string()),
        ("OUTCOME", json::outcome(episode.outcome).to_owned()),
        ("VICTIMS", episode.victims.len().to_string()),
        ("CANDIDATES", episode.candidates.len().to_string()),
    ];
    let mut add = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
    add("SCOPE", episode.scope.map(|scope| json::scope(scope).to_owned()));
    add("HOST", info.host.clone());
    add("CGROUP", limiting(episode).map(plain));
    let unix_ns = episode.opened_ns.or(episode.closed_ns).and_then(|ns| info.unix_ns(ns));
    add("TIME", unix_ns.and_then(|ns| jiff::Timestamp::from_nanosecond(ns).ok()).map(|at| at.to_string()));
    if let Some(trigger) = &episode.trigger {
        add("TRIGGER_PID", Some(trigger.pid.to_string()));
        add("TRIGGER_COMM", Some(plain(&trigger.comm)));
    }
    if let Some(victim) = episode.victims.first() {
        add("VICTIM_PID", Some(victim.task.pid.to_string()));
        add("VICTIM_COMM", Some(plain(&victim.task.comm)));
        add("VICTIM_UID", victim.task.uid.map(|uid| uid.to_string()));
        add("VICTIM_CGROUP", victim.task.cgroup.as_ref().map(plain));
        let called = victim.task.cgroup.as_ref().map(|cgroup| episode.owner(cgroup).1).unwrap_or_default();
        add("VICTIM_NAMESPACE", called.namespace.map(plain));
        add("VICTIM_POD", called.pod.map(plain));
        add("VICTIM_CONTAINER", called.container.map(plain));
        let pages = victim.memory.and_then(|memory| memory.resident_pages());
        add("VICTIM_RESIDENT_BYTES", pages.map(|pages| info.bytes(pages).to_string()));
    }
    fields
}

/// One line.
#[must_use]
pub fn sentence(episode: &Episode, info: &SessionInfo) -> String {
    let place = match (episode.scope, limiting(episode)) {
        (Some(Scope::Global), _) => "OOM".to_owned(),
        (_, Some(path)) => {
            let place = terminal::text::called(episode, path).unwrap_or_else(|| path.to_string());
            format!("OOM in {place}")
        }
        (Some(Scope::Memcg), None) => "OOM in a cgroup".to_owned(),
        (None, None) => "OOM".to_owned(),
    };
    let victim = episode.victims.first().map(|victim| format!("{} ({})", victim.task.comm, victim.task.pid));
    let more = episode.victims.len().saturating_sub(1);
    let with = if more > 0 { format!(" and {more} more") } else { String::new() };
    let what = match (episode.outcome, victim) {
        (Outcome::Killed | Outcome::GroupKilled, Some(victim)) => format!("killed {victim}{with}"),
        (Outcome::Killed | Outcome::GroupKilled, None) => "somebody was killed".to_owned(),
        (Outcome::AlreadyExiting, Some(victim)) => format!("{victim} was dying already{with}"),
        (Outcome::AlreadyExiting, None) => "somebody was dying already".to_owned(),
        (Outcome::Freed, _) => "memory was freed otherwise".to_owned(),
        (Outcome::NoneKillable, _) => "nobody could be killed".to_owned(),
        (Outcome::Skipped, _) => "nothing was done".to_owned(),
        (Outcome::Incomplete, Some(victim)) => format!("{victim} was killed{with}; some of it was not seen"),
        (Outcome::Incomplete, None) => "some of it was not seen".to_owned(),
    };
    format!("{place}: {what} [{}]", ShortId::of(episode, info))
}

/// How bad it is, as syslog has it: an error when somebody was killed or nobody could be, else a notice.
#[must_use]
pub fn severity(episode: &Episode) -> u8 {
    match episode.outcome {
        Outcome::NoneKillable => 2,
        Outcome::Killed | Outcome::GroupKilled => 3,
        Outcome::Incomplete => 4,
        Outcome::AlreadyExiting | Outcome::Freed | Outcome::Skipped => 5,
    }
}

fn limiting(episode: &Episode) -> Option<&Name> {
    episode.memcg.iter().find(|level| level.limiting)?.path.as_ref()
}

/// As it is, when it is text without a NUL, which nothing in the kernel's names can have.
pub(super) fn plain(name: &Name) -> String {
    name.as_utf8().filter(|text| !text.contains('\0')).map_or_else(|| name.to_string(), str::to_owned)
}
