//! `oomtrace run` on this machine: exit codes, signals, what is passed through, and what it says. None of it needs privileges;
//! who is killed, and why, is shown in guests (`tests/src/scenarios/job`).

#[path = "support/program.rs"]
mod program;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use program::{oomtrace, text, with_stdin};

/// Without anything that would take a privilege, so that it is the same everywhere.
const QUIET: &[&str] = &["run", "--attach", "counters", "--cgroup", "never"];

fn job(script: &str) -> Command {
    let mut command = oomtrace();
    command.args(QUIET).args(["--", "/bin/sh", "-c", script]);
    // Whoever runs the tests may ignore some (nohup, a shell's background), which is handed down and cannot be trapped.
    let heard = || {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1] {
            // SAFETY: no handler of ours is installed.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: the closure makes async-signal-safe calls only.
    unsafe { command.pre_exec(heard) };
    command
}

fn code(command: &mut Command) -> Option<i32> {
    command.output().expect("it starts").status.code()
}

#[test]
fn the_exit_code_is_the_commands() {
    for (script, expected) in [("exit 0", 0), ("exit 1", 1), ("exit 42", 42), ("exit 255", 255)] {
        let output = job(script).output().expect("it starts");
        assert_eq!(output.status.code(), Some(expected), "{script}");
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
    for (script, expected) in [("kill -TERM $$", 143), ("kill -HUP $$", 129)] {
        assert_eq!(code(&mut job(script)), Some(expected), "{script}");
    }
}

#[test]
fn what_cannot_be_started_has_the_codes_of_a_shell() {
    let run = |program: &str| oomtrace().args(QUIET).args(["--", program]).output().expect("it starts");
    let missing = run("there-is-no-such-command");
    assert_eq!(missing.status.code(), Some(127));
    let said = text(&missing.stderr);
    assert!(said.starts_with("oomtrace: there-is-no-such-command: No such file"), "{said}");
    let refused = run("/etc/passwd");
    assert_eq!(refused.status.code(), Some(126), "{}", text(&refused.stderr));
    // Nothing has run, and the file that was asked for cannot be made.
    let output =
        oomtrace().args(["run", "--json", "/no/such/folder/f", "--", "true"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(125), "{}", text(&output.stderr));
    assert_eq!(code(oomtrace().arg("run")), Some(2));
}

#[test]
fn input_output_and_arguments_are_the_commands() {
    let arguments: Vec<&str> =
        QUIET.iter().copied().chain(["/bin/sh", "-c", "cat; echo \"$1\" >&2", "sh", "--json"]).collect();
    let output = with_stdin(&arguments, b"through\n");
    assert_eq!(text(&output.stdout), "through\n");
    assert_eq!(text(&output.stderr), "--json\n");
}

#[test]
fn a_verbose_one_says_that_nothing_happened_and_what_it_could_not_see() {
    let output = oomtrace().args(QUIET).args(["-v", "true"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    assert!(said.contains("killed by the OOM killer") && said.contains("not seen"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn the_command_has_nothing_of_the_tracer() {
    let state = "cat /proc/self/oom_score_adj; grep -E '^(NoNewPrivs|Seccomp|Cap|SigBlk)' /proc/self/status; ls /proc/self/fd";
    let with = job(state).output().expect("it starts");
    let plain = Command::new("/bin/sh").args(["-c", state]).stdin(Stdio::null()).output().expect("it starts");
    assert_eq!(text(&with.stdout), text(&plain.stdout));
}

#[test]
fn json_tells_of_the_job() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("job.json");
    let output = oomtrace()
        .args(QUIET)
        .arg("--json")
        .arg(&file)
        .args(["/bin/sh", "-c", "exit 3"])
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(3));
    let lines = std::fs::read_to_string(file).expect("it was written");
    let job: serde_json::Value = serde_json::from_str(lines.trim()).expect("one line of JSON");
    assert_eq!(job["type"], "job");
    assert_eq!(job["status"], 3);
    assert_eq!(job["command"], serde_json::json!(["/bin/sh", "-c", "exit 3"]));
    assert_eq!(job["kills"], serde_json::json!([]));
    assert!(job["peak"]["process_bytes"].as_u64() > Some(0), "{job}");
}

/// Starts a job that says `ready`, sends a signal to oomtrace, and returns the exit code and what the job said then.
fn signalled(signal: &str, script: &str) -> (Option<i32>, String) {
    let mut child = job(script).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("it can be read");
    assert_eq!(line, "ready\n");
    let sent = Command::new("/bin/sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(sent.expect("it starts").success());
    let code = wait(&mut child);
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("it can be read");
    (code, rest)
}

fn wait(child: &mut Child) -> Option<i32> {
    let patience = Instant::now() + Duration::from_secs(30);
    while Instant::now() < patience {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it is there");
    panic!("it does not end");
}

#[test]
fn signals_are_passed_on() {
    for signal in ["INT", "TERM", "HUP", "USR1"] {
        // A shell looks at traps between commands.
        let script = format!("trap 'echo got; exit 7' {signal}; echo ready; while :; do sleep 0.02; done");
        assert_eq!(signalled(signal, &script), (Some(7), "got\n".to_owned()), "{signal}");
    }
    assert_eq!(signalled("TERM", "echo ready; exec sleep 60"), (Some(143), String::new()));
}
