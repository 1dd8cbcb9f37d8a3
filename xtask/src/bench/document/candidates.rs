//! How many candidates each tracer saw.

use super::figures::{Figures, Place};
use super::table::{Table, number};
use super::{TRACERS, label};
use crate::bench::results::median_of;

/// The boots in which candidates are counted: suite, CPUs.
const BOOTS: &[(&str, u64)] = &[("memcg", 1), ("losses", 1), ("losses", 2)];

pub(super) fn section(figures: &Figures, kernels: &[String]) -> String {
    let mut text = "## Candidates seen\n\nMedian of the candidates seen in one OOM, of those that there were; the worst of these OOMs in brackets where \
                    it differs, and in how many the victim's own line was shown.\n\n"
        .to_owned();
    for kernel in kernels {
        let places: Vec<Place<'_>> = BOOTS
            .iter()
            .flat_map(|&(suite, cpus)| {
                figures.sizes(kernel, suite, cpus).into_iter().map(move |processes| Place {
                    kernel,
                    suite,
                    processes,
                    cpus,
                })
            })
            .collect();
        let mut headings = vec!["tracer".to_owned()];
        headings.extend(places.iter().map(|at| {
            format!(
                "N = {}, {} CPU{}",
                number(at.processes as f64),
                at.cpus,
                if at.cpus == 1 { "" } else { "s" }
            )
        }));
        let mut table = Table::new(&headings);
        for (peer, _) in TRACERS {
            let cells: Vec<String> = places.iter().map(|&at| seen(figures, at, peer)).collect();
            if cells.iter().any(|cell| cell != "–") {
                let mut row = vec![label(peer).to_owned()];
                row.extend(cells);
                table.row(&row);
            }
        }
        text += &format!("### {kernel}: candidates\n\n{}", table.finish());
        text += &forced(figures, kernel);
    }
    text
}

/// `all`, or a share.
fn seen(figures: &Figures, at: Place<'_>, peer: &str) -> String {
    let line = figures.line(at, peer);
    let Some((line, median)) = line.and_then(|line| Some((line, median_of(line, "seen")?))) else {
        return "–".to_owned();
    };
    let expected = line["expected"].as_f64().unwrap_or(f64::NAN);
    let list = line["seen"].as_array().map(Vec::as_slice).unwrap_or_default();
    let worst = list.iter().filter_map(serde_json::Value::as_f64).fold(f64::INFINITY, f64::min);
    let share = |count: f64| {
        if count >= expected {
            "all".to_owned()
        } else {
            format!("{:.1} %", (count / expected * 1000.0).floor() / 10.0)
        }
    };
    let mut cell = share(median);
    if share(worst) != cell {
        cell += &format!(" (worst {})", share(worst));
    }
    let victims = line["victims"].as_u64().unwrap_or(0);
    if victims < list.len() as u64 {
        cell += &format!(", victim {victims} of {}", list.len());
    }
    cell
}

/// oomtrace with a buffer that is too small.
fn forced(figures: &Figures, kernel: &str) -> String {
    let mut table = Table::new(&super::strings(&[
        "tracer, with the smallest buffer",
        "processes",
        "candidates captured",
        "counted as lost",
        "of the 64 with the most points",
        "victim and trigger there",
    ]));
    let mut any = false;
    for line in figures.suite(kernel, "overflow") {
        let number_of = |key: &str| median_of(line, key).map_or_else(|| "–".to_owned(), number);
        table.row(&[
            label(line["peer"].as_str().unwrap_or_default()).to_owned(),
            number(line["processes"].as_f64().unwrap_or(0.0)),
            number_of("seen"),
            number_of("lost"),
            number_of("top"),
            format!("{} of {}", line["victims"], line["seen"].as_array().map_or(0, Vec::len)),
        ]);
        any = true;
    }
    if any { table.finish() } else { String::new() }
}
