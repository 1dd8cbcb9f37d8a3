//! The checks that cargo runs: style, lints, unit and integration tests and documentation examples.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, pipe};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::report::{Report, Verdict};
use crate::run;

/// `cargo fmt` and `cargo clippy`, one named test each.
pub(super) fn style(report: &Report, filter: Option<&str>) {
    let checks: [(&str, &[&str]); 2] = [
        ("fmt", &["fmt", "--all", "--check"]),
        ("clippy", &["clippy", "--all-targets", "--", "-D", "warnings"]),
    ];
    for (name, args) in checks {
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let started = Instant::now();
        let verdict = if run::check_quietly(run::cargo().args([name, "--version"])).is_err() {
            Verdict::Skipped(format!("this toolchain has no cargo {name} (`rustup component add`)"))
        } else {
            match run::check(run::cargo().args(args)) {
                Ok(()) => Verdict::Passed,
                Err(error) => Verdict::Failed(format!("{error:#}")),
            }
        };
        report.add(name, verdict, &super::took(started));
    }
}

/// `cargo test` for the default members.
pub(super) fn tests(report: &Report, filter: Option<&str>) -> Result<()> {
    let mut cargo = run::cargo();
    cargo.args(["test", "--no-fail-fast"]).args(filter).env("CARGO_TERM_COLOR", "never");
    // One pipe for both streams: cargo says on one which program the lines on the other come from.
    let (reader, writer) = pipe().context("cannot make a pipe")?;
    cargo.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let shown = run::show(&cargo);
    let mut child = cargo.spawn().map_err(|e| run::explain_spawn(&cargo, e))?;
    drop(cargo);
    let mut harness = Harness::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("cannot read cargo's output")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        harness.line(&line, report);
    }
    let status = child.wait().context("cannot wait for cargo")?;
    harness.finish(report);
    if !status.success() && !harness.any_failed {
        let reason = format!("no test failed, but the command did ({status}), see above: {shown}");
        report.add("cargo test", Verdict::Failed(reason), "");
    }
    Ok(())
}

/// Reads what libtest prints. Its machine-readable form is not stable yet.
#[derive(Default)]
struct Harness {
    /// The program whose lines come now.
    program: String,
    /// Tests seen in it, by verdict, to compare with its own sums.
    seen: [usize; 3],
    /// Failed tests, with the reason once it was printed.
    failed: BTreeMap<String, Option<String>>,
    /// The failed test whose output comes now.
    output_of: Option<String>,
    any_failed: bool,
}

impl Harness {
    fn line(&mut self, line: &str, report: &Report) {
        let trimmed = line.trim();
        if let Some(program) = trimmed.strip_prefix("Running ") {
            // "unittests src/main.rs (target/debug/deps/xtask-0123456789abcdef)"
            let path = program.rsplit_once('(').map_or(program, |(_, path)| path.trim_end_matches(')'));
            let file = path.rsplit('/').next().unwrap_or(path);
            self.start(file.rsplit_once('-').map_or(file, |(name, _)| name), report);
        } else if let Some(name) = trimmed.strip_prefix("Doc-tests ") {
            self.start(&format!("{name} docs"), report);
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.sums(result, report);
        } else if let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        {
            self.test(name, verdict, report);
        } else if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.split_once(" stdout ----"))
        {
            self.output_of = Some(name.0.to_owned());
        } else if let Some(name) = &self.output_of
            && !trimmed.is_empty()
            && !trimmed.starts_with("thread '")
            && let Some(reason) = self.failed.get_mut(name)
        {
            reason.get_or_insert_with(|| trimmed.to_owned());
        }
    }

    fn start(&mut self, program: &str, report: &Report) {
        self.finish(report);
        program.clone_into(&mut self.program);
    }

    fn test(&mut self, name: &str, verdict: &str, report: &Report) {
        let name = name.trim_end_matches(" - should panic");
        let full = format!("{}: {name}", self.program);
        if verdict.starts_with("ok") {
            self.seen[0] += 1;
            report.count(&full, Verdict::Passed);
        } else if verdict.starts_with("FAILED") {
            self.seen[1] += 1;
            self.failed.insert(name.to_owned(), None);
        } else if let Some(reason) = verdict.strip_prefix("ignored") {
            self.seen[2] += 1;
            let reason = reason.trim_start_matches([',', ' ']);
            let reason = if reason.is_empty() { "marked #[ignore]" } else { reason };
            report.count(&full, Verdict::Skipped(reason.to_owned()));
        }
    }

    /// "FAILED. 3 passed; 1 failed; 0 ignored; …": counts what a test's own output kept us from seeing.
    fn sums(&mut self, result: &str, report: &Report) {
        let number = |what: &str| -> usize {
            let part = result.split(['.', ';']).map(str::trim).find(|part| part.ends_with(what));
            part.and_then(|part| part.split(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0)
        };
        let sums = [number(" passed"), number(" failed"), number(" ignored")];
        let name = format!("{}: a test whose name was lost in its output", self.program);
        for (kind, verdict) in [
            (0, Verdict::Passed),
            (1, Verdict::Failed("see above".to_owned())),
            (2, Verdict::Skipped("marked #[ignore]".to_owned())),
        ] {
            for _ in self.seen[kind]..sums[kind] {
                self.any_failed |= kind == 1;
                report.count(&name, verdict.clone());
            }
        }
        self.seen = [0; 3];
        self.finish(report);
    }

    /// Reports the failures of the program that is through.
    fn finish(&mut self, report: &Report) {
        for (name, reason) in std::mem::take(&mut self.failed) {
            self.any_failed = true;
            let reason = reason.unwrap_or_else(|| "see above".to_owned());
            report.count(&format!("{}: {name}", self.program), Verdict::Failed(reason));
        }
        self.output_of = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
     Running unittests src/lib.rs (target/debug/deps/oomtrace-0123456789abcdef)

running 4 tests
test a::works ... ok
test a::panics - should panic ... ok
test a::later ... ignored, needs root
test b::breaks ... FAILED

failures:

---- b::breaks stdout ----

thread 'b::breaks' (1) panicked at src/b.rs:1:1:
1 is not 2
note: run with `RUST_BACKTRACE=1`

failures:
    b::breaks

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests oomtrace

running 2 tests
test oomtrace/src/lib.rs - x (line 3) ... ok
noise test oomtrace/src/lib.rs - y (line 9) ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

    #[test]
    fn libtest_output_is_counted_with_reasons() {
        let report = Report::default();
        let mut harness = Harness::default();
        for line in OUTPUT.lines() {
            harness.line(line, &report);
        }
        harness.finish(&report);
        assert_eq!(report.totals().to_string(), "4 passed, 1 failed, 1 skipped");
        assert!(harness.any_failed);
    }

    #[test]
    fn a_failure_keeps_its_name_and_reason() {
        let mut harness = Harness::default();
        let report = Report::default();
        for line in OUTPUT.lines().take_while(|line| !line.starts_with("test result")) {
            harness.line(line, &report);
        }
        assert_eq!(harness.failed["b::breaks"].as_deref(), Some("1 is not 2"));
    }
}
