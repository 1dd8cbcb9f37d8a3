//! Sentences and layout. Whole screens are compared in `tests/files.rs`.

use unicode_width::UnicodeWidthStr;

use super::*;
use crate::made_up::{self, CONTAINER, HALF_GIB, Pass, memory, scored, task};
use crate::model::observation::{Candidate, Chosen, Score};
use crate::model::session::Hook;
use crate::model::{Name, Observation};

fn shown(observations: &[Observation], options: Options) -> String {
    let info = made_up::info();
    let mut out = Vec::new();
    let mut sink = Terminal::new(&mut out, options);
    sink.start(&info).expect("memory takes everything");
    for episode in made_up::assemble(&info, observations) {
        sink.episode(&episode).expect("memory takes everything");
    }
    sink.end(&Totals { complete: true, ..Totals::default() }).expect("memory takes everything");
    String::from_utf8(out).expect("text is UTF-8")
}

/// The text after a label, unwrapped.
fn labelled(observations: &[Observation], label: &str) -> String {
    let text = shown(observations, Options { width: 900, color: false, verbose: false });
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label} in\n{text}")).trim().to_owned()
}

fn contest(tasks: Vec<Candidate>, chosen: usize, totalpages: u64) -> String {
    let chosen = tasks[chosen].clone();
    let pass =
        Pass::memcg(1, 10, task(1, "t", 0, CONTAINER), totalpages).scan(tasks).choose(&chosen).kill(&chosen);
    labelled(&pass.close(Chosen::Task, true).exit(chosen.task.pid, 3).observations, "why")
}

fn rival(pid: i32, adj: i16, pages: u64, totalpages: u64) -> Candidate {
    scored(task(pid, "p", adj, CONTAINER), memory(pages, 0), totalpages)
}

