//! What recordings take, and how fast they are read.

use super::figures::Figures;
use super::table::{Table, cell, number, times};
use super::{label, strings};
use crate::bench::results::median_of;

pub(super) fn section(figures: &Figures, kernels: &[String]) -> String {
    let mut text = "## Recordings\n\n".to_owned();
    for kernel in kernels {
        text += &sizes(figures, kernel);
        text += &throughput(figures, kernel);
    }
    text
}

fn sizes(figures: &Figures, kernel: &str) -> String {
    let mut table =
        Table::new(&strings(&["recording", "bytes a candidate", "whole file, bytes", "OOMs in it"]));
    let mut any = false;
    for line in figures.suite(kernel, "sizes").filter(|line| line["failed"].is_null()) {
        any = true;
        table.row(&[
            label(line["peer"].as_str().unwrap_or_default()).to_owned(),
            cell(line["bytes_of_candidate"].as_f64()),
            cell(line["bytes"].as_f64()),
            line["ooms"].as_u64().unwrap_or(1).to_string(),
        ]);
    }
    if !any {
        return String::new();
    }
    format!(
        "### {kernel}: size\n\nBy which a recording grows with every candidate, everything that comes once an OOM included; for the kernel's log the rows of \
         its table alone.\n\n{}",
        table.finish()
    )
}

fn throughput(figures: &Figures, kernel: &str) -> String {
    let mut table = Table::new(&strings(&[
        "command",
        "seconds",
        "candidates",
        "candidates a second",
        "oomtrace's JSON is faster",
        "written, MB",
        "written, MB/s",
        "peak memory, MB",
    ]));
    let rate = |line: &serde_json::Value| -> Option<(f64, f64, f64)> {
        let peer = line["peer"].as_str()?;
        let ooms = figures.suite(kernel, "events").find(|events| events["peer"] == peer)?;
        let candidates = ooms["ooms"].as_f64()? * (ooms["processes"].as_f64()? + 2.0);
        let seconds = median_of(line, "seconds")?;
        Some((seconds, candidates, candidates / seconds))
    };
    let lines: Vec<_> = figures.suite(kernel, "throughput").collect();
    let json = lines.iter().find(|line| line["command"].as_str().is_some_and(|name| name.contains("--json")));
    let json = json.and_then(|line| rate(line)).map(|(_, _, rate)| rate);
    for line in &lines {
        let Some((seconds, candidates, rate)) = rate(line) else { continue };
        let written = line["bytes_written"].as_f64().map(|bytes| bytes / 1e6);
        let peak = line["peak_kib"].as_f64().map(|kib| kib * 1024.0 / 1e6);
        table.row(&[
            format!("`{}`", line["command"].as_str().unwrap_or_default()),
            format!("{seconds:.3}"),
            number(candidates),
            number(rate),
            if line["peer"] == "oomtrace" {
                "–".to_owned()
            } else {
                times(json, Some(rate)).unwrap_or_default()
            },
            cell(written),
            cell(written.map(|mb| mb / seconds)),
            cell(peak),
        ]);
    }
    if lines.is_empty() { String::new() } else { format!("### {kernel}: reading\n\n{}", table.finish()) }
}
