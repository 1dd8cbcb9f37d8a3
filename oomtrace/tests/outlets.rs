//! The built program's hooks: from a file, and as the process beside a capture, which gets a recording on stdin.

#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::time::{Duration, Instant};

use program::{run, text, with_stdin, write};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/linux-6.1-group-kill.oomtrace");

/// Episodes that a recording shows.
fn episodes(path: &str) -> Vec<String> {
    let shown = run(&["replay", "--json", path]);
    text(&shown.stdout)
        .lines()
        .filter(|line| line.contains("\"type\":\"episode\""))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_episode_of_a_file_goes_to_the_command() {
    let folder = tempfile::tempdir().expect("there is room");
    let out = folder.path().join("out");
    let command = format!("cat >> {}", out.display());
    let output = run(&["replay", "--exec", &command, "--exec-queue", "1", CORPUS]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let found = fs::read_to_string(&out).expect("it was run");
    assert_eq!(found.lines().collect::<Vec<_>>(), episodes(CORPUS));
}

#[test]
fn beside_a_capture_it_delivers_what_passes_the_filter() {
    let folder = tempfile::tempdir().expect("there is room");
    let out = folder.path().join("out");
    let command = format!("cat >> {}; echo said", out.display());
    let bytes = fs::read(CORPUS).expect("it is there");
    let output = with_stdin(&["watch", "--outcome", "group_killed", "--exec", &command, "--deliver"], &bytes);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // What a command says is no data.
    assert_eq!(text(&output.stdout), "ready\n");
    assert!(text(&output.stderr).contains("said"), "{}", text(&output.stderr));
    let wanted: Vec<String> =
        episodes(CORPUS).into_iter().filter(|line| line.contains("\"outcome\":\"group_killed\"")).collect();
    assert!(!wanted.is_empty());
    let found = fs::read_to_string(&out).expect("it was run");
    assert_eq!(found.lines().collect::<Vec<_>>(), wanted);
    // A capture that is refused begins nothing.
    let output = with_stdin(&["watch", "--exec", "exit 1", "--deliver"], b"");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn a_command_that_hangs_or_fails_is_counted() {
    let bytes = fs::read(CORPUS).expect("it is there");
    let count = episodes(CORPUS).len();
    let started = Instant::now();
    let hangs = ["record", "-o", "x", "--exec", "sleep 1000", "--exec-timeout", "200ms", "--deliver"];
    let output = with_stdin(&hangs, &bytes);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("--exec: the command did not end within 0.2 s, and was killed"), "{told}");
    assert!(told.contains(&format!("--exec: 0 delivered, {count} failed, 0 passed over")), "{told}");
    assert!(started.elapsed() < Duration::from_secs(60));

    let fails = ["watch", "--exec", "exit 7", "--deliver"];
    let told = with_stdin(&fails, &bytes);
    assert_eq!(told.status.code(), Some(4));
    let told = text(&told.stderr);
    assert_eq!(told.matches("failed with 7").count(), 1, "{told}");
}

#[test]
fn more_episodes_than_may_wait_are_passed_over() {
    // Many recordings' worth of episodes in one: a storm does not fold what has different victims.
    let folder = tempfile::tempdir().expect("there is room");
    let many: Vec<u8> = made_up::file(&made_up::info(), &made_up::many_kills(40));
    let path = write(&folder, "many.oomtrace", &many);
    let count = episodes(&path).len();
    assert_eq!(count, 40);
    let slow = ["watch", "--exec", "sleep 0.3", "--exec-queue", "2", "--deliver"];
    let output = with_stdin(&slow, &many);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("2 episodes wait already"), "{told}");
    let last = told.lines().last().expect("it says something");
    let numbers: Vec<usize> =
        last.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    let [delivered, failed, passed_over] = numbers[..] else { panic!("{last}") };
    assert_eq!((delivered + passed_over, failed), (count, 0), "{last}");
    assert!(delivered >= 2 && passed_over > 0, "{last}");
}

#[test]
fn an_outlet_that_nobody_listens_at_is_told_before_anything_is_attached() {
    for command in [&["watch", "--duration", "1s"][..], &["replay", CORPUS]] {
        for (option, socket) in [("--journald", "--journal-socket"), ("--syslog", "--syslog-socket")] {
            let output = run(&[command, &[option, socket, "/nonexistent/socket"]].concat());
            let told = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{told}");
            assert!(told.contains(&format!("{option}: nobody listens at /nonexistent/socket")), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}

#[test]
fn what_a_command_finds_in_its_environment_is_documented() {
    let told = include_str!("../../docs/integrations.md");
    let folder = tempfile::tempdir().expect("there is room");
    let out = folder.path().join("out");
    let command = format!("env | grep ^OOMTRACE_ | cut -d= -f1 > {}", out.display());
    let output = run(&["replay", "--exec", &command, CORPUS]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let names = fs::read_to_string(&out).expect("it was run");
    assert!(names.lines().count() > 10, "{names}");
    for name in names.lines() {
        let short = name.strip_prefix("OOMTRACE").expect("that is what was looked for");
        let documented = told.contains(&format!("`{name}`")) || told.contains(&format!("`{short}`"));
        assert!(documented, "docs/integrations.md does not have {name}");
    }
}

#[cfg(not(feature = "otlp"))]
#[test]
fn without_otlp_it_says_what_to_do() {
    for command in [&["watch", "--duration", "1s"][..], &["replay", CORPUS]] {
        let output = run(&[command, &["--otlp", "http://127.0.0.1:4318"]].concat());
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("--features otlp"), "{}", text(&output.stderr));
    }
}
