//! From the start to ready, memory and disk.

use serde_json::Value;

use super::figures::Figures;
use super::table::{Table, cell, number};
use super::{label, strings};
use crate::bench::results::median_of;

pub(super) fn section(figures: &Figures, kernels: &[String]) -> String {
    let mut text = "## Start, memory, disk\n\n".to_owned();
    for kernel in kernels {
        let mut lines = figures.suite(kernel, "start").filter(|line| line["failed"].is_null()).peekable();
        if lines.peek().is_some() {
            let mut table = Table::new(&strings(&[
                "tracer",
                "start to ready, M instructions",
                "resident when ready, MB",
                "of it buffers, MB",
                "peak, MB",
            ]));
            for line in lines {
                let mb = |key: &str| cell(median_of(line, key).map(|kib| kib * 1024.0 / 1e6));
                table.row(&[
                    label(line["peer"].as_str().unwrap_or_default()).to_owned(),
                    cell(median_of(line, "ready_ms")),
                    mb("rss_kib"),
                    mb("buffers_kib"),
                    mb("peak_kib"),
                ]);
            }
            text += &format!("### {kernel}: start and memory\n\n{}", table.finish());
        }
    }
    text + &disk(figures, kernels)
}

fn disk(figures: &Figures, kernels: &[String]) -> String {
    let mut headings = vec!["on disk, MB".to_owned()];
    headings.extend(kernels.iter().map(|kernel| format!("peers of {kernel} (packages)")));
    let mut table = Table::new(&headings);
    if let Some(bytes) = binary_bytes(figures) {
        let mut row = vec!["**oomtrace**, one static file".to_owned()];
        row.extend(kernels.iter().map(|_| format!("{} (1)", number(bytes / 1e6))));
        table.row(&row);
    }
    let Some(first) = kernels.first() else { return String::new() };
    for line in figures.rows(first, "packages") {
        let peer = line["peer"].as_str().unwrap_or_default();
        let mut row = vec![peer.to_owned()];
        row.extend(kernels.iter().map(|kernel| {
            let line = figures.rows(kernel, "packages").find(|line| line["peer"] == peer);
            line.and_then(packages).unwrap_or_else(|| "–".to_owned())
        }));
        table.row(&row);
    }
    format!("### Disk\n\n{}", table.finish())
}

fn packages(line: &Value) -> Option<String> {
    Some(format!("{} ({})", number(line["installed_kib"].as_f64()? * 1024.0 / 1e6), line["packages"]))
}

/// Size of the binary, bytes.
pub(super) fn binary_bytes(figures: &Figures) -> Option<f64> {
    figures.0.iter().find(|line| line["row"] == "binary").and_then(|line| line["bytes"].as_f64())
}
