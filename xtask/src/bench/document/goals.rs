//! What oomtrace set out to reach, and where it is: one table over everything below it.

use super::figures::{Figures, Place};
use super::start::binary_bytes;
use super::table::{Table, number};
use crate::bench::results::median_of;

const FENTRY: &str = "oomtrace-fentry";
const KPROBE: &str = "oomtrace-kprobe";

/// One line of the table: what, the goal in words, and the figures of a kernel: ours, the best peer's, and whether the goal is met.
struct Goal {
    what: &'static str,
    goal: &'static str,
    kernels: &'static [&'static str],
    reached: fn(&Figures, &str) -> Option<Reached>,
}

/// Where a goal stands on one kernel.
struct Reached {
    ours: String,
    best_peer: String,
    met: bool,
}

const ALL: &[&str] = &[];

const GOALS: &[Goal] = &[
    Goal {
        what: "selection pass, memcg OOM, 1,000 processes, fentry",
        goal: "at most 3x of no tracer",
        kernels: &["6.1"],
        reached: |figures, kernel| scan(figures, kernel, FENTRY, 3.0),
    },
    Goal {
        what: "selection pass, memcg OOM, 1,000 processes, fentry",
        goal: "at most 2x of no tracer",
        kernels: &["7.3"],
        reached: |figures, kernel| scan(figures, kernel, FENTRY, 2.0),
    },
    Goal {
        what: "selection pass, memcg OOM, 1,000 processes, kprobe",
        goal: "at most 8x of no tracer",
        kernels: &["6.1"],
        reached: |figures, kernel| scan(figures, kernel, KPROBE, 8.0),
    },
    Goal {
        what: "all of `out_of_memory()`, 1,000 processes, against the kernel's own table",
        goal: "at most 1/6 of the time with `oom_dump_tasks=1`",
        kernels: ALL,
        reached: |figures, kernel| {
            let at = Place { kernel, suite: "memcg", processes: 1000, cpus: 1 };
            let ours = figures.median(at, FENTRY, "total")?;
            let table = figures.reference(at, FENTRY, "dump_tasks", "total")?;
            Some(Reached {
                ours: format!("1/{:.1}", table / ours),
                best_peer: best(figures, at, "total", |value| format!("1/{:.1}", table / value)),
                met: ours * 6.0 <= table,
            })
        },
    },
    Goal {
        what: "all of `out_of_memory()`, global OOM, 1,000 processes",
        goal: "at most 2x of no tracer",
        kernels: ALL,
        reached: |figures, kernel| {
            ratio(figures, Place { kernel, suite: "global", processes: 1000, cpus: 1 }, "total", FENTRY, 2.0)
        },
    },
    Goal {
        what: "candidates captured, the worst OOM of all sizes, 1 and 2 CPUs, both flavours",
        goal: "100 %",
        kernels: ALL,
        reached: captured,
    },
    Goal {
        what: "start to ready, fentry",
        goal: "at most 100 M instructions",
        kernels: ALL,
        reached: |figures, kernel| {
            start(
                figures,
                kernel,
                |line| median_of(line, "ready_ms"),
                100.0,
                |value| format!("{} M", number(value)),
            )
        },
    },
    Goal {
        what: "resident memory when ready, buffers not counted",
        goal: "at most 8 MB",
        kernels: ALL,
        reached: |figures, kernel| {
            let mb = |line: &serde_json::Value| {
                Some((median_of(line, "rss_kib")? - median_of(line, "buffers_kib")?) * 1024.0 / 1e6)
            };
            start(figures, kernel, mb, 8.0, |value| format!("{} MB", number(value)))
        },
    },
    Goal {
        what: "on disk",
        goal: "at most 5 MB",
        kernels: ALL,
        reached: |figures, kernel| {
            let ours = binary_bytes(figures)? / 1e6;
            let peers = figures.rows(kernel, "packages").filter_map(|line| line["installed_kib"].as_f64());
            let best = peers.map(|kib| kib * 1024.0 / 1e6).reduce(f64::min);
            Some(Reached {
                ours: format!("{} MB", number(ours)),
                best_peer: best.map_or_else(|| "–".to_owned(), |mb| format!("{} MB", number(mb))),
                met: ours <= 5.0,
            })
        },
    },
    Goal {
        what: "a read of `/proc/PID/oom_score` while attached, fentry",
        goal: "at most 1.5x of an unattached one, nothing shown",
        kernels: ALL,
        reached: |figures, kernel| {
            let line = |peer| figures.suite(kernel, "readers").find(move |line| line["peer"] == peer);
            let none = median_of(line("none")?, "whole")?;
            let ours = line(FENTRY)?;
            let times = median_of(ours, "whole")? / none;
            let shown = ours["shown"].as_u64()?;
            let peers = figures
                .suite(kernel, "readers")
                .filter(|line| is_peer(line["peer"].as_str().unwrap_or_default()));
            let best = peers.filter_map(|line| median_of(line, "whole")).reduce(f64::min);
            Some(Reached {
                ours: format!("{times:.2}x, {shown} shown"),
                best_peer: best
                    .map_or_else(|| "–".to_owned(), |best| format!("{:.2}x, every one shown", best / none)),
                met: times <= 1.5 && shown == 0,
            })
        },
    },
    Goal {
        what: "reading recordings: JSON, candidates a second",
        goal: "at least 20 times the others",
        kernels: ALL,
        reached: |figures, kernel| {
            let rate = |command: &str| {
                let line = figures.suite(kernel, "throughput").find(|line| line["command"] == command)?;
                let events = figures.suite(kernel, "events").find(|events| events["peer"] == line["peer"])?;
                let candidates = events["ooms"].as_f64()? * (events["processes"].as_f64()? + 2.0);
                Some(candidates / median_of(line, "seconds")?)
            };
            let ours = rate("oomtrace replay --json")?;
            let best = ["trace-cmd report", "perf script"].into_iter().filter_map(rate).reduce(f64::max)?;
            Some(Reached {
                ours: number(ours),
                best_peer: format!("{} ({:.1}x)", number(best), ours / best),
                met: ours >= 20.0 * best,
            })
        },
    },
    Goal {
        what: "bytes a candidate in a recording",
        goal: "at most 1/4 of the smallest of the others",
        kernels: ALL,
        reached: |figures, kernel| {
            let size = |ours: bool| {
                let lines =
                    figures.suite(kernel, "sizes").filter(move |line| (line["peer"] == "oomtrace") == ours);
                lines.filter_map(|line| line["bytes_of_candidate"].as_f64()).reduce(f64::min)
            };
            let (ours, best) = (size(true)?, size(false)?);
            Some(Reached { ours: number(ours), best_peer: number(best), met: ours * 4.0 <= best })
        },
    },
];

