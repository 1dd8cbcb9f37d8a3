//! The minutes before as curves: memory, pressure, the cgroups that grew.
//!
//! A curve is drawn in a box without a size of its own, so that it is as wide as there is room; what is written stands beside it, in
//! HTML. Curves differ by their dashes too, and a table has the numbers.

use std::collections::HashSet;
use std::sync::Arc;

use crate::explain::Explanation;
use crate::model::sample::{Item, Psi, Sample};
use crate::sink::terminal::text;

use super::text::{Esc, Html, put};

/// Units of the box.
const WIDE: u64 = 1000;
const HIGH: u64 = 100;
/// Pressure below this is drawn low, hundredths of a percent.
const LEAST_PRESSURE: u64 = 1000;

/// What is looked at over time.
struct Curve {
    name: String,
    /// For each sample; `None`: not known then.
    values: Vec<Option<u64>>,
    /// A value as text.
    words: fn(u64) -> String,
}

/// The charts, and the table of what is in them.
pub(super) fn write(html: &mut Html, explanation: &Explanation<'_>, id: &str) {
    let samples = &explanation.episode.memory_before;
    let Some((first, last)) = samples.first().zip(samples.last()) else { return };
    // To the episode: the last sample is some seconds older.
    let end_ns = explanation.episode.opened_ns.unwrap_or(last.boot_ns).max(last.boot_ns);
    let span = Span { first_ns: first.boot_ns, last_ns: end_ns };
    let memory = memory(samples);
    let pressure = pressure(samples);
    let cgroups = cgroups(samples);
    put!(html, "<div class=\"charts\">");
    chart(html, "Memory of the machine", &memory, 0, samples, span);
    chart(html, "Time spent waiting for memory (PSI, of 10 s)", &pressure, LEAST_PRESSURE, samples, span);
    chart(html, "Cgroups that grew most", &cgroups, 0, samples, span);
    put!(html, "</div>");
    let all: Vec<&Curve> = [&memory, &pressure, &cgroups].into_iter().flatten().collect();
    put!(
        html,
        "<details><summary>The samples as a table</summary><div class=\"scroll\" role=\"region\" tabindex=\"0\" "
    );
    put!(
        html,
        "aria-labelledby=\"{id}-samples\"><table><caption id=\"{id}-samples\">Samples, oldest first</caption><thead><tr>"
    );
    put!(html, "<th scope=\"col\">before</th>");
    for curve in &all {
        put!(html, "<th scope=\"col\">{}</th>", Esc(&curve.name));
    }
    put!(html, "</tr></thead><tbody>");
    for (at, sample) in samples.iter().enumerate() {
        put!(
            html,
            "<tr><th scope=\"row\">{}</th>",
            Esc(text::long_duration(end_ns.saturating_sub(sample.boot_ns)))
        );
        for curve in &all {
            let value = curve.values.get(at).copied().flatten().map_or_else(|| "?".to_owned(), curve.words);
            put!(html, "<td>{}</td>", Esc(value));
        }
        put!(html, "</tr>");
    }
    put!(html, "</tbody></table></div></details>");
}

fn percent(hundredths: u64) -> String {
    format!("{}.{} %", hundredths / 100, hundredths % 100 / 10)
}

/// Lines of `/proc/meminfo` that say how it went; those that no sample has are left out.
fn memory(samples: &[Arc<Sample>]) -> Vec<Curve> {
    let swap = samples.iter().any(|sample| sample.bytes(Item::SwapTotal).is_some_and(|bytes| bytes > 0));
    [Item::MemAvailable, Item::AnonPages, Item::Shmem, Item::SwapFree]
        .into_iter()
        .filter(|item| swap || *item != Item::SwapFree)
        .map(|item| Curve {
            name: Item::ALL[item as usize].1.to_owned(),
            values: samples.iter().map(|sample| sample.bytes(item)).collect(),
            words: text::size,
        })
        .filter(known)
        .collect()
}

fn pressure(samples: &[Arc<Sample>]) -> Vec<Curve> {
    let curve = |name: &str, of: fn(&Sample) -> Option<Psi>| Curve {
        name: name.to_owned(),
        values: samples.iter().map(|sample| of(sample).map(|psi| u64::from(psi.avg10))).collect(),
        words: percent,
    };
    let curves = [curve("some tasks", |sample| sample.some), curve("all tasks (full)", |sample| sample.full)];
    curves.into_iter().filter(known).collect()
}

