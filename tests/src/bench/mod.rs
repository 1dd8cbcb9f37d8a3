//! `guest bench SUITE`: figures about oomtrace and its peers, beside each other in one boot.
//!
//! Prints a JSON object a line on standard output, and nothing else there; `cargo xtask bench` boots the guests and makes tables of
//! the lines. Nothing here passes or fails by a figure: what could not be measured is a line with its reason.
//!
//! - [`tracer`]: a started tracer, ours or a peer; [`peers`]: which there are, and what each is told to trace;
//! - [`graph`]: how long functions of the kernel take;
//! - [`ooms`]: OOMs to measure, in a memcg or of the whole machine;
//! - the suites: [`oom`] (cost and candidates), [`overflow`] (a buffer that is too small), [`start`] (until ready, memory), [`readers`] (`/proc/PID/oom_score`), [`idle`],
//!   [`files`] (what recordings take, and the files for comparing how fast they are read).

mod files;
mod graph;
mod idle;
mod offsets;
mod oom;
mod ooms;
mod overflow;
mod peers;
mod readers;
mod start;
mod tracer;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use self::peers::Peer;
use crate::harness::sysctl::Sysctl;
use crate::programs::Arguments;

/// What was asked for.
struct Plan {
    suite: String,
    /// Idle processes.
    processes: u32,
    /// Figures of each kind, after one that does not count.
    rounds: u32,
    peers: Vec<&'static (&'static str, Peer)>,
}

/// Runs `SUITE [--processes N] [--rounds N] [--tracers A,B…]`, or `shell COMMAND`, which runs a command in the peers' root.
pub fn main(mut arguments: Arguments) -> Result<ExitCode> {
    let suite: String = arguments.next("SUITE")?;
    if suite == "shell" {
        let words: String = arguments.next("COMMAND")?;
        arguments.end()?;
        peers::mount_root()?;
        let status =
            tracer::command(true, &["sh", "-c", &words]).status().context("failed to start a shell")?;
        return Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let processes = arguments.option("--processes")?.unwrap_or(1000);
    let rounds = arguments.option("--rounds")?.unwrap_or(5);
    let wanted: Option<String> = arguments.option("--tracers")?;
    arguments.end()?;
    let peers = peers::select(wanted.as_deref())?;
    let plan = Plan { suite, processes, rounds, peers };
    // The harness must outlive every OOM that it makes.
    std::fs::write("/proc/self/oom_score_adj", "-1000").context("failed to protect the harness")?;
    let _quiet = Sysctl::set("kernel/printk", "1 4 1 7")?;
    // Only where it is needed: it is a machine's default that tracers are measured on.
    let _room = if processes > 25_000 {
        Some((Sysctl::set("kernel/pid_max", "4194304")?, Sysctl::set("kernel/threads-max", "400000")?))
    } else {
        None
    };
    let _no_table = Sysctl::set("vm/oom_dump_tasks", "0")?;
    peers::mount_root()?;
    match plan.suite.as_str() {
        "memcg" | "global" | "losses" => oom::run(&plan)?,
        "overflow" => overflow::run(&plan)?,
        "start" => start::run(&plan)?,
        "readers" => readers::run(&plan)?,
        "idle" => idle::run(&plan)?,
        "sizes" => files::sizes(&plan)?,
        "events" => files::events(&plan)?,
        other => bail!("there is no suite {other:?}"),
    }
    Ok(ExitCode::SUCCESS)
}

impl Plan {
    /// Prints a line of figures, or why there are none, about `peer`.
    fn say(&self, peer: &str, figures: Result<Value>) -> Result<()> {
        let mut line = match figures {
            Ok(figures) => figures,
            Err(error) => {
                eprintln!("{} of {peer}: {error:#}", self.suite);
                serde_json::json!({ "failed": format!("{error:#}") })
            }
        };
        line["suite"] = self.suite.as_str().into();
        line["peer"] = peer.into();
        line["processes"] = self.processes.into();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).context("failed to print a line of figures")
    }
}

/// Waits. What it is for has no event to wait for: time itself, or that nothing more comes.
fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}
