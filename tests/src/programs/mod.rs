//! The programs that make an OOM inside a guest: `guest NAME ARGUMENTS…`.
//!
//! Each is a small process with one habit (sit still, allocate without end, share an mm…). They tell the harness that they
//! are set up by printing one line, `ready` and perhaps some words, on standard output; nothing else is printed there but
//! what a program's own header says. To add one: a module with a `main`, and a line in [`PROGRAMS`].

mod adjust;
mod arguments;
mod cast;
mod exit_leader;
mod fill;
mod herd;
mod hog;
mod idle;
mod memory;
mod named;
mod read_locked;
mod read_scores;
mod share_mm;
mod threads;
mod time_reads;
mod vfork;

pub use arguments::Arguments;

use std::ffi::OsString;
use std::io::Write as _;

use anyhow::{Context as _, Result};

/// A program: its name and what it does with its arguments.
pub type Program = (&'static str, fn(Arguments) -> Result<()>);

/// All programs by name.
pub const PROGRAMS: &[Program] = &[
    ("adjust", adjust::main),
    ("cast", cast::main),
    ("exit-leader", exit_leader::main),
    ("fill", fill::main),
    ("herd", herd::main),
    ("hog", hog::main),
    ("idle", idle::main),
    ("named", named::main),
    ("read-locked", read_locked::main),
    ("read-scores", read_scores::main),
    ("share-mm", share_mm::main),
    ("threads", threads::main),
    ("time-reads", time_reads::main),
    ("vfork", vfork::main),
];

/// Runs the program called `name`, or returns `None` when there is none of that name.
pub fn run(name: &str, rest: impl IntoIterator<Item = OsString>) -> Option<Result<()>> {
    let (_, main) = PROGRAMS.iter().find(|(known, _)| *known == name)?;
    Some(main(Arguments::new(rest)))
}

/// Tells the harness that the set-up is done; `words` follow on the same line.
fn say_ready(words: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", format!("ready {words}").trim_end()).context("failed to say ready")?;
    out.flush().context("failed to say ready")
}

/// Sets this process's own `oom_score_adj`, when one is asked for.
fn set_adj(adj: Option<i32>) -> Result<()> {
    match adj {
        Some(adj) => std::fs::write("/proc/self/oom_score_adj", adj.to_string())
            .with_context(|| format!("failed to set oom_score_adj to {adj}")),
        None => Ok(()),
    }
}

/// Sleeps until a signal ends the process.
fn park() -> ! {
    loop {
        // SAFETY: pause() takes no arguments and touches no memory of ours.
        unsafe { libc::pause() };
    }
}

/// Asks the kernel to kill this process when its parent dies, so that a failed scenario leaves nobody behind.
fn die_with_parent() -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .context("failed to set the parent-death signal")
}
