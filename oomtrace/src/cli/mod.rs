//! The command line: parsing, wiring, messages. The only place that knows clap and anyhow.
//!
//! Data goes to stdout, everything else to stderr, each message led by the program's name.

pub mod args;
mod aside;
mod browse;
mod capture;
mod deliver;
mod demo;
mod diff;
mod doctor;
mod explain;
mod export;
mod follow;
mod heartbeat;
mod helper;
mod import;
mod info;
mod input;
mod list;
mod live;
mod metrics;
mod names;
pub mod new_file;
mod otlp;
mod output;
mod probe_log;
mod rank;
mod ready;
mod recordings;
mod replay;
mod report;
mod run;
mod say;
mod screen;
mod service_manager;
mod status;
mod stream;
mod target;

use clap::Parser;

use crate::exit::Exit;

use args::{Args, Command};
pub(crate) use say::say;

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let result = match &args.command {
        Command::Watch(args) => live::watch(args),
        Command::Record(args) => live::record(args),
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Browse(args) => browse::run(args),
        Command::List(args) => list::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Export(args) => export::run(args),
        Command::Report(args) => report::run(args),
        Command::Import(args) => import::run(args),
        Command::Rank(args) => rank::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Info(args) => info::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Demo(args) => demo::run(args),
        Command::DemoTask(args) => demo::task(args),
    };
    result.unwrap_or_else(|error| {
        let exit = Exit::of(error.as_ref());
        if is_closed_pipe(&error) {
            return Exit::Done;
        }
        // `{:#}`: the causes on one line, outermost first.
        say(&format!("{error:#}"));
        exit
    })
}

/// `--help` and `--version` are answers and go to stdout; anything else is a mistake.
fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // A reader that goes away after the first lines of help has what it wanted.
        let _ = error.print();
        return Exit::Done;
    }
    let text = error.render().to_string();
    say(text.strip_prefix("error: ").unwrap_or(&text).trim_end());
    Exit::Usage
}

/// The reader of our output has gone away, which is no fault.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
