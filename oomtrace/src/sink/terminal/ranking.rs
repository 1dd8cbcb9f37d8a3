//! Who would be killed next, for people: the episode's table, and what is to be said of it.

use std::io::{self, Write};

use crate::badness;
use crate::model::episode::{Cause, RankedCandidate, Verdict};
use crate::model::observation::{Score, TaskFlags};
use crate::rank::{Report, Unseen};

use super::page::Page;
use super::{Options, table, words};

/// Processes with another score than the kernel's that are named.
const NAMED: usize = 5;

/// Writes a ranking with the first `top` that can be killed; all, the others too, when `verbose`.
///
/// # Errors
///
/// Those of the writer.
pub fn ranking(mut writer: impl Write, report: &Report, top: usize, options: Options) -> io::Result<()> {
    let mut page = Page::new(options);
    head(report, &mut page);
    rows(report, top, options, &mut page);
    next(report, &mut page);
    if let Some(text) = unseen(report) {
        page.labelled_warning("unseen", &text);
    }
    verify(report, &mut page);
    writer.write_all(page.into_string().as_bytes())?;
    writer.flush()
}

/// `Linux 6.12.117 · if the machine ran out of memory (62.7G RAM, 8.0G swap)`
fn head(report: &Report, page: &mut Page) {
    let size = |pages: u64| words::size(pages.saturating_mul(report.page_size.into()));
    let swap = |pages: u64| if pages == 0 { "no swap".to_owned() } else { format!("{} swap", size(pages)) };
    let what = match &report.ranking.memcg {
        None => format!(
            "if the machine ran out of memory ({} RAM, {})",
            size(report.ram_pages),
            swap(report.swap_pages)
        ),
        Some(path) => {
            let limit = report.limit_pages.unwrap_or(0);
            // The kernel takes one page at least for the whole.
            let beyond = report.ranking.totalpages.saturating_sub(limit.max(1));
            let a = if report.limit_assumed { "a limit" } else { "its limit" };
            format!("if {} ran into {a} of {} ({})", words::plain(path), size(limit), swap(beyond))
        }
    };
    page.headline(&format!("Linux {} · {what}", words::plain(&report.kernel_release)), 4);
}

fn rows(report: &Report, top: usize, options: Options, page: &mut Page) {
    let mut lines = Vec::new();
    let mut rest = table::Rest::default();
    for (at, candidate) in report.ranking.candidates.iter().enumerate() {
        let scored = matches!(candidate.verdict, Verdict::Chosen | Verdict::Outscored | Verdict::Blocking);
        if at < top && (scored || options.verbose) {
            lines.push(row(report, candidate, options));
        } else {
            rest.add(candidate.verdict, false);
        }
    }
    table::render(options, &lines, false, page);
    if let Some(text) = rest.text() {
        page.paragraph(&format!("    … {text}"), 6);
    }
}

fn row(report: &Report, candidate: &RankedCandidate, options: Options) -> table::Line {
    let (share, points) = match candidate.score {
        Score::Points(points) => {
            let share = badness::share(points, report.ranking.totalpages);
            (words::or_unknown(share), points.to_string())
        }
        Score::NotScored | Score::Unkillable => ("-".to_owned(), "-".to_owned()),
        Score::Unknown => ("?".to_owned(), "?".to_owned()),
    };
    let mark = match candidate.verdict {
        Verdict::Chosen => "next".to_owned(),
        Verdict::Unkillable(reason) | Verdict::PassedOver(reason) => words::reason(reason, 1),
        Verdict::Outscored | Verdict::Blocking if candidate.flags.has(TaskFlags::EXITING) => {
            "exiting".to_owned()
        }
        Verdict::Outscored | Verdict::Blocking => String::new(),
    };
    let unknown = if candidate.flags.has(TaskFlags::NO_MM) { "-" } else { "?" };
    let next = candidate.verdict == Verdict::Chosen;
    let page_size = report.page_size;
    table::line((options, page_size), &candidate.task, candidate.memory, unknown, [share, points, mark], next)
}

fn next(report: &Report, page: &mut Page) {
    let ranking = &report.ranking;
    let Some(next) = ranking.next() else {
        let unknown = ranking.candidates.iter().any(|candidate| candidate.score == Score::Unknown);
        page.labelled(
            "next",
            if unknown {
                "not known: no points could be computed"
            } else {
                "nobody: there is nobody that may be killed"
            },
        );
        return;
    };
    let text = match ranking.margin() {
        None => format!("{} would be killed: there is no other", words::task(&next.task)),
        Some((0, second)) => format!(
            "{} would be killed: as many points as {}, and the scan comes to it {}",
            words::task(&next.task),
            words::task(&second.task),
            if next.scan_index > second.scan_index { "later" } else { "first" }
        ),
        Some((points, second)) => {
            let size = u64::try_from(points).unwrap_or(0).saturating_mul(report.page_size.into());
            format!(
                "{} would be killed: {} points ({}) ahead of {}",
                words::task(&next.task),
                words::grouped(points.into()),
                words::size(size),
                words::task(&second.task)
            )
        }
    };
    page.labelled("next", &text);
}

