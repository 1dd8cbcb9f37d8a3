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

/// One command of the `guest` program.
pub struct Command {
    /// The first word on the command line.
    pub name: &'static str,
    /// What it does, for the list that is printed when no command is given.
    pub summary: &'static str,
    /// Gets the words after the name.
    pub run: fn(Vec<OsString>) -> Result<ExitCode>,
}

/// All commands.
pub const COMMANDS: &[Command] = &[Command {
    name: "init",
    summary: "bring the guest up, run the command it was booted for, power off (process 1 only)",
    run: |_| init::main(),
}];

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
    let Some(command) = COMMANDS.iter().find(|command| name == command.name) else {
        eprintln!("usage: guest COMMAND [ARGUMENT]...\n");
        for command in COMMANDS {
            eprintln!("  {:<16}{}", command.name, command.summary);
        }
        return ExitCode::from(2);
    };
    (command.run)(args).unwrap_or_else(|error| {
        eprintln!("guest {}: {error:#}", command.name);
        ExitCode::FAILURE
    })
}