/// Only some samples look at the cgroups: the others are left out, they are no gaps.
fn cgroups(samples: &[Arc<Sample>]) -> Vec<Curve> {
    let mut seen = HashSet::new();
    let grown = text::grown(samples.iter().map(|sample| &**sample)).into_iter();
    grown
        .filter(|(usage, _)| seen.insert(usage.id))
        .map(|(usage, _)| Curve {
            name: usage.path.to_string(),
            values: samples
                .iter()
                .map(|sample| {
                    let look = sample.cgroups.as_ref()?;
                    Some(look.top.iter().find(|other| other.id == usage.id)?.usage_bytes)
                })
                .collect(),
            words: text::size,
        })
        .collect()
}

fn known(curve: &Curve) -> bool {
    curve.values.iter().any(Option::is_some)
}

/// From the first sample to the episode, ns since boot.
#[derive(Clone, Copy)]
struct Span {
    first_ns: u64,
    last_ns: u64,
}

impl Span {
    fn x(self, boot_ns: u64) -> u64 {
        let whole = u128::from(self.last_ns.saturating_sub(self.first_ns).max(1));
        let from = u128::from(boot_ns.saturating_sub(self.first_ns));
        u64::try_from(from * u128::from(WIDE) / whole).unwrap_or(WIDE).min(WIDE)
    }
}

fn chart(html: &mut Html, title: &str, curves: &[Curve], least: u64, samples: &[Arc<Sample>], span: Span) {
    let Some(words) = curves.first().map(|curve| curve.words) else { return };
    let Some(most) = curves.iter().flat_map(|curve| curve.values.iter().flatten().copied()).max() else {
        return;
    };
    let top = most.max(least).max(1);
    put!(
        html,
        "<figure><figcaption>{title}</figcaption><div class=\"plot\"><span class=\"top\">{}</span>",
        Esc(words(top))
    );
    put!(html, "<svg aria-hidden=\"true\" viewBox=\"0 0 {WIDE} {HIGH}\" preserveAspectRatio=\"none\">");
    for (at, curve) in curves.iter().enumerate() {
        for run in runs(curve, samples, span, top) {
            let points: Vec<String> = run.iter().map(|(x, y)| format!("{x},{y}")).collect();
            put!(html, "<polyline class=\"c{at}\" points=\"{}\"/>", points.join(" "));
        }
    }
    let ago = text::long_duration(span.last_ns.saturating_sub(span.first_ns));
    put!(
        html,
        "</svg><span class=\"from\">{} before</span><span class=\"to\">the OOM</span></div>",
        Esc(ago)
    );
    put!(html, "<ul class=\"legend\">");
    for (at, curve) in curves.iter().enumerate() {
        let words = curve.words;
        let mut values = curve.values.iter().flatten();
        let (first, last) = (values.next(), values.next_back());
        let told = match (first, last) {
            (Some(first), Some(last)) if words(*first) != words(*last) => {
                format!("{} to {}", words(*first), words(*last))
            }
            (Some(value), _) => words(*value),
            (None, _) => "?".to_owned(),
        };
        put!(
            html,
            "<li><svg class=\"key\" aria-hidden=\"true\" width=\"28\" height=\"10\"><line class=\"c{at}\" x1=\"0\" x2=\"28\" y1=\"5\" \
             y2=\"5\"/></svg> {} <b>{}</b></li>",
            Esc(&curve.name),
            Esc(told)
        );
    }
    put!(html, "</ul></figure>");
}

/// Points that follow each other without one that is not known between them.
fn runs(curve: &Curve, samples: &[Arc<Sample>], span: Span, top: u64) -> Vec<Vec<(u64, u64)>> {
    let mut runs: Vec<Vec<(u64, u64)>> = vec![Vec::new()];
    for (sample, value) in samples.iter().zip(&curve.values) {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => {
                let y = u128::from(*value) * u128::from(HIGH) / u128::from(top);
                run.push((span.x(sample.boot_ns), HIGH.saturating_sub(u64::try_from(y).unwrap_or(HIGH))));
            }
            // It was looked at, and that one was not told.
            (None, Some(run)) if sample.cgroups.is_some() && !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    for run in &mut runs {
        // A line of one point is none.
        if let [(x, y)] = run[..] {
            run.push((x.saturating_add(2).min(WIDE), y));
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}