#[test]
fn no_line_is_wider_than_the_screen() {
    for (name, observations) in made_up::scenarios() {
        for width in [60, 80, 100, 132, 200] {
            for verbose in [false, true] {
                let text = shown(&observations, Options { width, color: false, verbose });
                for line in text.lines() {
                    assert!(line.width() <= width, "{name} at {width}: {line}");
                    assert!(!line.contains(char::is_control), "{name}: {line:?}");
                    assert_eq!(line, line.trim_end(), "{name} at {width}");
                }
            }
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    for (name, observations) in made_up::scenarios() {
        let options = Options { width: 90, color: false, verbose: true };
        let plain = shown(&observations, options);
        let coloured = shown(&observations, Options { color: true, ..options });
        assert_ne!(plain, coloured);
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, plain, "{name}");
    }
}

#[test]
fn why_by_memory() {
    let tasks = vec![rival(10, 0, 1000, HALF_GIB), rival(11, 0, 50_000, HALF_GIB)];
    assert_eq!(
        contest(tasks, 1, HALF_GIB),
        "highest by 49,123 points (191.9M), all of it memory; had p[11] had oom_score_adj -375 or less, p[10] would have died instead"
    );
}

#[test]
fn why_by_adjustment_against_memory() {
    let tasks = vec![rival(10, 0, 50_000, HALF_GIB), rival(11, 900, 1000, HALF_GIB)];
    assert_eq!(
        contest(tasks, 1, HALF_GIB),
        "highest by 68,777 points (268.7M), with 191.9M less memory: oom_score_adj 900 against 0; \
         had p[11] had oom_score_adj 374 or less, p[10] would have died instead"
    );
}

#[test]
fn why_by_memory_against_adjustment() {
    let tasks = vec![rival(10, 100, 1000, HALF_GIB), rival(11, 0, 50_000, HALF_GIB)];
    assert_eq!(
        contest(tasks, 1, HALF_GIB),
        "highest by 36,023 points (140.7M), 191.9M more memory outweighing oom_score_adj 0 against 100; \
         had p[11] had oom_score_adj -275 or less, p[10] would have died instead"
    );
}

#[test]
fn a_tie_would_have_gone_to_the_later_one() {
    let twins = || vec![rival(10, 0, 1000, HALF_GIB), rival(11, 0, 1000, HALF_GIB)];
    assert_eq!(
        contest(twins(), 1, HALF_GIB),
        "tie with p[10] at 1,010 points: the kernel takes the one it looks at last; \
         had p[11] had oom_score_adj -1 or less, p[10] would have died instead"
    );
    // One step of the adjustment is 131 pages: the earlier one dies at a tie only if the other one comes later.
    let mut apart = twins();
    apart[1].score = Score::Points(1010 + 131);
    assert!(contest(apart.clone(), 1, HALF_GIB).contains("had oom_score_adj -2 or less"));
    apart.swap(0, 1);
    assert!(contest(apart, 0, HALF_GIB).contains("had oom_score_adj -1 or less"));
}

#[test]
fn below_four_megabytes_the_adjustment_is_nothing() {
    let tasks = vec![rival(10, 1000, 100, 900), rival(11, -999, 500, 900)];
    assert_eq!(
        contest(tasks, 1, 900),
        "highest by 401 points (1.6M), all of it memory; oom_score_adj has no effect below 1000 pages"
    );
}

#[test]
fn only_one_could_be_chosen() {
    assert_eq!(contest(vec![rival(11, 0, 500, HALF_GIB)], 0, HALF_GIB), "the only one that could be chosen");
    let mut tasks = vec![rival(11, 0, 500, HALF_GIB)];
    tasks.push(made_up::unkillable(task(12, "d", -1000, CONTAINER), memory(9000, 0)));
    assert_eq!(contest(tasks, 0, HALF_GIB), "the only one that could be chosen (1 protected by -1000)");
}

#[test]
fn nothing_but_minus_thousand_spares_the_far_larger() {
    let tasks = vec![rival(10, -999, 100, HALF_GIB), rival(11, -998, 131_000, HALF_GIB)];
    assert!(contest(tasks, 1, HALF_GIB).ends_with("only oom_score_adj -1000 would have spared it"));
}

#[test]
fn the_date_is_shown_first_and_when_it_changes() {
    let pass = |episode, hours: u64| {
        let ms = hours * 3_600_000;
        Pass::enter(episode, ms, task(1, "t", 0, CONTAINER), 0xcc0, 0, None)
            .close(Chosen::Nobody, true)
            .observations
    };
    let text = shown(
        &[pass(1, 0), pass(2, 1), pass(3, 12)].concat(),
        Options { width: 120, color: false, verbose: false },
    );
    let heads: Vec<&str> =
        text.lines().filter(|line| line.starts_with('#')).map(|line| &line[..40]).collect();
    assert_eq!(
        heads,
        [
            "#1 xjfqxltx  2026-08-14 14:03:00.000 +02",
            "#2 xlpppzhn  15:03:00.000  global OOM: t",
            "#3 zfnvkntm  2026-08-15 02:03:00.000  gl"
        ]
    );
}

#[test]
fn memory_is_back_only_when_it_was_let_go() {
    let mut info = made_up::info();
    info.hooks.push(Hook { target: "exit_oom_victim".into(), kind: "fentry".into(), missing: None });
    // From Linux 6.16 on the release follows the exit.
    let mut late = made_up::one_kill();
    let exit = late.pop().expect("there is one");
    let mut release = late.pop().expect("there is one");
    if let Observation::Released(released) = &mut release {
        released.at.boot_ns += 98 * made_up::MS;
    }
    late.push(exit);
    let never = late.clone();
    late.push(release);
    let outcome = |observations: &[Observation]| {
        let mut out = Vec::new();
        let mut sink = Terminal::new(&mut out, Options { width: 900, color: false, verbose: false });
        sink.start(&info).expect("memory takes everything");
        for episode in made_up::assemble(&info, observations) {
            sink.episode(&episode).expect("memory takes everything");
        }
        let text = String::from_utf8(out).expect("text is UTF-8");
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("outcome"));
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(
        outcome(&made_up::one_kill()),
        "killed after 0.2 ms, gone after 9.1 ms, 411.2M back; the reaper was not needed"
    );
    assert_eq!(
        outcome(&late),
        "killed after 0.2 ms, gone after 9.1 ms, 411.2M back after 107 ms; the reaper was not needed"
    );
    assert_eq!(outcome(&never), "killed after 0.2 ms, gone after 9.1 ms; the reaper was not needed");
}

#[test]
fn words_of_numbers() {
    assert_eq!(
        (words::size(0), words::size(1023), words::size(1 << 29)),
        ("0".into(), "1023B".into(), "512.0M".into())
    );
    assert_eq!((words::grouped(-1_234_567), words::grouped(999)), ("-1,234,567".into(), "999".into()));
    let times = [999, 99_999, 400_000, 9_100_000, 19_000_000, 2_310_000_000].map(words::duration);
    assert_eq!(times, ["1 µs", "100 µs", "0.4 ms", "9.1 ms", "19 ms", "2.3 s"]);
}

#[test]
fn paths_are_cut_in_the_middle_at_names() {
    let path = "/kubepods.slice/burstable/pod3f0e1c7a/cri-containerd-9a1c.scope";
    for (room, cut) in [
        (100, path),
        (50, "/kubepods.slice/…/cri-containerd-9a1c.scope"),
        (30, "…/cri-containerd-9a1c.scope"),
        (16, "…rd-9a1c.scope"),
    ] {
        let short = words::path(path, room);
        assert!(short.width() <= room, "{short}");
        if room != 16 {
            assert_eq!(short, cut);
        }
    }
}

#[test]
fn container_ids_are_cut_to_what_people_know_them_by() {
    let id = "9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";
    let path = format!("/system.slice/docker-{id}.scope");
    assert_eq!(words::path(&path, 200), path);
    assert_eq!(words::path(&path, 50), "/system.slice/docker-9a1c55e0b7d3….scope");
    assert_eq!(words::path(&path, 30), "…/docker-9a1c55e0b7d3….scope");
    assert_eq!(words::path(&format!("/docker/{id}"), 40), "/docker/9a1c55e0b7d3…");
    // Longer than an id, and so none.
    let longer = words::path(&format!("/docker/{id}ff"), 40);
    assert!(longer.width() <= 40 && longer.ends_with("8f01ff"), "{longer}");
}

#[test]
fn parts_that_do_not_add_up_are_marked() {
    let mut lagging = rival(7, 0, 5000, 10_000);
    if let Score::Points(points) = &mut lagging.score {
        *points += 17;
    }
    let pass = Pass::memcg(1, 10, task(1, "t", 0, CONTAINER), 10_000)
        .scan(vec![lagging.clone(), rival(8, 0, 100, 10_000)])
        .choose(&lagging)
        .kill(&lagging);
    let observations = pass.close(Chosen::Task, true).exit(7, 3).observations;
    let text = shown(&observations, Options { width: 120, color: false, verbose: false });
    let row = |pid: &str| text.lines().find(|line| line.contains(pid)).map(str::to_owned).unwrap_or_default();
    assert!(row("p[7]").contains("~19.5M"), "{text}");
    assert!(!row("p[8]").contains('~'), "{text}");
}

#[test]
fn the_ledger_in_a_sentence() {
    use crate::model::Ledger;
    use crate::model::ledger::{CgroupLedger, Reason};

    let told = |ledger: Ledger| ledger::line(&ledger).expect("its counters are known");
    let balanced =
        |kills: u64| Ledger { counted: Some(kills), captured: kills, processes: kills, ..Ledger::default() };
    assert_eq!(ledger::line(&Ledger { captured: 3, ..Ledger::default() }), None);
    assert_eq!(told(balanced(0)), "the kernel counted no kill");
    assert_eq!(told(balanced(1)), "1 of 1 kill that the kernel counted is accounted for");
    assert_eq!(
        told(Ledger { shared_mm: 1, ..balanced(12) }),
        "12 of 12 kills that the kernel counted are accounted for; 1 more process that it does not count (killed for \
         sharing the memory of a victim)"
    );
    assert_eq!(
        told(Ledger { shared_mm: 2, exiting: 1, processes: 5, ..balanced(6) }),
        "6 of 6 kills that the kernel counted are accounted for (5 processes: the first one of a group is counted \
         twice); 3 more processes that it does not count (2 killed for sharing the memory of a victim, 1 dying anyway)"
    );
    let place = |path: Option<&str>| CgroupLedger { path: path.map(Name::from), counted: 4, captured: 2 };
    assert_eq!(
        told(Ledger {
            counted: Some(1004),
            reasons: vec![Reason::UnderWay, Reason::RunsUnknown],
            cgroups: vec![place(Some("/a\n")), place(None)],
            ..balanced(2)
        }),
        "2 of 1,004 kills that the kernel counted are accounted for, 1,002 missed, most likely because an OOM was under \
         way when the capture began or ended, or the kernel skipped runs of the probes, which this one does not count \
         (seen: 2 of 4 in /a\\n, 2 of 4 in ?)"
    );
    // A counter that went less far than what was seen is told as it is.
    assert_eq!(
        told(Ledger { counted: Some(1), ..balanced(2) }),
        "2 kills captured, and the kernel counted 1"
    );
}
