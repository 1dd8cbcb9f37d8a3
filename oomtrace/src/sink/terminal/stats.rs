//! What a capture cost, as a small table for stderr: standard output is for episodes.

use crate::model::Stats;
use crate::model::observation::Lost;
use crate::model::stats::{BufferStats, CollectorStats, ProgramStats};

use super::words;

/// Columns before everything.
const INDENT: &str = "  ";

/// The whole table, with its line ends.
pub(crate) fn table(stats: &Stats, lost: &Lost) -> String {
    let mut lines = programs(&stats.programs);
    if let Some(reason) = &stats.uncounted_because {
        lines.push(format!("runs and time of the programs are not known: {}", words::plain(reason)));
    }
    lines.extend(stats.ring.map(|ring| buffer("ring", ring)));
    lines.extend(stats.candidate_log.map(|log| buffer("candidate log", log)));
    lines.push(collector(stats.collector));
    lines.push(match lost.any() {
        true => format!("lost           {}", words::losses(lost)),
        false => "lost           nothing".to_owned(),
    });
    lines.iter().map(|line| format!("{INDENT}{line}\n")).collect()
}

/// Those that ran, the most expensive first.
fn programs(programs: &[ProgramStats]) -> Vec<String> {
    let mut shown: Vec<&ProgramStats> =
        programs.iter().filter(|program| program.runs != Some(0) || skipped(program)).collect();
    shown.sort_by_key(|program| std::cmp::Reverse((program.time_ns, program.runs)));
    let mut rows = vec![["program", "runs", "time", "each", "skipped"].map(str::to_owned)];
    rows.extend(shown.iter().map(|program| {
        let number = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| words::grouped(n.into()));
        let each = match (program.time_ns, program.runs) {
            (Some(_), Some(0)) => "-".to_owned(),
            (Some(time), Some(runs)) => short(time / runs),
            _ => "?".to_owned(),
        };
        [
            words::plain(&program.name),
            number(program.runs),
            program.time_ns.map_or_else(|| "?".to_owned(), short),
            each,
            number(program.skipped_runs),
        ]
    }));
    let idle = programs.len() - shown.len();
    let mut lines = if shown.is_empty() { Vec::new() } else { aligned(&rows) };
    if idle > 0 {
        let things = if shown.is_empty() { "program" } else { "more program" };
        lines.push(format!("{} did not run", words::count(idle as u64, things)));
    }
    lines
}

fn skipped(program: &ProgramStats) -> bool {
    program.skipped_runs.is_some_and(|skipped| skipped > 0)
}

/// Names to the left, numbers to the right.
fn aligned(rows: &[[String; 5]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4].map(width);
    let line = |row: &[String; 5]| {
        let numbers = (1..row.len()).map(|column| format!("  {:>1$}", row[column], widths[column]));
        format!("{:<1$}{2}", row[0], widths[0], numbers.collect::<String>())
    };
    rows.iter().map(line).collect()
}

fn buffer(name: &str, buffer: BufferStats) -> String {
    let full = words::size(buffer.high_water_bytes);
    format!("{name:<13}  at most {full} of {} unread", words::size(buffer.bytes))
}

fn collector(collector: CollectorStats) -> String {
    let CollectorStats { wake_ups, user_ns, system_ns, peak_rss_bytes } = collector;
    let cpu = match (user_ns, system_ns) {
        (Some(user), Some(system)) => words::duration(user.saturating_add(system)),
        _ => "?".to_owned(),
    };
    let memory = words::size_or_unknown(peak_rss_bytes);
    format!(
        "collector      {}, {cpu} of CPU time, at most {memory} resident",
        words::count(wake_ups, "wake-up")
    )
}

/// A time that may be much less than what an episode takes: `312 ns`.
fn short(ns: u64) -> String {
    if ns < 10_000 { format!("{} ns", words::grouped(ns.into())) } else { words::duration(ns) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

    #[test]
    fn the_most_expensive_program_first_and_idle_ones_as_a_number() {
        assert_eq!(
            table(&made_up::stats(), &Lost { candidates: 2, ..Lost::default() }),
            "  program                runs      time      each  skipped
  oom_badness_fexit     1,002    1.2 ms  1,232 ns        0
  out_of_memory_fentry      3  9,300 ns  3,100 ns        0
  1 more program did not run
  ring           at most 12.1K of 1.0M unread
  candidate log  at most 125.2K of 256.0K unread
  collector      3 wake-ups, 1.2 ms of CPU time, at most 8.0M resident
  lost           2 candidates (the ring was full)
"
        );
    }

    #[test]
    fn what_was_not_counted_is_not_zero() {
        let stats = Stats {
            programs: vec![ProgramStats { name: "oom_badness_fexit".into(), ..ProgramStats::default() }],
            uncounted_because: Some("BPF_ENABLE_STATS: not permitted".into()),
            ..Stats::default()
        };
        assert_eq!(
            table(&stats, &Lost::default()),
            "  program            runs  time  each  skipped
  oom_badness_fexit     ?     ?     ?        ?
  runs and time of the programs are not known: BPF_ENABLE_STATS: not permitted
  collector      0 wake-ups, ? of CPU time, at most ? resident
  lost           nothing
"
        );
    }
}
