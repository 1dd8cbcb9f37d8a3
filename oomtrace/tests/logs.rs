//! The built program over kernel logs: what `import` shows of each in the corpus, and that its recording shows the same.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use program::{golden, oomtrace};

fn run(args: &[&str]) -> Output {
    oomtrace().env("COLUMNS", "100").args(args).output().expect("the program starts")
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
        golden(&format!("logs/{name}.txt"), &whole);
        let recording = dir.path().join("import.oomtrace");
        let recording = recording.to_str().expect("temporary paths are UTF-8");
        let json = run(&["import", "--year", "2026", "--json", "-o", recording, path]);
        golden(&format!("logs/{name}.jsonl"), &json.stdout);
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

fn corpus(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/logs").join(name)).expect("it is there")
}

fn import(dir: &tempfile::TempDir, name: &str, log: &[u8]) -> (Option<i32>, String, String) {
    let path = dir.path().join(name);
    fs::write(&path, log).expect("there is room");
    let output = run(&["import", "--json", path.to_str().expect("temporary paths are UTF-8")]);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn packed_logs_are_unpacked() {
    let dir = tempfile::tempdir().expect("there is room");
    let log = corpus("linux-6.1-memcg.log");
    let plain = import(&dir, "plain", &log);
    assert_eq!(plain.0, Some(0));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&log).expect("memory takes everything");
    let gzip = gzip.finish().expect("memory takes everything");
    assert_eq!(import(&dir, "log.gz", &gzip), plain);
    // Rotated logs are put one behind the other.
    let (_, twice, _) = import(&dir, "twice.gz", &[&gzip[..], &gzip].concat());
    assert_eq!(twice.lines().filter(|line| line.starts_with(r#"{"type":"episode""#)).count(), 2);
    let zstd = zstd::encode_all(&log[..], 3).expect("memory takes everything");
    assert_eq!(import(&dir, "log.zst", &zstd), plain);
    // What was there before the end is shown.
    let (code, text, said) = import(&dir, "cut.gz", &gzip[..gzip.len() - 9]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("what comes before it was read"), "{said}");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn a_log_without_a_report_is_no_failure() {
    let dir = tempfile::tempdir().expect("there is room");
    let (code, text, said) = import(&dir, "quiet", b"[    1.000000] eth0: link is up\n");
    assert_eq!((code, text.lines().count()), (Some(0), 2));
    assert!(said.contains("no report"), "{said}");
}

#[test]
fn what_is_missing_from_a_log_exits_with_4() {
    let dir = tempfile::tempdir().expect("there is room");
    let log = corpus("linux-6.1-memcg.log");
    let lines: Vec<&[u8]> = log.split_inclusive(|&byte| byte == b'\n').collect();
    let (code, text, _) = import(&dir, "tail", &lines[40..].concat());
    assert_eq!(code, Some(4));
    assert!(text.contains(r#""cut":true"#), "{text}");
    let (code, text, _) = import(&dir, "head", &lines[..40].concat());
    assert_eq!(code, Some(4));
    assert!(text.contains(r#""outcome":"incomplete""#), "{text}");
    let damaged =
        String::from_utf8(log).expect("it is ASCII").replace("usage 28400kB", "usage 284\u{fffd}kB");
    let (code, text, _) = import(&dir, "damaged", damaged.as_bytes());
    assert_eq!(code, Some(4));
    assert!(text.contains(r#""unread_lines":1"#), "{text}");
}
