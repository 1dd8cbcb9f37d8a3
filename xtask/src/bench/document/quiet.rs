//! What tracers do while there is no OOM: nothing at all, or readers of `/proc/PID/oom_score`.

use serde_json::Value;

use super::figures::Figures;
use super::table::{Table, cell, number, with_times};
use super::{label, strings};
use crate::bench::results::median_of;

pub(super) fn section(figures: &Figures, kernels: &[String]) -> String {
    let mut text = "## While there is no OOM\n\n".to_owned();
    for kernel in kernels {
        text += &idle(figures, kernel);
        text += &readers(figures, kernel);
    }
    text
}

fn idle(figures: &Figures, kernel: &str) -> String {
    let mut table = Table::new(&strings(&[
        "tracer",
        "threads",
        "switches in 60 s",
        "thousands of instructions in 60 s",
        "system calls in 60 s",
    ]));
    let mut any = false;
    for line in figures.suite(kernel, "idle").filter(|line| line["failed"].is_null()) {
        any = true;
        table.row(&[
            label(line["peer"].as_str().unwrap_or_default()).to_owned(),
            cell(line["threads"].as_f64()),
            cell(line["wakeups"].as_f64()),
            cell(line["run_us"].as_f64()),
            syscalls(&line["syscalls"]),
        ]);
    }
    if any { format!("### {kernel}: idle\n\n{}", table.finish()) } else { String::new() }
}

/// `none`, or names with their counts, the most frequent first.
fn syscalls(calls: &Value) -> String {
    let mut calls: Vec<(&str, u64)> = calls
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap_or(0)))
        .collect();
    calls.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    if calls.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = calls.iter().take(5).map(|(name, count)| format!("{name} {count}")).collect();
    shown.join(", ") + if calls.len() > 5 { ", …" } else { "" }
}

fn readers(figures: &Figures, kernel: &str) -> String {
    let none = figures.suite(kernel, "readers").find(|line| line["peer"] == "none");
    let Some(none) = none else { return String::new() };
    let mut table =
        Table::new(&strings(&["tracer", "open, read, close", "the read alone", "shown, of so many reads"]));
    for line in figures.suite(kernel, "readers").filter(|line| line["failed"].is_null()) {
        let of = |key: &str| with_times(median_of(line, key), median_of(none, key));
        let shown = match (line["shown"].as_f64(), line["reads"].as_f64()) {
            (Some(shown), Some(reads)) => format!("{} of {}", number(shown), number(reads)),
            _ => "–".to_owned(),
        };
        table.row(&[
            label(line["peer"].as_str().unwrap_or_default()).to_owned(),
            of("whole"),
            of("alone"),
            shown,
        ]);
    }
    format!(
        "### {kernel}: reads of `/proc/PID/oom_score`\n\nThousands of guest instructions a read.\n\n{}",
        table.finish()
    )
}
