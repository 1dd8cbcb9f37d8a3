//! The built program's reports: pages and tickets, as they are stored; where they are written; what a browser test opens.

#[path = "support/large.rs"]
mod large;
#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use program::{corpus, golden, oomtrace, run, text, with_stdin, write};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// A page without its style and its script, which are the same in all of them.
fn content(page: &[u8]) -> Vec<u8> {
    let page = text(page);
    let (head, rest) = page.split_once("<meta http-equiv").expect("there is a policy");
    let (_, rest) = rest.split_once("</style>").expect("there is a style");
    let (body, rest) = rest.rsplit_once("<script>").expect("there is a script");
    let (_, tail) = rest.split_once("</script>").expect("it ends");
    // A line an element of those that say something, to be read in a diff.
    let body = body.replace("</dd>", "</dd>\n").replace("</tr>", "</tr>\n").replace("<section", "\n<section");
    format!("{head}{body}{tail}").into_bytes()
}

#[test]
fn tickets_of_every_recording() {
    for (name, path) in corpus() {
        let output = run(&["report", "--format", "md", &path]);
        assert!(matches!(output.status.code(), Some(0 | 4)), "{name}: {}", text(&output.stderr));
        golden(&format!("report/{name}.md"), &output.stdout);
    }
}

#[test]
fn pages() {
    for name in [
        "linux-6.1-memcg",
        "linux-6.1-global",
        "linux-7.3-names",
        "linux-7.3-group-kill",
        "linux-6.1-cut-off",
        "v1.0-odd",
        "v1.4-gaps",
        "v1.5-named-places",
    ] {
        let output = run(&["report", "-o", "-", &format!("{CORPUS}/{name}.oomtrace")]);
        assert!(matches!(output.status.code(), Some(0 | 4)), "{name}: {}", text(&output.stderr));
        golden(&format!("report/{name}.html"), &content(&output.stdout));
    }
    let file = made_up::file(&made_up::info(), &made_up::before::minutes_before());
    golden("report/minutes-before.html", &content(&with_stdin(&["report", "-"], &file).stdout));
    golden("report/minutes-before.md", &with_stdin(&["report", "-", "--format", "md"], &file).stdout);
}

#[test]
fn a_page_has_what_the_list_has() {
    let listed = run(&["list", "--json", CORPUS]);
    let page = run(&["report", CORPUS, "-o", "-"]);
    let page = text(&page.stdout);
    for line in text(&listed.stdout).lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("it is JSON");
        let id = row["short_id"].as_str().expect("it has one");
        assert!(page.contains(&format!("<a href=\"#{id}\">{id}</a>")), "{id}");
        assert!(page.contains(&format!("<article id=\"{id}\"")), "{id}");
    }
    let some = run(&["report", CORPUS, "--format", "md", "--scope", "global", "--outcome", "killed"]);
    let some = text(&some.stdout);
    assert!(some.contains("global OOM") && !some.contains("memcg OOM"));
    assert!(some.contains("more were left out by the filters"));
}

#[test]
fn a_report_is_there_when_it_is_whole() {
    let dir = tempfile::tempdir().expect("there is room");
    let good = write(&dir, "one.oomtrace", &made_up::file(&made_up::info(), &made_up::one_kill()));
    let path = |name: &str| dir.path().join(name).to_str().expect("it is UTF-8").to_owned();
    let names = || {
        let mut names: Vec<String> = fs::read_dir(dir.path())
            .expect("it is there")
            .map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is UTF-8"))
            .collect();
        names.sort();
        names
    };
    for (name, beginning) in
        [("a.html", "<!DOCTYPE html>"), ("a.md", "# Out of memory: "), ("a", "<!DOCTYPE html>")]
    {
        let output = run(&["report", &good, "-o", &path(name)]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), ""), "{}", text(&output.stderr));
        assert!(fs::read_to_string(path(name)).expect("it was made").starts_with(beginning), "{name}");
        let mode = fs::metadata(path(name)).expect("it was made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner only");
    }
    let before = names();
    // What cannot be read, or not be written, leaves what was there.
    let bad = write(&dir, "bad.oomtrace", b"no recording");
    assert_eq!(run(&["report", &bad, "-o", &path("a.html")]).status.code(), Some(1));
    assert!(fs::read_to_string(path("a.html")).expect("it is still there").contains("</html>"));
    fs::remove_file(bad).expect("it is there");
    for (to, why) in [
        ("/dev/full".to_owned(), "No space left on device"),
        (path("nowhere/a.html"), "No such file or directory"),
        (dir.path().to_str().expect("it is UTF-8").to_owned(), "is a directory"),
    ] {
        let output = run(&["report", &good, "-o", &to]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with("oomtrace: ") && told.contains(&to) && told.contains(why), "{told}");
    }
    // As on a full disk: it may not grow beyond 4 KiB, and what there was of it is gone.
    let output = std::process::Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 8; exec "$@""#, "sh", env!("CARGO_BIN_EXE_oomtrace")])
        .args(["report", &good, "-o", &path("b.html")])
        .output()
        .expect("there is a shell");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("oomtrace: cannot write the report: ") && told.contains("b.html: File too large"),
        "{told}"
    );
    assert!(Path::new("/dev/full").metadata().is_ok_and(|device| !device.is_file()), "a device stays one");
    assert_eq!(names(), before);
}

#[test]
fn a_reader_that_goes_away_is_success() {
    let file = made_up::file(&made_up::info(), &made_up::one_kill());
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "one.oomtrace", &file);
    let mut child = oomtrace()
        .args(["report", &path, "-o", "-"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

/// Pages that `cargo xtask test` opens in a browser: it names a folder for them, and opens what it finds there.
#[test]
fn pages_for_a_browser() {
    let temporary = tempfile::tempdir().expect("there is room");
    let folder = std::env::var_os("OOMTRACE_PAGES").map_or_else(|| temporary.path().to_owned(), Into::into);
    let page = |name: &str, args: &[&str]| {
        let path = folder.join(name);
        let path = path.to_str().expect("it is UTF-8");
        let output = run(&[&["report", "-o", path], args].concat());
        assert!(matches!(output.status.code(), Some(0 | 4)), "{name}: {}", text(&output.stderr));
        fs::metadata(path).expect("it was made").len()
    };
    for (episodes, candidates) in [(1, 100), (1, 20_000), (8, 300)] {
        let mut observations = Vec::new();
        large::each(large::Shape { episodes, candidates }, |observation| observations.push(observation));
        let name = format!("large-{episodes}-{candidates}");
        let file =
            write(&temporary, &format!("{name}.oomtrace"), &made_up::file(&large::info(), &observations));
        let bytes = page(&format!("{name}.html"), &[&file]);
        // What a ticket takes.
        assert!(
            bytes < episodes * (60_000 + 200 * candidates as u64),
            "{bytes} bytes for {candidates} candidates"
        );
    }
    let before = made_up::file(&made_up::info(), &made_up::before::minutes_before());
    page("before.html", &[&write(&temporary, "before.oomtrace", &before)]);
    page("memcg.html", &[&format!("{CORPUS}/linux-7.3-memcg.oomtrace")]);
    page("names.html", &[&format!("{CORPUS}/linux-7.3-names.oomtrace")]);
    page("corpus.html", &[CORPUS]);
}
