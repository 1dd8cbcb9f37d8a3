//! The built program's exports: tables that say what the list says, with the columns that the documentation has.

#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;

use std::fs;

use program::{golden, run, text, with_stdin, write};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

fn csv(table: &str, files: &[&str]) -> Vec<u8> {
    let output = run(&[&["export", "--format", "csv", "--table", table], files].concat());
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", text(&output.stderr));
    output.stdout
}

#[test]
fn tables_say_what_the_list_says() {
    golden("export/episodes.csv", &csv("episodes", &[CORPUS]));
    golden("export/victims.csv", &csv("victims", &[CORPUS]));
    let one = format!("{CORPUS}/linux-6.1-memcg.oomtrace");
    golden("export/candidates.csv", &csv("candidates", &[&one]));

    let listed = run(&["list", "--json", CORPUS]);
    let listed: Vec<serde_json::Value> =
        text(&listed.stdout).lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let victims: u64 = listed.iter().filter_map(|row| row["victims"].as_u64()).sum();
    // No name in the corpus has a line break.
    let rows = |table: &str| text(&csv(table, &[CORPUS])).lines().count() as u64 - 1;
    assert_eq!((rows("episodes"), rows("victims")), (listed.len() as u64, victims));
}

#[test]
fn every_column_is_documented_with_its_table() {
    let told = include_str!("../../docs/export.md");
    let file = made_up::file(&made_up::info(), &made_up::one_kill());
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "one.oomtrace", &file);
    for table in ["episodes", "candidates", "victims"] {
        let csv = csv(table, &[&path]);
        let heading = text(&csv).lines().next().expect("there is one").to_owned();
        for column in heading.split(',') {
            assert!(told.contains(&format!("`{column}`")), "docs/export.md does not have {table}.{column}");
        }
    }
}

#[test]
fn files_are_there_when_they_are_whole() {
    let dir = tempfile::tempdir().expect("there is room");
    let good = write(&dir, "one.oomtrace", &made_up::file(&made_up::info(), &made_up::one_kill()));
    let out = dir.path().join("out");
    let folder = out.to_str().expect("it is UTF-8");
    for (format, names) in [
        ("csv", &["candidates.csv", "episodes.csv", "victims.csv"][..]),
        #[cfg(feature = "parquet")]
        ("parquet", &["candidates.parquet", "episodes.parquet", "victims.parquet"]),
    ] {
        let output = run(&["export", "--format", format, "-o", folder, &good]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let mut found: Vec<String> = fs::read_dir(&out)
            .expect("it was made")
            .map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is UTF-8"))
            .collect();
        found.sort();
        assert_eq!(found, names);
        fs::remove_dir_all(&out).expect("it can be removed");
    }
    // What cannot be read leaves nothing behind.
    let bad = write(&dir, "bad.oomtrace", b"no recording");
    let trace = dir.path().join("trace");
    let trace = trace.to_str().expect("it is UTF-8");
    assert_eq!(run(&["export", "--format", "perfetto", "-o", trace, &bad]).status.code(), Some(1));
    assert!(fs::read_dir(dir.path()).expect("it is there").count() == 2);
    assert_eq!(run(&["export", "--format", "csv", &good]).status.code(), Some(2));
    assert_eq!(run(&["export", "--format", "json", "--table", "victims", &good]).status.code(), Some(2));
}

#[test]
fn json_is_what_replay_shows() {
    let file = made_up::file(&made_up::info(), &made_up::storm());
    let replayed = with_stdin(&["replay", "--json", "-"], &file);
    let exported = with_stdin(&["export", "--format", "json", "-"], &file);
    assert_eq!(text(&exported.stdout), text(&replayed.stdout));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_parquet_it_says_what_to_do() {
    let output = run(&["export", "--format", "parquet", "-o", "/nowhere", CORPUS]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("--features parquet"), "{}", text(&output.stderr));
}
