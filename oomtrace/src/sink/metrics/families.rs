//! The metrics: names, units, words, and which numbers they show. `docs/metrics.md` lists them; a test compares.

use std::borrow::Cow;
use std::time::Instant;

use crate::model::observation::Lost;
use crate::sink::json;

use super::Options;
use super::ages::{Ages, Shown};
use super::cgroups::{Cgroups, Counts, PodLabels};
use super::numbers::{Numbers, OUTCOMES, REASONS, SCOPES};

pub(super) use super::numbers::Histogram;

/// Series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// As OpenMetrics has it: with the unit, without the suffix of a kind (`_total`, `_info`).
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What it is measured in, when that is no number of things.
    pub unit: Option<Unit>,
    /// What the values are.
    pub kind: Kind,
    /// One for each set of labels.
    pub samples: Vec<Sample>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
}

/// What values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Any number.
    Gauge,
    /// Counts by size.
    Histogram,
    /// Always 1: the labels are what it says.
    Info,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What tells it from the others.
    pub labels: Vec<(&'static str, Cow<'static, str>)>,
    /// Its value.
    pub value: Value,
}

/// Names and values of labels.
pub(super) type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter, a gauge or an info.
    Number(u64),
    /// Of a histogram.
    Histogram(Histogram),
}

impl Family {
    fn new(name: &'static str, help: &'static str, kind: Kind, samples: Vec<Sample>) -> Self {
        Self { name, help, unit: None, kind, samples }
    }

    fn histogram(name: &'static str, help: &'static str, unit: Option<Unit>, of: &Histogram) -> Self {
        let samples = vec![Sample { labels: Vec::new(), value: Value::Histogram(of.clone()) }];
        Self { name, help, unit, kind: Kind::Histogram, samples }
    }

