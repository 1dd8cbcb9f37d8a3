//! What an OOM costs with each tracer.

use super::figures::{Figures, Place};
use super::table::{Table, number, with_times};
use super::{TRACERS, label};

pub(super) fn section(figures: &Figures, kernels: &[String]) -> String {
    let mut text = "## Cost of an OOM\n\nThousands of guest instructions; in brackets, times what it takes without a tracer.\n\n".to_owned();
    for kernel in kernels {
        text += &memcg(figures, kernel, "scan", "selection pass of a memcg OOM");
        text += &memcg(figures, kernel, "total", "all of `out_of_memory()`, memcg OOM");
        text += &global(figures, kernel);
    }
    text
}

fn memcg(figures: &Figures, kernel: &str, key: &str, what: &str) -> String {
    let sizes = figures.sizes(kernel, "memcg", 1);
    if sizes.is_empty() {
        return String::new();
    }
    let mut headings = vec!["tracer".to_owned()];
    headings.extend(sizes.iter().map(|&size| format!("N = {}", number(size as f64))));
    let mut table = Table::new(&headings);
    for (peer, _) in TRACERS {
        let at = |processes| Place { kernel, suite: "memcg", processes, cpus: 1 };
        let cells: Vec<String> = sizes
            .iter()
            .map(|&size| {
                with_times(figures.median(at(size), peer, key), figures.without(at(size), peer, key))
            })
            .collect();
        // The table of tasks is no part of the selection.
        if cells.iter().all(|cell| cell == "–") || (*peer == "dump_tasks" && key == "scan") {
            continue;
        }
        let mut row = vec![label(peer).to_owned()];
        row.extend(cells);
        table.row(&row);
    }
    format!("### {kernel}: {what}\n\n{}", table.finish())
}

fn global(figures: &Figures, kernel: &str) -> String {
    let mut text = String::new();
    for size in figures.sizes(kernel, "global", 1) {
        let at = Place { kernel, suite: "global", processes: size, cpus: 1 };
        let mut table = Table::new(&super::strings(&["tracer", "all of `out_of_memory()`"]));
        for (peer, _) in TRACERS {
            let value = figures.median(at, peer, "total");
            if value.is_some() {
                table.row(&[label(peer), &with_times(value, figures.without(at, peer, "total"))]);
            }
        }
        text += &format!("### {kernel}: global OOM, {} processes\n\n{}", number(size as f64), table.finish());
    }
    text
}
