//! What runs inside a guest: [`init`] as process 1, and the commands in [`COMMANDS`].
//!
//! Adding a command is a line in that table.

pub mod init;
mod mounts;
mod ports;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::programs::Arguments;

/// One command of the `guest` program.
pub struct Command {
    /// The first word on the command line.
    pub name: &'static str,
    /// What it does, for the list that is printed when no command is given.
    pub summary: &'static str,
    /// Gets the words after the name.
    pub run: fn(Vec<OsString>) -> Result<ExitCode>,
}

/// All commands, beside the programs in [`crate::programs::PROGRAMS`].
pub const COMMANDS: &[Command] = &[
    Command {
        name: "init",
        summary: "bring the guest up, run the command it was booted for, power off (process 1 only)",
        run: |_| init::main(),
    },
    Command {
        name: "test",
        summary: "run the scenarios: [--group core|arch|seeded|measure] [--filter SUBSTRING] [--seed N] [--list] [--out DIR]",
        run: |words| crate::harness::runner::main(Arguments::new(words)),
    },
    Command {
        name: "bench",
        summary: "measure oomtrace and its peers: SUITE [--processes N] [--rounds N] [--tracers A,B]",
        run: |words| crate::bench::main(Arguments::new(words)),
    },
    Command {
        name: "record-corpus",
        summary: "record a small session of each kind: DIR [--attach FLAVOUR] [--only KIND]",
        run: |words| crate::scenarios::corpus::main(Arguments::new(words)),
    },
];

/// Runs what the command line names. Process 1 needs no name.
pub fn main() -> ExitCode {
    let mut args: Vec<OsString> = env::args_os().skip(1).collect();
    let name = if rustix::process::getpid().is_init() {
        OsString::from("init")
    } else if args.is_empty() {
        OsString::new()
    } else {
        args.remove(0)
    };
    let result = match COMMANDS.iter().find(|command| name == command.name) {
        Some(command) => (command.run)(args),
        None => match crate::programs::run(&name.to_string_lossy(), args) {
            Some(result) => result.map(|()| ExitCode::SUCCESS),
            None => return usage(),
        },
    };
    result.unwrap_or_else(|error| {
        eprintln!("guest {}: {error:#}", name.to_string_lossy());
        ExitCode::FAILURE
    })
}

fn usage() -> ExitCode {
    eprintln!("usage: guest COMMAND [ARGUMENT]...\n");
    for command in COMMANDS {
        eprintln!("  {:<16}{}", command.name, command.summary);
    }
    let programs: Vec<_> = crate::programs::PROGRAMS.iter().map(|(name, _)| *name).collect();
    eprintln!("\nprograms of the scenarios: {}", programs.join(", "));
    ExitCode::from(2)
}
