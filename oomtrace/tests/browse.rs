//! `browse` in a pseudo-terminal: what a person sees, and what is left of the terminal afterwards.

#![cfg(feature = "tui")]

#[path = "support/large.rs"]
mod large;
#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;
#[path = "support/pty.rs"]
mod pty;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};

use program::{golden, oomtrace, text, write};
use pty::Pty;
use rustix::process::Signal;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
const ESC: &str = "\x1b";
const DOWN: &str = "\x1b[B";
/// What a screen has when everything has been read.
const READ: &str = ".oomtrace\n";

/// In the folder of the corpus, so that screens do not tell where that is.
fn of_corpus(file: &str) -> Command {
    let mut command = oomtrace();
    command.current_dir(CORPUS).arg("browse").arg(file);
    command
}

fn browse(file: &str, rows: u16, columns: u16) -> Pty {
    let pty = Pty::start(&mut of_corpus(file), rows, columns);
    pty.shows(READ);
    pty
}

/// Quits, and the terminal is as it was; returns the exit code and all that was written.
fn quit(pty: &mut Pty) -> (Option<i32>, String) {
    pty.keys("q");
    let (status, written) = pty.end();
    pty.assert_restored();
    (status.code(), written)
}

#[test]
fn every_screen_at_80_and_at_200_columns() {
    for (rows, columns) in [(24, 80), (50, 200)] {
        let mut pty = browse("v1.2-packed-whole-pod.oomtrace", rows, columns);
        let mut shown = String::new();
        let mut take = |name: &str, screen: String| shown.push_str(&format!("==== {name}\n{screen}"));
        take("list", pty.settled());
        for (key, name, says) in [
            ("\r", "episode", "trigger"),
            ("2", "candidates", "as the kernel ranked them"),
            ("\t", "timeline", "enters out_of_memory()"),
            ("4", "cgroups", "inactive_anon"),
            ("\x1b[C", "explain", "margin"),
            ("6", "what if", "Suppose that"),
            ("?", "help", "everywhere"),
        ] {
            pty.keys(key).shows(says);
            take(name, pty.settled());
        }
        golden(&format!("browse/{columns}.txt"), shown.as_bytes());
        assert_eq!(quit(&mut pty).0, Some(0));
    }
}

