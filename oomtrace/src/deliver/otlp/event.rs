//! An episode as a log record, and its machine as a resource. `docs/integrations.md` lists the attributes; a test compares.
//!
//! Names of the semantic conventions where one means the same, else in the namespace `oom`. What is not known is not there.

use crate::deliver::summary;
use crate::model::cgroup_path::{Container, Pod};
use crate::model::episode::{Episode, Person, Victim, VictimWhy};
use crate::model::{Name, SessionInfo, ShortId};
use crate::sink::json;

use super::proto::{AnyValue, ArrayValue, KeyValue, LogRecord, Resource, Scope, Value};

/// What kind of event an episode is.
pub const EVENT: &str = "oom.episode";

/// Who makes records and series.
pub(super) fn scope() -> Scope {
    Scope { name: "oomtrace".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

/// The machine that was captured, by this program; `told`, what the environment says of it, goes first.
pub(super) fn resource(info: &SessionInfo, told: &[(String, String)]) -> Resource {
    let mut list = List::default();
    list.text("service.name", Some("oomtrace"));
    list.text("service.version", Some(env!("CARGO_PKG_VERSION")));
    list.text("os.type", Some("linux"));
    list.text("host.name", info.host.as_deref());
    list.text("host.arch", info.machine.as_deref().map(arch));
    list.text("oom.kernel.release", info.kernel_release.as_deref());
    list.text("oom.boot.id", info.boot_id.as_deref());
    let mut attributes = list.0;
    attributes.retain(|ours| told.iter().all(|(key, _)| *key != ours.key));
    attributes.extend(told.iter().map(|(key, value)| KeyValue::text(key, value)));
    Resource { attributes }
}

/// As the conventions have it.
fn arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i386" | "i486" | "i586" | "i686" => "x86",
        "ppc" => "ppc32",
        "ppc64le" => "ppc64",
        machine if machine.starts_with("armv") => "arm32",
        machine => machine,
    }
}

/// The record of an episode. `now`: ns since the Unix epoch.
pub(super) fn record(episode: &Episode, info: &SessionInfo, now: u64) -> LogRecord {
    let at = episode.opened_ns.or(episode.closed_ns).and_then(|ns| info.unix_ns(ns));
    let (severity_number, severity_text) = severity(summary::severity(episode));
    LogRecord {
        time_unix_nano: at.and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0),
        observed_time_unix_nano: now,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(Value::String(summary::sentence(episode, info)).into()),
        attributes: attributes(episode, info),
        event_name: EVENT.to_owned(),
    }
}

/// What syslog's severities are in the data model of logs.
fn severity(syslog: u8) -> (i32, &'static str) {
    match syslog {
        2 => (18, "crit"),
        3 => (17, "err"),
        4 => (13, "warning"),
        _ => (10, "notice"),
    }
}

/// Attributes in the making: those that are not known are left out.
#[derive(Default)]
struct List(Vec<KeyValue>);

impl List {
    fn text(&mut self, key: &str, value: Option<&str>) {
        self.0.extend(value.map(|value| KeyValue::text(key, value)));
    }

    fn name(&mut self, key: &str, value: Option<&Name>) {
        self.0.extend(value.map(|name| KeyValue::text(key, summary::plain(name))));
    }

    fn int(&mut self, key: &str, value: Option<impl TryInto<i64>>) {
        let value = value.and_then(|value| value.try_into().ok());
        self.0.extend(value.map(|value| KeyValue::new(key, Value::Int(value))));
    }
}

