//! The built program over kernel logs: what `import` shows of each in the corpus, and that its recording shows the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtrace"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("COLUMNS", "100").stdin(Stdio::null());
    command.args(args).output().expect("the program starts")
}

fn logs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/logs");
    let entries =
        fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let mut logs: Vec<_> = entries.collect();
    logs.sort();
    assert!(!logs.is_empty());
    logs
}

/// Compares with a stored file, or stores it when `OOMTRACE_BLESS` is set.
fn golden(name: &str, found: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/logs").join(name);
    if std::env::var_os("OOMTRACE_BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        fs::write(&path, found).expect("the golden can be written");
        return;
    }
    let expected =
        fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; OOMTRACE_BLESS=1 makes it", path.display()));
    assert!(
        expected == found,
        "{name} is not what is stored; OOMTRACE_BLESS=1 stores it anew. Now:\n{}\nStored:\n{}",
        String::from_utf8_lossy(found),
        String::from_utf8_lossy(&expected)
    );
}

#[test]
fn every_log_in_every_form() {
    let dir = tempfile::tempdir().expect("there is room");
    for log in logs() {
        let name = log.file_name().and_then(|name| name.to_str()).expect("it has a name");
        let path = log.to_str().expect("the corpus has plain names");
        // Times without a year must not depend on when the corpus was checked out.
        let text = run(&["import", "--year", "2026", path]);
        let said = String::from_utf8_lossy(&text.stderr).replace(path, name);
        let mut whole = text.stdout.clone();
        whole.extend(format!("\n[exit {:?}]\n{said}", text.status.code()).into_bytes());
        golden(&format!("{name}.txt"), &whole);
        let recording = dir.path().join("import.oomtrace");
        let recording = recording.to_str().expect("temporary paths are UTF-8");
        let json = run(&["import", "--year", "2026", "--json", "-o", recording, path]);
        golden(&format!("{name}.jsonl"), &json.stdout);
        for (args, imported) in
            [(&["replay", recording][..], &text), (&["replay", "--json", recording], &json)]
        {
            let replayed = run(args);
            assert_eq!(
                String::from_utf8_lossy(&replayed.stdout),
                String::from_utf8_lossy(&imported.stdout),
                "{name}: {args:?}"
            );
            assert_eq!(replayed.status.code(), imported.status.code(), "{name}: {args:?}");
        }
        let explained = run(&["explain", recording]);
        assert!(matches!(explained.status.code(), Some(0 | 2 | 4)), "{name}: {explained:?}");
    }
}