#[test]
fn candidates_are_sorted_by_every_column_both_ways() {
    let mut pty = browse("v1.2-many.oomtrace", 80, 200);
    let names = |screen: &str| -> Vec<String> {
        let rows = screen.lines().skip(3).take_while(|line| !line.starts_with('─') && !line.is_empty());
        rows.filter_map(|line| line.get(2..)?.split_whitespace().next().map(str::to_owned)).collect()
    };
    let ranked = names(&pty.keys("\r2").shows("as the kernel ranked them"));
    assert_eq!(ranked.len(), 60, "{ranked:?}");
    let all: BTreeSet<_> = ranked.iter().collect();
    let mut orders = BTreeSet::new();
    for column in [
        "process",
        "points",
        "share",
        "adj",
        "rss",
        "anon",
        "file",
        "shmem",
        "swap",
        "pgtab",
        "uid",
        "what came of it",
        "cgroup",
    ] {
        let screen = pty.keys(">").shows(&format!(" by {column}, "));
        assert!(screen.contains(&format!("{column}▼")) || screen.contains(&format!("{column}▲")), "{screen}");
        let found = names(&screen);
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), all, "{column}: nobody is missing");
        let turned = pty.keys("r").until("the other way", |now| now.contains('▼') != screen.contains('▼'));
        let turned = names(&turned);
        assert_eq!(turned.iter().collect::<BTreeSet<_>>(), all, "{column}: nobody is missing");
        orders.extend([found, turned]);
    }
    assert!(orders.len() > 15, "columns have orders of their own: {}", orders.len());
    assert_eq!(names(&pty.keys(">").shows("as the kernel ranked them")), ranked);
    // A narrow screen shows the column that it is sorted by.
    pty.keys("<");
    pty.resize(24, 80);
    pty.shows("cgroup▲");
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn what_if_is_asked_answered_and_taken_back() {
    let mut pty = browse("linux-6.1-memcg.oomtrace", 24, 100);
    pty.keys("\r2w").shows("kill:WHO): adj:");
    pty.keys("-1000\r").shows("had been -1000 instead of");
    pty.keys("wlimit=64M\r").shows("the limit of");
    // The other limit takes the place of this one.
    let screen = pty.keys("wlimit=128M\r").shows("had been 128.0M");
    assert!(!screen.contains("64.0M"), "{screen}");
    pty.keys("u").until("only the first", |screen| !screen.contains("128.0M"));
    pty.keys("c").shows("Suppose that");
    let refused = pty.keys("wnonsense\r").shows("expected adj:PID=N");
    assert!(refused.contains("what if `nonsense`"), "{refused}");
    pty.keys("wkill:99999999\r").shows("no process 99999999");
    pty.keys("wadj").shows("kill:WHO): adj");
    pty.keys(&format!("{ESC}2{DOWN}x")).shows("been gone before");
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn finding_chooses_episodes_and_candidates() {
    let list = oomtrace().args(["list", "--json", CORPUS]).output().expect("it starts");
    let all = text(&list.stdout).lines().filter(|line| line.contains("\"type\":\"listed\"")).count();
    assert!(all > 50, "{all} episodes in the corpus");
    let mut pty = Pty::start(&mut of_corpus("."), 30, 120);
    pty.shows("recordings\n");
    pty.keys("/group-kill").shows(&format!("episodes of {all} with \"group-kill\""));
    pty.keys("\r\r").shows("1 episode  2 candidates");
    pty.keys(ESC).shows("with \"group-kill\"");
    pty.keys(ESC).shows(&format!("{all} episodes"));
    let (code, written) = quit(&mut pty);
    // One of them is cut off: that is said when the screen is gone, and is the exit code.
    assert_eq!(code, Some(4));
    let (_, after) = written.rsplit_once("\x1b[?1049l").expect("it left the screen");
    assert!(after.contains("linux-6.1-cut-off.oomtrace: the"), "{after:?}");

    let mut pty = browse("v1.2-many.oomtrace", 30, 120);
    pty.keys("\r2/redis\r").shows("8 with \"redis\"");
    pty.keys(ESC).until("all", |screen| !screen.contains("with \"redis\""));
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn it_follows_the_size_of_the_terminal() {
    let mut pty = browse("linux-6.1-memcg.oomtrace", 24, 80);
    pty.resize(50, 200);
    pty.shows("│ #1 ");
    pty.resize(5, 30);
    pty.shows("here are 30 and 5.");
    pty.resize(10, 60);
    pty.shows("1 of 1");
    pty.keys("\r5").shows("lines below");
    // A key that comes with a change of the size is not lost.
    for columns in 80..90 {
        pty.resize(24, columns);
        pty.keys("?").shows("everywhere");
        pty.resize(24, columns + 30);
        pty.keys("\r").until("no help", |screen| !screen.contains("everywhere"));
    }
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    for end in ["q", "\x03"] {
        let mut pty = browse("linux-6.1-memcg.oomtrace", 24, 80);
        assert!(pty.is_taken());
        pty.keys(end);
        assert!(pty.end().0.success());
        pty.assert_restored();
    }
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut pty = browse("linux-6.1-memcg.oomtrace", 24, 80);
        pty.signal(signal);
        assert!(pty.end().0.success(), "{signal:?}");
        pty.assert_restored();
    }
    // Who was stopped and goes on draws again. Nobody would continue it after Ctrl-Z here, so that it goes on at once.
    let mut pty = browse("linux-6.1-memcg.oomtrace", 24, 80);
    pty.signal(Signal::STOP);
    pty.signal(Signal::CONT);
    pty.keys("\x1a");
    pty.keys("\r").shows("trigger");
    assert!(pty.is_taken());
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let recording = format!("{CORPUS}/linux-6.1-memcg.oomtrace");
    for (args, instead) in
        [(&["browse", recording.as_str()][..], "`oomtrace replay`"), (&["watch", "--tui"], "`watch`")]
    {
        let output = oomtrace().args(args).env("TERM", "xterm").output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = text(&output.stderr);
        assert!(said.contains("needs a terminal") && said.contains(instead), "{said}");
    }
    let mut pty = Pty::start_as(&mut of_corpus("linux-6.1-memcg.oomtrace"), 24, 80, "dumb");
    let (status, written) = pty.end();
    assert_eq!(status.code(), Some(2));
    assert!(written.contains("can only write lines") && !written.contains(ESC), "{written:?}");
}

#[test]
fn what_cannot_be_read_is_said_before_there_is_a_screen() {
    let mut pty = Pty::start(&mut of_corpus("not-there.oomtrace"), 24, 80);
    let (status, written) = pty.end();
    assert_eq!(status.code(), Some(1));
    assert!(written.contains("No such file") && !written.contains("\x1b[?1049h"), "{written:?}");
}

#[test]
fn a_damaged_recording_is_shown_as_far_as_it_goes() {
    let dir = tempfile::tempdir().expect("there is room");
    let mut bytes = made_up::file(&made_up::info(), &made_up::many_kills(3));
    bytes.truncate(bytes.len() - 10);
    let path = write(&dir, "cut.oomtrace", &bytes);
    let mut pty = Pty::start(oomtrace().arg("browse").arg(path), 24, 80);
    pty.shows("cut off");
    pty.shows("3 episodes");
    pty.keys("m").shows("cut.oomtrace: the");
    assert_eq!(quit(&mut pty).0, Some(4));
}

#[test]
fn a_recording_without_episodes_says_so() {
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "quiet.oomtrace", &made_up::file(&made_up::info(), &[]));
    let mut pty = Pty::start(oomtrace().arg("browse").arg(path), 24, 80);
    pty.shows("There is no episode in it.");
    pty.keys("\r2345wxnp/a\r?m<>ruc");
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn a_recording_may_come_through_stdin() {
    let bytes = std::fs::read(format!("{CORPUS}/linux-6.1-memcg.oomtrace")).expect("it is there");
    let (read, mut write) = std::io::pipe().expect("there are descriptors");
    std::thread::spawn(move || write.write_all(&bytes));
    let mut command = oomtrace();
    command.args(["browse", "-"]);
    let mut pty = Pty::start_with(&mut command, 24, 80, "xterm", Some(Stdio::from(read)));
    pty.shows("1 of 1");
    pty.keys("\r").shows("trigger");
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn a_recording_that_is_being_written_is_followed() {
    let dir = tempfile::tempdir().expect("there is room");
    let whole = made_up::file(&made_up::info(), &made_up::many_kills(40));
    let (first, rest) = whole.split_at(whole.len() / 2);
    let path = write(&dir, "live.oomtrace", first);
    let mut file = File::options().append(true).open(&path).expect("it is there");
    // As a recorder has it.
    file.lock().expect("nobody else has it");
    let mut pty = Pty::start(oomtrace().args(["browse", "--follow", &path]), 24, 80);
    let some = pty.until("an episode", |screen| screen.contains("reading") && !screen.contains("0 of 0"));
    assert!(!some.contains("40 episodes"), "{some}");
    // Somebody looks at one that is not the newest: there it stays.
    let looked_at = pty.keys(&format!("{DOWN}\r")).shows("trigger");
    let heading = looked_at.lines().nth(2).expect("a heading").to_owned();
    file.write_all(rest).expect("it can be written");
    drop(file);
    let now = pty.shows("of 40");
    assert_eq!(now.lines().nth(2), Some(heading.as_str()));
    pty.keys(ESC).shows("40 episodes");
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn hostile_names_break_nothing() {
    for file in ["v1.0-odd.oomtrace", "v1.1-odd-evidence.oomtrace", "linux-6.1-names.oomtrace"] {
        for (rows, columns) in [(24, 80), (30, 160)] {
            let mut pty = browse(file, rows, columns);
            for key in ["\r", "2", ">", "3", "4", "5", "6", ESC] {
                pty.keys(key);
                let screen = pty.until("a foot", |screen| {
                    screen.lines().last().is_some_and(|foot| foot.contains("q quit"))
                });
                assert!(screen.starts_with("oomtrace "), "{screen}");
            }
            let (code, written) = quit(&mut pty);
            assert!(matches!(code, Some(0 | 4)), "{code:?}");
            let harmless = |c: char| !c.is_control() || matches!(c, '\x1b' | '\r' | '\n');
            assert!(written.chars().all(harmless), "{written:?}");
            // Only what the screen is drawn with: no title, no palette, no report of anything.
            for (at, _) in written.match_indices(ESC) {
                assert!(written[at + 1..].starts_with('['), "{:?}", &written[at..]);
            }
        }
    }
}

#[test]
fn only_who_died_has_a_colour_and_none_without_colours() {
    let mut pty = browse("linux-6.1-memcg.oomtrace", 24, 80);
    pty.keys("\r").shows("trigger");
    let coloured = pty.coloured();
    let red = (vt100::Color::Idx(1), vt100::Color::Default);
    assert!(
        !coloured.is_empty() && coloured.iter().all(|(_, text, back)| (*text, *back) == red),
        "{coloured:?}"
    );
    quit(&mut pty);
    let mut pty = Pty::start(of_corpus("linux-6.1-memcg.oomtrace").env("NO_COLOR", "1"), 24, 80);
    pty.shows(READ);
    pty.keys("\r").shows("trigger");
    assert_eq!(pty.coloured(), []);
    quit(&mut pty);
}

#[test]
fn thousands_of_episodes_are_scrolled_through() {
    let dir = tempfile::tempdir().expect("there is room");
    let bytes = made_up::file(&made_up::info(), &made_up::many_kills(3000));
    let path = write(&dir, "many.oomtrace", &bytes);
    let mut pty = Pty::start(oomtrace().arg("browse").arg(path), 24, 80);
    pty.shows("3,000 episodes");
    pty.keys("G").shows("3,000 of 3,000");
    pty.keys("g").shows("  1 of 3,000");
    pty.keys(&" ".repeat(50)).keys("\r").shows("trigger");
    pty.keys("nnnn").keys(ESC).shows("of 3,000");
    assert_eq!(quit(&mut pty).0, Some(0));
}

#[test]
fn a_scan_of_20_000_is_sorted_and_scrolled_through() {
    let dir = tempfile::tempdir().expect("there is room");
    let mut observations = Vec::new();
    large::each(large::Shape { episodes: 2, candidates: 20_000 }, |observation| {
        observations.push(observation);
    });
    let path = write(&dir, "large.oomtrace", &made_up::file(&large::info(), &observations));
    let mut pty = Pty::start(oomtrace().arg("browse").arg(path), 50, 200);
    pty.shows("2 episodes");
    pty.keys("2").shows(" 1 of 20,000");
    pty.keys(">>>>>").shows("by rss, largest first");
    pty.keys("G").shows("20,000 of 20,000");
    pty.keys("/rustc\r").shows(" with \"rustc\"");
    pty.keys("n5").shows("margin");
    assert_eq!(quit(&mut pty).0, Some(0));
}

/// A name as wide as it can be, of characters that take two columns, of such that take none, and of such that would drive a terminal.
#[test]
fn wide_and_weightless_names_keep_the_columns() {
    let dir = tempfile::tempdir().expect("there is room");
    let mut tasks = Vec::new();
    for (pid, name) in [
        (1001, "日本語日本"),
        (1002, "e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}"),
        (1003, "\x1b[2J\x07\r\n"),
        (1004, "👩\u{200d}👩\u{200d}👧"),
        (1005, "\u{202e}evil"),
    ] {
        let task = made_up::task(pid, name, 0, made_up::CONTAINER);
        tasks.push(made_up::scored(task, made_up::memory(10_000 + pid as u64, 10), 131_072));
    }
    let victim = tasks[2].clone();
    let pass = made_up::Pass::memcg(1, 22_418, victim.task.clone(), 131_072)
        .scan(tasks)
        .choose(&victim)
        .kill(&victim)
        .close(oomtrace::model::observation::Chosen::Task, true)
        .exit(1003, 9);
    let observations = [made_up::cgroups(), pass.observations].concat();
    let path = write(&dir, "wide.oomtrace", &made_up::file(&made_up::info(), &observations));
    for columns in [80, 200] {
        let mut pty = Pty::start(oomtrace().arg("browse").arg(&path), 24, columns);
        pty.shows(READ);
        pty.keys("2").shows("as the kernel ranked them");
        let screen = pty.settled();
        // Whatever stands before them, numbers end in one column.
        let heading = pty.column_of(2, "points").expect("a heading") + "points".len();
        for row in 3..8 {
            let text = pty.row_from(row, 0);
            let points = text.split_whitespace().find(|word| word.len() == 5 && word.starts_with('1'));
            let end = pty.column_of(row, points.expect("points")).expect("it is there") + 5;
            assert_eq!(end, heading, "{text:?} in\n{screen}");
        }
        assert_eq!(quit(&mut pty).0, Some(0));
    }
}

/// `docs/browse.md` shows a screen, and it and the README have commands.
#[test]
fn the_documents_show_what_is_there() {
    let repository =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in the repository");
    let path = repository.join("docs/browse.md");
    let document = std::fs::read_to_string(&path).expect("it is there");
    let mut command = oomtrace();
    command.current_dir(repository.join("docs/guide")).args(["browse", "database.oomtrace"]);
    let mut pty = Pty::start(&mut command, 24, 80);
    pty.shows(READ);
    pty.keys("\r2>>>>>").shows("by rss, largest first");
    let screen = pty.settled();
    assert_eq!(quit(&mut pty).0, Some(0));
    let (before, rest) = document.split_once("```text\n").expect("there is a screen");
    let (shown, after) = rest.split_once("```").expect("it has an end");
    if std::env::var_os("OOMTRACE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}```text\n{screen}```{after}")).expect("it can be written");
    } else {
        assert_eq!(shown, screen, "OOMTRACE_BLESS=1 writes it anew");
    }

    let readme = std::fs::read_to_string(repository.join("README.md")).expect("it is there");
    let line = readme.lines().find(|line| line.starts_with("oomtrace browse ")).expect("the README has it");
    let args = line.split("  ").next().unwrap_or_default().replace("incident.oomtrace", "build.oomtrace");
    let mut command = oomtrace();
    command.current_dir(repository.join("docs/guide")).args(args.split_whitespace().skip(1));
    let mut pty = Pty::start(&mut command, 24, 80);
    pty.shows(READ);
    assert_eq!(quit(&mut pty).0, Some(0));
}