fn attributes(episode: &Episode, info: &SessionInfo) -> Vec<KeyValue> {
    let bytes = |pages: Option<u64>| pages.map(|pages| info.bytes(pages));
    let mut list = List::default();
    list.text("oom.episode.id", Some(&ShortId::of(episode, info).to_string()));
    list.int("oom.episode.number", Some(episode.id));
    list.text("oom.outcome", Some(json::outcome(episode.outcome)));
    list.text("oom.scope", episode.scope.map(json::scope));
    list.text("oom.constraint", episode.constraint.map(json::constraint));
    let took = episode.opened_ns.zip(episode.closed_ns).and_then(|(from, to)| to.checked_sub(from));
    if let Some(ns) = took.filter(|_| info.has_times()) {
        list.0.push(KeyValue::new("oom.duration", Value::Double(ns as f64 / 1e9)));
    }
    list.int("oom.order", episode.order);
    list.int("oom.gfp_mask", episode.gfp_mask);
    list.int("oom.allowed", bytes(episode.totalpages));
    list.int("oom.candidates", episode.evaluated);
    list.int("oom.victims", i64::try_from(episode.victims.len()).ok());
    list.name("oom.message", episode.message.as_ref());
    list.0.push(KeyValue::new("oom.lost", Value::Bool(episode.lost.any() || episode.cut_off)));
    if let Some(level) = episode.memcg.iter().find(|level| level.limiting) {
        list.name("oom.cgroup.path", level.path.as_ref());
        list.int("oom.cgroup.usage", bytes(level.usage_pages));
        list.int("oom.cgroup.limit", bytes(level.max_pages));
    }
    if let Some(trigger) = &episode.trigger {
        list.int("oom.trigger.pid", pid(trigger));
        list.name("oom.trigger.comm", Some(&trigger.comm));
        list.int("oom.trigger.uid", trigger.uid);
        list.int("oom.trigger.oom_score_adj", trigger.oom_score_adj);
        list.name("oom.trigger.cgroup", trigger.cgroup.as_ref());
    }
    if let Some(victim) = episode.victims.first() {
        of_victim(&mut list, victim, episode, info);
    }
    if episode.victims.len() > 1 {
        let pids = episode.victims.iter().filter_map(|victim| pid(&victim.task));
        let values = pids.map(|pid| AnyValue::from(Value::Int(pid.into()))).collect();
        list.0.push(KeyValue::new("oom.victim.pids", Value::Array(ArrayValue { values })));
    }
    list.0
}

/// 0 is nobody's: some old logs do not tell.
fn pid(task: &Person) -> Option<i32> {
    Some(task.pid).filter(|&pid| pid != 0)
}

/// The first victim: the chosen one.
fn of_victim(list: &mut List, victim: &Victim, episode: &Episode, info: &SessionInfo) {
    let task = &victim.task;
    list.int("process.pid", pid(task));
    list.int("process.real_user.id", task.uid);
    let exited = victim.exited_ns.and_then(|ns| info.unix_ns(ns)).and_then(json::rfc3339);
    list.text("process.exit.time", exited.as_deref());
    list.name("oom.victim.comm", Some(&task.comm));
    list.text("oom.victim.why", Some(json::why(victim.why)));
    list.int("oom.victim.oom_score_adj", task.oom_score_adj);
    if victim.why == VictimWhy::Chosen {
        list.int("oom.victim.points", episode.chosen_points);
    }
    if let Some(memory) = victim.memory {
        let bytes = |pages: Option<u64>| pages.map(|pages| info.bytes(pages));
        list.int("oom.victim.memory.resident", bytes(memory.resident_pages()));
        list.int("oom.victim.memory.anon", bytes(memory.rss_anon_pages));
        list.int("oom.victim.memory.file", bytes(memory.rss_file_pages));
        list.int("oom.victim.memory.shmem", bytes(memory.rss_shmem_pages));
        list.int("oom.victim.memory.swap", bytes(memory.swap_entries));
        list.int("oom.victim.memory.page_tables", memory.pgtables_bytes);
    }
    let Some(cgroup) = &task.cgroup else { return };
    let path = summary::plain(cgroup);
    if info.cgroup_version == Some(2) {
        // As /proc/PID/cgroup has it.
        list.text("process.linux.cgroup", Some(&format!("0::{path}")));
    }
    list.text("oom.victim.cgroup", Some(&path));
    let (owner, called) = episode.owner(cgroup);
    // A container that no pod is known of is nothing of Kubernetes.
    let in_pod = called.pod.is_some() || owner.pod.is_some_and(|pod| pod.qos.is_some());
    list.name(if in_pod { "k8s.container.name" } else { "container.name" }, called.container);
    list.name("k8s.pod.name", called.pod);
    list.name("k8s.namespace.name", called.namespace);
    if let Some(Container { runtime, id }) = owner.container {
        list.text("container.id", Some(id));
        list.text("container.runtime.name", runtime);
    }
    // Podman's pods have no class, and are nothing of Kubernetes.
    if let Some((pod, qos)) = owner.pod.and_then(|pod: Pod<'_>| Some((pod.uid(), pod.qos?))) {
        list.text("k8s.pod.uid", Some(&pod));
        list.text("oom.victim.pod.qos", Some(qos));
    }
    list.text("oom.victim.unit", owner.unit);
}
