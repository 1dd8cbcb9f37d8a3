//! The built program, and what tests of it compare with.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

pub fn oomtrace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtrace"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("COLUMNS").stdin(Stdio::null());
    command
}

pub fn run(args: &[&str]) -> Output {
    oomtrace().args(args).output().expect("the program starts")
}

pub fn with_stdin(args: &[&str], input: &[u8]) -> Output {
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

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

pub fn write(dir: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = dir.path().join(name);
    fs::write(&path, bytes).expect("the directory is writable");
    path.to_str().expect("temporary paths are UTF-8").to_owned()
}

/// Compares with a stored file, or stores it when `OOMTRACE_BLESS` is set.
pub fn golden(name: &str, found: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("OOMTRACE_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        fs::write(&path, found).expect("the golden can be written");
        return;
    }
    let expected =
        fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; OOMTRACE_BLESS=1 makes it", path.display()));
    if expected != found {
        panic!(
            "{name} is not what is stored; OOMTRACE_BLESS=1 stores it anew. Now:\n{}\nStored:\n{}",
            String::from_utf8_lossy(found),
            String::from_utf8_lossy(&expected)
        );
    }
}

/// Name and path of each recording of the corpus.
pub fn corpus() -> Vec<(String, String)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let paths = fs::read_dir(&corpus)
        .expect("the corpus is there")
        .map(|entry| entry.expect("it can be listed").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "oomtrace"))
        .map(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            (name.to_owned(), path.to_str().expect("UTF-8").to_owned())
        })
        .collect();
    files.sort();
    files
}
