//! `oomtrace rank` of the machine that the tests run on, whatever that is.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use oomtrace::source::procfs::Root;
use serde_json::Value;

fn rank(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomtrace"));
    command.arg("rank").args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    rank(args).output().expect("the program starts")
}

fn line(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("it is one JSON value")
}

#[test]
fn this_machine_is_ranked() {
    let output = run(&["--json", "--verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let ranking = line(&output.stdout);
    assert_eq!((&ranking["type"], &ranking["scope"]), (&Value::from("rank"), &Value::from("global")));
    let candidates = ranking["candidates"].as_array().expect("they are listed");
    assert_eq!(Some(candidates.len() as u64), ranking["ranked"].as_u64());
    // This test runs, and nothing protects it.
    let own = candidates.iter().find(|it| it["pid"] == std::process::id()).expect("it is listed");
    assert!(own["rss_anon_pages"].as_u64() > Some(0), "{own}");
    assert_eq!(ranking["next"]["pid"], candidates[0]["pid"]);
    assert_eq!(candidates[0]["verdict"], "next");
    let points: Vec<i64> = candidates.iter().filter_map(|it| it["points"].as_i64()).collect();
    assert!(points.is_sorted_by(|a, b| a >= b), "{points:?}");
    // Others run meanwhile; what is told must add up.
    let verify = &ranking["verify"];
    let (checked, agreed) = (verify["checked"].as_u64(), verify["agreed"].as_u64());
    let differing = verify["differing"].as_array().map(|it| it.len() as u64);
    assert!(agreed > Some(0) && agreed.zip(differing).map(|(a, d)| a + d) == checked, "{verify}");
}

#[test]
fn text_leads_with_the_next_and_ends_when_it_is_told_to() {
    let output = run(&["-n", "1"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("text is UTF-8");
    assert_eq!(text.lines().filter(|line| line.starts_with("  > ")).count(), 1, "{text}");
    assert!(text.contains("\n    next "), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn watching_goes_on_and_shows_itself() {
    let mut child = rank(&["--watch", "--interval", "20ms", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("it was piped"));
    let rankings: Vec<Value> =
        lines.lines().take(3).map(|it| line(it.expect("it can be read").as_bytes())).collect();
    assert_eq!(rankings.len(), 3);
    for ranking in rankings {
        let candidates = ranking["candidates"].as_array().expect("they are listed");
        assert!(candidates.iter().any(|it| it["pid"] == child.id()), "a long-lived one is a candidate");
    }
    // The reader has gone: the next line ends it, which is no fault.
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn watching_ends_with_a_signal_as_a_capture_does() {
    let mut child =
        rank(&["--watch", "--interval", "1h", "--json"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
    assert!(lines.next().is_some_and(|it| it.is_ok()));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (args, words) in [
        (&["--limit", "5MiB"][..], "--memcg"),
        (&["--interval", "2s"], "--watch"),
        (&["--watch", "--interval", "0s"], "longer than nothing"),
        (&["-n", "0"], "0 is not in"),
        (&["--memcg", "/", "--limit", "much"], "much"),
        (&["--no-such"], "--no-such"),
    ] {
        let output = run(args);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(message.starts_with("oomtrace: ") && message.contains(words), "{args:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_memcg_that_is_not_there_is_told_with_those_that_are() {
    let output = run(&["--memcg", "/no/such/cgroup"]);
    let message = String::from_utf8_lossy(&output.stderr);
    // Build machines may be without any memory controller, which is another answer.
    if Root::live().hierarchy().is_ok() {
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("there is no cgroup /no/such/cgroup below /"), "{message}");
    } else {
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("memory controller"), "{message}");
    }
}