/// The table.
pub(super) fn section(figures: &Figures, kernels: &[String]) -> String {
    let mut table =
        Table::new(&super::strings(&["figure", "kernel", "goal", "best peer", "oomtrace", "reached"]));
    let mut any = false;
    for goal in GOALS {
        for kernel in kernels {
            if !goal.kernels.is_empty() && !goal.kernels.contains(&kernel.as_str()) {
                continue;
            }
            if let Some(reached) = (goal.reached)(figures, kernel) {
                any = true;
                let Reached { ours, best_peer, met } = reached;
                table.row(&[
                    goal.what,
                    kernel,
                    goal.goal,
                    &best_peer,
                    &ours,
                    if met { "yes" } else { "**no**" },
                ]);
            }
        }
    }
    if !any {
        return String::new();
    }
    format!(
        "## In short\n\nThe best peer is the best of those below that show candidates and points, whatever they lose.\n\n{}",
        table.finish()
    )
}

fn is_peer(name: &str) -> bool {
    !matches!(name, "none" | "dump_tasks" | FENTRY | KPROBE)
}

/// The smallest median of a peer.
fn best(figures: &Figures, at: Place<'_>, key: &str, show: impl Fn(f64) -> String) -> String {
    let peers = super::TRACERS.iter().filter(|(name, _)| is_peer(name));
    let best = peers.filter_map(|(name, _)| figures.median(at, name, key)).reduce(f64::min);
    best.map_or_else(|| "–".to_owned(), show)
}

fn scan(figures: &Figures, kernel: &str, ours: &str, goal: f64) -> Option<Reached> {
    ratio(figures, Place { kernel, suite: "memcg", processes: 1000, cpus: 1 }, "scan", ours, goal)
}

fn ratio(figures: &Figures, at: Place<'_>, key: &str, ours: &str, goal: f64) -> Option<Reached> {
    let none = figures.without(at, ours, key)?;
    let times = figures.median(at, ours, key)? / none;
    Some(Reached {
        ours: format!("{times:.2}x"),
        best_peer: best(figures, at, key, |value| format!("{:.2}x", value / none)),
        met: times <= goal,
    })
}

fn start(
    figures: &Figures,
    kernel: &str,
    of: impl Fn(&serde_json::Value) -> Option<f64>,
    goal: f64,
    show: impl Fn(f64) -> String,
) -> Option<Reached> {
    let ours = of(figures.suite(kernel, "start").find(|line| line["peer"] == FENTRY)?)?;
    let peers =
        figures.suite(kernel, "start").filter(|line| is_peer(line["peer"].as_str().unwrap_or_default()));
    let best = peers.filter_map(of).reduce(f64::min);
    Some(Reached {
        ours: show(ours),
        best_peer: best.map_or_else(|| "–".to_owned(), &show),
        met: ours <= goal,
    })
}

/// The least share of the candidates of one OOM, in the boots that count them.
fn captured(figures: &Figures, kernel: &str) -> Option<Reached> {
    let least = |wanted: &dyn Fn(&str) -> bool| -> Option<f64> {
        let lines = figures.0.iter().filter(|line| {
            line["kernel"] == kernel
                && (line["suite"] == "memcg" || line["suite"] == "losses")
                && line["peer"].as_str().is_some_and(wanted)
        });
        let shares = lines.filter_map(|line| {
            let expected = line["expected"].as_f64()?;
            let seen = line["seen"].as_array()?.iter().filter_map(serde_json::Value::as_f64);
            seen.map(|seen| seen / expected).reduce(f64::min)
        });
        shares.reduce(f64::min)
    };
    let percent = |share: f64| format!("{:.1} %", (share * 1000.0).floor() / 10.0);
    let ours = least(&|peer| !is_peer(peer))?;
    // Of each peer its own worst, and of these the best.
    let peers = super::TRACERS.iter().filter(|(name, _)| is_peer(name));
    let best = peers.filter_map(|(name, _)| least(&|peer| peer == *name)).reduce(f64::max);
    Some(Reached {
        ours: percent(ours),
        best_peer: best.map_or_else(|| "–".to_owned(), percent),
        met: ours >= 1.0,
    })
}
