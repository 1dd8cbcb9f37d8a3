//! The built program over files: what it shows, how it ends, what it says of files that are not right.

#[path = "support/made_up.rs"]
mod made_up;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn oomtrace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtrace"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("COLUMNS").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    oomtrace().args(args).output().expect("the program starts")
}

fn with_stdin(args: &[&str], input: &[u8]) -> Output {
    let mut child = oomtrace()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_vec();
    // The program may not read all of it.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the program ends");
    feeder.join().expect("writing does not panic");
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

fn file_of(observations: &[oomtrace::model::Observation]) -> Vec<u8> {
    made_up::file(&made_up::info(), observations)
}

fn write(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = dir.path().join(name);
    fs::write(&path, bytes).expect("the directory is writable");
    path.to_str().expect("temporary paths are UTF-8").to_owned()
}

/// Compares with a stored file, or stores it when `OOMTRACE_BLESS` is set.
fn golden(name: &str, found: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("OOMTRACE_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        fs::write(&path, found).expect("the golden can be written");
        return;
    }
    let expected = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; OOMTRACE_BLESS=1 makes it", path.display()));
    if expected != found {
        panic!(
            "{name} is not what is stored; OOMTRACE_BLESS=1 stores it anew. Now:\n{}\nStored:\n{}",
            String::from_utf8_lossy(found),
            String::from_utf8_lossy(&expected)
        );
    }
}

#[test]
fn every_scenario_in_every_form() {
    for (name, observations) in made_up::scenarios() {
        let file = file_of(&observations);
        for (suffix, columns, args) in [
            ("80.txt", "80", &["replay", "-"][..]),
            ("200.txt", "200", &["replay", "-", "--verbose"]),
            ("jsonl", "80", &["replay", "-", "--json"]),
        ] {
            let output = run_with_columns(args, columns, &file);
            assert!(matches!(output.status.code(), Some(0 | 4)), "{name}: {}", text(&output.stderr));
            golden(&format!("{name}.{suffix}"), &output.stdout);
        }
    }
}

fn run_with_columns(args: &[&str], columns: &str, input: &[u8]) -> Output {
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "session.oomtrace", input);
    let args: Vec<&str> = args.iter().map(|&arg| if arg == "-" { path.as_str() } else { arg }).collect();
    oomtrace().args(args).env("COLUMNS", columns).output().expect("the program starts")
}