/// What may be missing from the ranking.
fn unseen(report: &Report) -> Option<String> {
    let Unseen { forbidden, gone: _, unexpected, foreign, threads } = report.unseen;
    let mut parts = Vec::new();
    if forbidden > 0 {
        let what = words::counted(forbidden, "process", "processes");
        parts.push(format!("{what} of others, which may not be read"));
    }
    if unexpected > 0 {
        let what = words::counted(unexpected, "process", "processes");
        parts.push(format!("{what} with files of an unknown shape"));
    }
    if foreign > 0 {
        let what = words::counted(foreign, "process", "processes");
        parts.push(format!("{what} outside of this pid namespace"));
    }
    let threads = threads.filter(|&threads| threads > 0).map_or_else(String::new, |threads| {
        format!(": {} of the machine are not shown here", words::count(threads, "thread"))
    });
    if let Some(hidepid) = &report.hidepid {
        parts.push(format!("/proc is mounted with hidepid={}{threads}", words::plain(hidepid)));
    } else if report.all_pids == Some(false) && report.ranking.memcg.is_none() {
        parts.push(format!("/proc is that of a container{threads}"));
    }
    let unscored =
        report.ranking.candidates.iter().filter(|candidate| candidate.score == Score::Unknown).count();
    if unscored > 0 {
        let unscored = u64::try_from(unscored).unwrap_or(u64::MAX);
        parts.push(format!("the points of {}", words::counted(unscored, "process", "processes")));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn verify(report: &Report, page: &mut Page) {
    let Some(found) = &report.verification else { return };
    let summary = format!(
        "/proc/PID/oom_score is as computed for {} of {}",
        words::grouped(found.agreed.into()),
        words::counted(found.checked, "process", "processes")
    );
    if found.differing.is_empty() {
        page.labelled("verify", &summary);
        return;
    }
    let mut parts: Vec<String> = found
        .differing
        .iter()
        .take(NAMED)
        .map(|it| {
            let why = match it.cause {
                Cause::PerCpuCounters => "per-CPU counters are approximate",
                Cause::TaskLocalCounters => "running threads count for themselves",
                _ => "its memory has changed meanwhile",
            };
            let comm = it.comm.to_string();
            format!("{comm}[{}] has {}, not {} ({why})", it.pid, it.oom_score, it.computed)
        })
        .collect();
    if let Some(more) = found.differing.len().checked_sub(NAMED).filter(|&more| more > 0) {
        parts.push(format!("{more} more"));
    }
    page.labelled_warning("verify", &format!("{summary}; {}", parts.join(", ")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::badness::{Kernel, Release};
    use crate::model::Name;
    use crate::model::observation::Memory;
    use crate::rank::{Differing, Process, Verification, rank};

    fn process(pid: i32, comm: &str, anon: u64, adj: i16) -> Process {
        let memory = Memory {
            rss_anon_pages: Some(anon),
            rss_file_pages: Some(1024),
            rss_shmem_pages: Some(0),
            swap_entries: Some(0),
            pgtables_bytes: Some(65_536),
            total_vm_pages: Some(anon),
            rss_pages: None,
        };
        Process {
            pid,
            tid: pid,
            comm: Name::from(comm),
            uid: Some(1000),
            oom_score_adj: Some(adj),
            cgroup: Some(Name::from("/system.slice/some.service")),
            memory: Some(memory),
            rss_pages: None,
            init: false,
            kthread: false,
            exiting: false,
            sys_admin: Some(false),
            oom_score: None,
        }
    }

    fn report(memcg: Option<&str>, processes: &[Process]) -> Report {
        let release = Release::new(6, 12, 0);
        let kernel = Kernel { release, page_size: 4096, cpus: Some(2), percpu: true, live: true };
        Report {
            unix_ns: 0,
            kernel_release: "6.12.0".to_owned(),
            page_size: 4096,
            ram_pages: 131_072,
            swap_pages: 0,
            limit_pages: memcg.map(|_| 16_384),
            limit_assumed: false,
            ranking: rank(
                &kernel,
                memcg.map(str::to_owned),
                if memcg.is_some() { 16_384 } else { 131_072 },
                processes,
            ),
            unseen: Unseen { threads: Some(12), ..Unseen::default() },
            hidepid: None,
            all_pids: Some(true),
            verification: None,
        }
    }

    fn text(report: &Report, top: usize) -> String {
        let mut text = Vec::new();
        let options = Options { width: 100, color: false, verbose: false };
        ranking(&mut text, report, top, options).expect("a vector takes everything");
        String::from_utf8(text).expect("text is UTF-8")
    }

    fn three() -> [Process; 3] {
        [process(7, "postgres", 40_000, 0), process(8, "java", 20_000, 100), process(9, "sshd", 900, -1000)]
    }

    #[test]
    fn the_next_one_leads_the_table() {
        let expected = "\
Linux 6.12.0 · if the machine ran out of memory (512.0M RAM, no swap)
    process      share  points  adj    anon  file  shmem  swap  pgtab
  > postgres[7]    313   41040    0  156.2M  4.0M      0     0  64.0K  next
    java[8]        260   34140  100   78.1M  4.0M      0     0  64.0K
    … 1 protected by -1000
    next      postgres[7] would be killed: 6,900 points (27.0M) ahead of java[8]
";
        assert_eq!(text(&report(None, &three()), 10), expected);
    }

    #[test]
    fn a_memcg_has_its_own_scale_and_the_table_its_end() {
        let expected = "\
Linux 6.12.0 · if /pod ran into its limit of 64.0M (no swap)
    process      share  points  adj    anon  file  shmem  swap  pgtab
  > postgres[7]   2504   41040    0  156.2M  4.0M      0     0  64.0K  next
    … 1 more scored, 1 protected by -1000
    next      postgres[7] would be killed: 18,400 points (71.9M) ahead of java[8]
";
        assert_eq!(text(&report(Some("/pod"), &three()), 1), expected);
    }

    #[test]
    fn a_limit_of_nothing_leaves_no_swap_either() {
        let mut none = report(Some("/pod"), &three());
        (none.limit_pages, none.limit_assumed, none.ranking.totalpages) = (Some(0), true, 1);
        let found = text(&none, 1);
        assert!(found.contains("if /pod ran into a limit of 0 (no swap)"), "{found}");
    }

    #[test]
    fn equals_and_nobody_have_words() {
        let equals = [process(7, "a", 100, 0), process(8, "b", 100, 0)];
        let found = text(&report(None, &equals), 10);
        assert!(
            found.contains("b[8] would be killed: as many points as a[7], and the scan comes to it later"),
            "{found}"
        );
        let found = text(&report(None, &[process(7, "a", 100, -1000)]), 10);
        assert!(found.contains("nobody: there is nobody that may be killed"), "{found}");
        let found = text(&report(None, &equals[..1]), 10);
        assert!(found.contains("a[7] would be killed: there is no other"), "{found}");
    }

    #[test]
    fn what_was_not_seen_is_said() {
        // Threads come and go: without a reason to hide them nothing is said.
        assert!(!text(&report(None, &three()), 10).contains("unseen"));
        let mut some = report(None, &three());
        some.hidepid = Some("2\x1b[31m".to_owned());
        some.unseen.forbidden = 3;
        let found = text(&some, 10);
        assert!(
            found.contains("unseen    3 processes of others, which may not be read; /proc is mounted with"),
            "{found}"
        );
        assert!(found.contains("12 threads") && !found.contains('\x1b'), "{found}");
        let mut container = report(None, &three());
        container.all_pids = Some(false);
        assert!(text(&container, 10).contains("that of a container: 12 threads of the machine"));
    }

    #[test]
    fn scores_that_differ_are_named_with_a_reason() {
        let mut checked = report(None, &three());
        checked.verification = Some(Verification { checked: 3, agreed: 3, differing: Vec::new() });
        let found = text(&checked, 10);
        assert!(
            found.contains("verify    /proc/PID/oom_score is as computed for 3 of 3 processes\n"),
            "{found}"
        );
        let differing = |pid| Differing {
            pid,
            comm: Name::from("java"),
            oom_score: 700,
            computed: 699,
            cause: Cause::PerCpuCounters,
        };
        checked.verification =
            Some(Verification { checked: 9, agreed: 2, differing: (1..8).map(differing).collect() });
        let found = text(&checked, 10).replace("\n              ", " ");
        assert!(
            found.contains(
                "2 of 9 processes; java[1] has 700, not 699 (per-CPU counters are approximate), java[2]"
            ),
            "{found}"
        );
        assert!(found.contains(", 2 more\n"), "{found}");
    }
}
