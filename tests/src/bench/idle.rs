//! The suite `idle`: what a tracer does in a minute in which nothing happens.

use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::Plan;
use super::offsets::Offsets;
use super::pause;
use super::peers::{Peer, Tool};
use super::tracer::{Tracer, command};

/// How long it is looked at, seconds.
const SECONDS: u64 = 60;

pub(super) fn run(plan: &Plan) -> Result<()> {
    let offsets = Offsets::of_guest()?;
    for (name, peer) in &plan.peers {
        if let Peer::Tool(tool) = peer {
            plan.say(name, one(*tool, offsets))?;
        }
    }
    Ok(())
}

fn one(tool: Tool, offsets: Offsets) -> Result<Value> {
    let mut tracer = Tracer::start(tool, offsets, &[])?;
    // What a start leaves to be done.
    tracer.mark()?;
    let before = Activity::of(tracer.pid())?;
    pause(SECONDS * 1000);
    let after = Activity::of(tracer.pid())?;
    let calls = syscalls(tracer.pid())?;
    tracer.end()?;
    Ok(json!({
        "seconds": SECONDS,
        "wakeups": after.switches - before.switches,
        "threads": after.threads,
        "run_us": (after.run_ns - before.run_ns) as f64 / 1e3,
        "syscalls": calls,
    }))
}

/// What the threads of a tracer, and of the processes that it started, did so far.
#[derive(Default)]
struct Activity {
    /// Times that a thread went to sleep or was made to wait: each is a wake-up.
    switches: u64,
    run_ns: u64,
    threads: u64,
}

impl Activity {
    fn of(pid: i32) -> Result<Self> {
        let mut sum = Self::default();
        let mut pids = vec![pid];
        while let Some(pid) = pids.pop() {
            for task in fs::read_dir(format!("/proc/{pid}/task")).context("failed to list threads")? {
                let task = task?.path();
                let read =
                    |file: &str| fs::read_to_string(task.join(file)).context("failed to read about a thread");
                for line in read("status")?.lines() {
                    if let Some((key, value)) = line.split_once(':')
                        && key.ends_with("voluntary_ctxt_switches")
                    {
                        sum.switches += value.trim().parse::<u64>().context("an odd count of switches")?;
                    }
                }
                let stat = read("schedstat")?;
                let run = stat.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
                sum.run_ns += run.context("an odd schedstat")?;
                sum.threads += 1;
                let children = read("children").unwrap_or_default();
                pids.extend(children.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
            }
        }
        Ok(sum)
    }
}

/// System calls in another minute, as `strace -c` counts them: names and numbers.
fn syscalls(pid: i32) -> Result<Value> {
    let words = ["strace", "-f", "-c", "-o", "/bench/strace.out", "-p", &pid.to_string()];
    let mut strace = command(true, &words).stderr(Stdio::null()).spawn().context("failed to start strace")?;
    pause(SECONDS * 1000);
    kill_process(Pid::from_child(&strace), Signal::INT).context("failed to interrupt strace")?;
    strace.wait().context("failed to wait for strace")?;
    let file = format!("{}/bench/strace.out", super::peers::ROOT);
    let text = fs::read_to_string(&file).with_context(|| format!("failed to read {file}"))?;
    let mut calls = serde_json::Map::new();
    for line in text.lines() {
        // `% time, seconds, usecs/call, calls, [errors,] syscall`
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, _, count, .., name] = words[..]
            && let Ok(count) = count.parse::<u64>()
            && name != "total"
        {
            calls.insert(name.to_owned(), count.into());
        }
    }
    Ok(Value::Object(calls))
}
