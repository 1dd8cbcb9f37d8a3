//! Writes the document: figures in, Markdown out. Measures nothing.

mod candidates;
mod cost;
mod figures;
mod goals;
mod quiet;
mod recordings;
mod start;
mod table;

use serde_json::Value;

use self::figures::Figures;

const METHOD: &str = include_str!("method.md");

/// A tracer as it is called in `guest bench`, and what a reader is told.
const TRACERS: &[(&str, &str)] = &[
    ("none", "no tracer"),
    ("dump_tasks", "no tracer, `oom_dump_tasks=1`"),
    ("oomtrace-fentry", "**oomtrace**, fentry"),
    ("oomtrace-kprobe", "**oomtrace**, kprobe"),
    ("bpftrace-kretfunc", "bpftrace, kretfunc"),
    ("bpftrace-kprobe", "bpftrace, kprobe and kretprobe"),
    ("bcc-kfunc", "bcc, kfunc"),
    ("bcc-kprobe", "bcc, kprobe and kretprobe"),
    ("trace-cmd", "trace-cmd, kprobe events"),
    ("perf", "perf record, kprobe events"),
];

/// The whole document.
pub(super) fn write(lines: Vec<Value>, command: &str) -> String {
    let figures = Figures(lines);
    let kernels = figures.kernels();
    let mut text = format!(
        "# Benchmarks\n\nWritten by `{command}`; do not edit. Figures are medians; how they were measured is told [below](#method), and \
         what is not measured [at the end](#not-measured).\n\n"
    );
    text += &versions(&figures, &kernels);
    text += &goals::section(&figures, &kernels);
    text += &cost::section(&figures, &kernels);
    text += &candidates::section(&figures, &kernels);
    text += &start::section(&figures, &kernels);
    text += &quiet::section(&figures, &kernels);
    text += &recordings::section(&figures, &kernels);
    text += METHOD;
    text += &not_measured(&figures);
    text
}

/// The kernels and the versions of the peers on them.
fn versions(figures: &Figures, kernels: &[String]) -> String {
    let mut text = String::new();
    for kernel in kernels {
        let package = figures.rows(kernel, "boot").find_map(|line| line["package"].as_str());
        let peers: Vec<String> = figures
            .rows(kernel, "packages")
            .filter_map(|line| {
                Some(format!("{} {}", line["peer"].as_str()?, line["version"].as_str().unwrap_or("?")))
            })
            .collect();
        let suite = figures.rows(kernel, "packages").find_map(|line| line["suite"].as_str());
        text += &format!(
            "- **{kernel}**: {}; of Debian's {}: {}\n",
            package.unwrap_or("a kernel of one's own"),
            suite.unwrap_or("?"),
            peers.join(", ")
        );
    }
    text + "\n"
}

/// What failed in a guest, and what is left out by design.
fn not_measured(figures: &Figures) -> String {
    let mut text = "## Not measured\n\n".to_owned();
    for line in &figures.0 {
        if let Some(why) = line["failed"].as_str() {
            let of = |key: &str| line[key].as_str().unwrap_or_default();
            let processes =
                line["processes"].as_u64().map_or_else(String::new, |n| format!(" with {n} processes"));
            text += &format!(
                "- {} on {}, `{}`{processes}: {}\n",
                of("peer"),
                of("kernel"),
                of("suite"),
                why.lines().next().unwrap_or_default()
            );
        }
    }
    text + "- Start-up by the kernel's log and tracepoints, where functions cannot be hooked: `docs/performance.md` has it.\n\
            - Contention between real processors, other architectures than x86-64, and time on real hardware: guests are emulated.\n\
            - SystemTap, which needs the kernel's debug information (283 MB) and a compiler.\n"
}

/// What a reader is told of a tracer.
fn label(peer: &str) -> &str {
    TRACERS.iter().find(|(name, _)| *name == peer).map_or(peer, |(_, label)| label)
}

/// `# cells` as owned strings, for headings.
fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}