    /// The name of its series: of a counter with `_total`, of an info with `_info`; of a histogram it is what the three kinds of series
    /// begin with.
    #[must_use]
    pub fn series(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Info => format!("{}_info", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

fn sample(labels: Vec<(&'static str, Cow<'static, str>)>, value: u64) -> Sample {
    Sample { labels, value: Value::Number(value) }
}

/// All of them.
pub(super) fn of(numbers: &Numbers, options: &Options, ages: &mut Ages, now: Instant) -> Vec<Family> {
    let mut all = vec![
        Family::new(
            "oomtrace_episodes",
            "Passes through the kernel's out_of_memory() with what followed, by what had run out and how it ended.",
            Kind::Counter,
            by_scope(&numbers.episodes, "outcome", |at| json::outcome(OUTCOMES[at])),
        ),
        Family::new(
            "oomtrace_kills",
            "Processes that the OOM killer killed, or that were dying when it came to them (exiting), by why it was they.",
            Kind::Counter,
            by_scope(&numbers.kills, "reason", reason),
        ),
        Family::histogram(
            "oomtrace_candidates_scanned",
            "Candidates that a scan for a victim looked at.",
            None,
            &numbers.candidates,
        ),
        Family::histogram(
            "oomtrace_selection_seconds",
            "Time from the first candidate to the choice of a victim.",
            Some(Unit::Seconds),
            &numbers.selection,
        ),
        Family::histogram(
            "oomtrace_reap_seconds",
            "Time that the OOM reaper took to free a victim's memory.",
            Some(Unit::Seconds),
            &numbers.reap,
        ),
        Family::histogram(
            "oomtrace_exit_seconds",
            "Time from a victim's SIGKILL to the exit of its last thread.",
            Some(Unit::Seconds),
            &numbers.exit,
        ),
        Family::new(
            "oomtrace_events_lost",
            "What oomtrace lost, by where.",
            Kind::Counter,
            lost(&numbers.lost()),
        ),
        Family::new(
            "oomtrace_probe_attached",
            "Whether a hook is attached (1) or not (0).",
            Kind::Gauge,
            numbers
                .probes
                .iter()
                .map(|(probe, &attached)| sample(vec![("probe", probe.clone().into())], attached.into()))
                .collect(),
        ),
        Family::new(
            "oomtrace_capture",
            "How the capture is made, and on which kernel.",
            Kind::Info,
            numbers.capture.iter().map(capture).collect(),
        ),
        Family::new(
            "oomtrace_build",
            "The oomtrace that shows this.",
            Kind::Info,
            vec![sample(vec![("version", env!("CARGO_PKG_VERSION").into())], 1)],
        ),
    ];
    if let Some(cgroups) = &numbers.cgroups {
        let shown = ages.show(cgroups, now);
        if options.cgroups.is_some() {
            all.extend(by_cgroup(cgroups, &shown));
        }
        if options.containers.is_some() {
            all.push(by_container(&shown));
        }
        all.push(Family::new(
            "oomtrace_cgroups_overflowed",
            "How often something was counted for the cgroup `other`, because as many as are wanted have series.",
            Kind::Counter,
            vec![sample(Vec::new(), cgroups.overflows)],
        ));
    }
    all
}

fn by_scope<const N: usize>(
    counts: &[[u64; N]],
    label: &'static str,
    word: impl Fn(usize) -> &'static str,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (scope, counts) in SCOPES.iter().zip(counts) {
        let scope = scope.map_or("unknown", json::scope);
        for (at, &count) in counts.iter().enumerate() {
            samples.push(sample(vec![("scope", scope.into()), (label, word(at).into())], count));
        }
    }
    samples
}

fn reason(at: usize) -> &'static str {
    // As others call it.
    match json::why(REASONS[at]) {
        "chosen" => "selected",
        word => word,
    }
}

/// What was lost, by where; the names are those of JSON. What a kernel does not count is not there.
fn lost(lost: &Lost) -> Vec<Sample> {
    let Lost {
        candidates,
        records,
        reads,
        victims,
        rejected,
        unclosed,
        missed_runs,
        lines,
        reports,
        log_records,
    } = *lost;
    let stages = [
        ("candidates", Some(candidates)),
        ("records", Some(records)),
        ("reads", Some(reads)),
        ("victims", Some(victims)),
        ("rejected", Some(rejected)),
        ("unclosed", Some(unclosed)),
        ("missed_runs", missed_runs),
        ("lines", Some(lines)),
        ("reports", Some(reports)),
        ("log_records", Some(log_records)),
    ];
    stages.into_iter().filter_map(|(stage, n)| Some(sample(vec![("stage", stage.into())], n?))).collect()
}

fn capture((source, kernel): &(&'static str, Option<String>)) -> Sample {
    let kernel = kernel.clone().unwrap_or_default();
    sample(vec![("source", (*source).into()), ("kernel", kernel.into())], 1)
}

fn by_cgroup(cgroups: &Cgroups, shown: &[Shown<'_>]) -> [Family; 2] {
    let nobody = PodLabels::default();
    let together = [("other", cgroups.other), ("unknown", cgroups.unknown)];
    let together = together.map(|(path, counts)| Shown { path, container: None, called: &nobody, counts });
    let samples = |count: fn(&Counts) -> u64| {
        let all = shown.iter().chain(&together);
        all.map(|shown| {
            let mut labels = vec![("cgroup", shown.path.to_owned().into())];
            called(&mut labels, shown.called);
            sample(labels, count(&shown.counts))
        })
        .collect()
    };
    [
        Family::new(
            "oomtrace_cgroup_episodes",
            "Episodes in which this cgroup's limit was the one that was met.",
            Kind::Counter,
            samples(|counts| counts.episodes),
        ),
        Family::new(
            "oomtrace_cgroup_kills",
            "Processes of this cgroup that the OOM killer killed.",
            Kind::Counter,
            samples(|counts| counts.kills),
        ),
    ]
}

fn by_container(shown: &[Shown<'_>]) -> Family {
    let containers = shown.iter().filter_map(|shown| Some((shown, shown.container?)));
    let samples = containers.map(|(shown, container)| {
        let mut labels = vec![("id", shown.path.to_owned().into()), ("name", container.to_owned().into())];
        called(&mut labels, shown.called);
        sample(labels, shown.counts.events)
    });
    Family::new(
        "container_oom_events",
        "Episodes in which a process of this container was killed, under the name that cAdvisor has for it.",
        Kind::Counter,
        samples.collect(),
    )
}

/// The labels that cAdvisor and the kubelet have for these; what is not known has none.
fn called(labels: &mut Labels, called: &PodLabels) {
    let all = [("namespace", &called.namespace), ("pod", &called.pod), ("container", &called.container)];
    labels.extend(
        all.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, text.clone().into())),
    );
}
