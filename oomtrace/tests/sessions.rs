//! The built program over several recordings: lists of them, ids, times, one stream of many.

#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;

use program::{corpus, golden, oomtrace, run, text, with_stdin, write};

fn file_of(observations: &[oomtrace::model::Observation]) -> Vec<u8> {
    made_up::file(&made_up::info(), observations)
}

/// The episodes of the whole corpus, as a list.
#[test]
fn the_corpus_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let list = |args: &[&str], columns: &str| {
        let args = [&["list"], args].concat();
        oomtrace().args(args).env("COLUMNS", columns).output().expect("the program starts")
    };
    let output = list(&[folder], "80");
    // One of them is cut off.
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("linux-6.1-cut-off.oomtrace"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).lines().all(|line| line.chars().count() <= 80));
    golden("list/corpus.txt", &output.stdout);
    let global = list(&[folder, "--scope", "global", "--victim", "python*", "--victim", "rustc"], "120");
    golden("list/chosen.txt", &global.stdout);

    let json = list(&[folder, "--json"], "80");
    let json = text(&json.stdout).replace(folder, "corpus");
    golden("list/corpus.jsonl", json.as_bytes());
    // As many as replay shows, of each file alone and of all together.
    let episodes = |args: &[&str]| {
        let shown = run(&[&["replay", "--json"], args].concat());
        text(&shown.stdout).matches(r#"{"type":"episode","#).count()
    };
    assert_eq!(json.lines().count(), episodes(&[folder]));
    let each: usize = corpus().iter().map(|(_, path)| episodes(&[path.as_str()])).sum();
    assert_eq!(json.lines().count(), each);
}

#[test]
fn one_bad_file_does_not_stop_the_rest() {
    let dir = tempfile::tempdir().expect("there is room");
    write(&dir, "a.oomtrace", &file_of(&made_up::one_kill()));
    let bad = write(&dir, "b.oomtrace", b"no recording");
    write(&dir, "c.oomtrace", &file_of(&made_up::global()));
    write(&dir, "d.txt", b"not looked at");
    let folder = dir.path().to_str().expect("it is UTF-8");
    for command in ["list", "replay", "info"] {
        let output = run(&[command, folder]);
        assert_eq!(output.status.code(), Some(4), "{command}");
        let told = text(&output.stderr);
        assert!(told.contains(&bad) && told.lines().count() == 1, "{told}");
    }
    assert!(text(&run(&["list", folder]).stdout).contains("\n2 episodes, "));
    // One stream: one beginning, one end, an origin for the second.
    let lines = run(&["replay", folder, "--json"]);
    let types: Vec<&str> =
        text(&lines.stdout).lines().map(|line| line.split('"').nth(3).expect("it has a type")).collect();
    assert_eq!(types, ["session", "episode", "session", "episode", "end"]);
    let shown = run(&["replay", folder]);
    // The same boot: what the first line says is said once.
    assert_eq!(text(&shown.stdout).matches("Linux 6.12.117").count(), 1, "{}", text(&shown.stdout));
    assert!(text(&shown.stdout).contains("\n2 episodes, "));
    assert_eq!(run(&["list", &bad]).status.code(), Some(1));
    let empty = tempfile::tempdir().expect("there is room");
    let output = run(&["list", empty.path().to_str().expect("it is UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no recording (*.oomtrace)"), "{}", text(&output.stderr));
}

#[test]
fn an_id_means_the_same_everywhere() {
    let dir = tempfile::tempdir().expect("there is room");
    let one = write(&dir, "one.oomtrace", &file_of(&made_up::one_kill()));
    write(&dir, "two.oomtrace", &file_of(&made_up::global()));
    let folder = dir.path().to_str().expect("it is UTF-8");
    let listed = run(&["list", &one, "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("it is one episode");
    let id = listed["short_id"].as_str().expect("it has one");
    for which in [id, &id[..4]] {
        let shown = run(&["replay", folder, "--episode", which]);
        assert_eq!(text(&shown.stdout).lines().filter(|line| line.starts_with('#')).count(), 1);
        assert!(text(&shown.stdout).contains(&format!("#1 {id}  ")), "{}", text(&shown.stdout));
        let explained = run(&["explain", folder, which]);
        assert!(text(&explained.stdout).starts_with(&format!("#1 {id}  ")), "{}", text(&explained.stdout));
    }
    // Both are the first of their recordings.
    let output = run(&["explain", folder, "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("which one?") && text(&output.stderr).contains(id));
    assert_eq!(run(&["replay", folder, "--episode", "aeiou"]).status.code(), Some(2));
}

#[test]
fn times_choose_episodes() {
    // Entered at 14:03:22.418 where clocks are two hours ahead.
    let file = file_of(&made_up::one_kill());
    for (args, shown) in [
        (&["--from", "2026-08-14 14:03:22"][..], 1),
        (&["--from", "2026-08-14T12:03:22Z"], 1),
        (&["--from", "2026-08-14 14:03:23"], 0),
        (&["--to", "2026-08-14T14:03:22.4+02:00"], 0),
        (&["--from", "2026-08-14", "--to", "2026-08-15"], 1),
        (&["--from", "-10s"], 0),
    ] {
        let args = [&["replay", "-", "--json"], args].concat();
        let output = with_stdin(&args, &file);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).matches(r#""type":"episode""#).count(), shown, "{args:?}");
    }
    assert_eq!(run(&["replay", "-", "--from", "soon"]).status.code(), Some(2));
}

#[test]
fn what_grew_between_two_episodes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    // Two OOMs of one cgroup, a tenth of a second apart.
    let pair = format!("{folder}/linux-6.1-aborted-scans.oomtrace");
    let output = oomtrace().args(["diff", "1", "2", &pair]).env("COLUMNS", "80").output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).lines().all(|line| line.chars().count() <= 80), "{}", text(&output.stdout));
    golden("diff/aborted-scans.txt", &output.stdout);
    golden("diff/aborted-scans.json", &run(&["diff", "1", "2", &pair, "--json"]).stdout);
    let other = ["diff", "zgwsktfj", "gwpwnwnf", folder];
    let output = oomtrace().args(other).env("COLUMNS", "100").output().expect("it starts");
    golden("diff/memcg-and-global.txt", &output.stdout);

    assert_eq!(run(&["diff", "1", "99", &pair]).status.code(), Some(2));
    let output = run(&["diff", "1", "2", folder]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("which episode is 1?"), "{}", text(&output.stderr));
}

#[test]
fn a_recording_is_followed_until_its_recorder_lets_go() {
    use std::io::Write;
    use std::process::Stdio;

    let dir = tempfile::tempdir().expect("there is room");
    let whole = file_of(&made_up::one_kill());
    let (first, rest) = whole.split_at(whole.len() / 2);
    let path = write(&dir, "live.oomtrace", first);
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("it is there");
    // As a recorder has it.
    file.lock().expect("nobody else has it");
    let mut follower = oomtrace()
        .args(["replay", "--follow", &path])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(follower.try_wait().expect("it can be asked").is_none(), "it did not wait");
    file.write_all(rest).expect("it can be written");
    drop(file);
    let output = follower.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), text(&run(&["replay", &path]).stdout));
}
