//! `guest`: everything that runs inside a test guest, by the name of its first argument.

use std::process::ExitCode;

use oomtrace_tests::{harness, programs, scenarios};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let name = words.next().unwrap_or_default();
    let name = name.to_string_lossy();
    let result = match name.as_ref() {
        "test" => harness::runner::main(programs::Arguments::new(words)),
        "record-corpus" => scenarios::corpus::main(programs::Arguments::new(words)),
        _ => match programs::run(&name, words) {
            Some(result) => result.map(|()| ExitCode::SUCCESS),
            None => {
                let known: Vec<_> = programs::PROGRAMS.iter().map(|(known, _)| *known).collect();
                eprintln!("guest: there is no {name:?}: test, record-corpus, {}", known.join(", "));
                return ExitCode::from(2);
            }
        },
    };
    result.unwrap_or_else(|error| {
        eprintln!("guest {name}: {error:#}");
        ExitCode::FAILURE
    })
}
