//! The suite `start`: from the start of the process until it is attached, and the memory that it then has.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Plan;
use super::offsets::Offsets;
use super::peers::{Peer, Tool};
use super::tracer::Tracer;

pub(super) fn run(plan: &Plan) -> Result<()> {
    let offsets = Offsets::of_guest()?;
    for (name, peer) in &plan.peers {
        if let Peer::Tool(tool) = peer {
            plan.say(name, one(plan, *tool, offsets))?;
        }
    }
    Ok(())
}

fn one(plan: &Plan, tool: Tool, offsets: Offsets) -> Result<Value> {
    let (mut ready, mut memory) = (Vec::new(), Vec::new());
    // The first start reads files that no one has read yet, and Python compiles its modules.
    for _ in 0..=plan.rounds {
        let started = Instant::now();
        let tracer = Tracer::start(tool, offsets, &[])?;
        ready.push(started.elapsed().as_secs_f64() * 1e3);
        memory.push(Memory::of(tracer.pid())?);
        tracer.end()?;
    }
    let of = |what: fn(&Memory) -> u64| -> Vec<u64> { memory.iter().skip(1).map(what).collect() };
    Ok(json!({
        "first_ready_ms": ready[0], "ready_ms": &ready[1..],
        "rss_kib": of(|memory| memory.rss), "peak_kib": of(|memory| memory.peak),
        "buffers_kib": of(|memory| memory.buffers), "anon_kib": of(|memory| memory.anon),
        "processes_of_it": of(|memory| memory.processes),
    }))
}

/// Resident memory of a tracer and of the processes that it started, KiB.
#[derive(Default)]
struct Memory {
    rss: u64,
    anon: u64,
    peak: u64,
    /// The part that is mapped from the kernel's ring buffers.
    buffers: u64,
    processes: u64,
}

impl Memory {
    fn of(pid: i32) -> Result<Self> {
        let mut sum = Self::default();
        let mut pids = vec![pid];
        while let Some(pid) = pids.pop() {
            sum.add(pid)?;
            // It is a list only where the kernel was built with it, which Debian's are.
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            pids.extend(children.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
        }
        Ok(sum)
    }

    fn add(&mut self, pid: i32) -> Result<()> {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{pid}/{file}"))
                .with_context(|| format!("failed to read {file} of a tracer"))
        };
        let status = read("status")?;
        let of = |key: &str| status.lines().find_map(|line| kib(line, key)).unwrap_or(0);
        self.rss += of("VmRSS:");
        self.anon += of("RssAnon:");
        self.peak += of("VmHWM:");
        self.processes += 1;
        let mut in_buffer = false;
        for line in read("smaps")?.lines() {
            if line.contains('-') && line.split_whitespace().count() >= 5 {
                in_buffer = line.contains("anon_inode:");
            } else if in_buffer {
                self.buffers += kib(line, "Rss:").unwrap_or(0);
            }
        }
        Ok(())
    }
}

/// The number of a line `Key:   123 kB`.
fn kib(line: &str, key: &str) -> Option<u64> {
    line.strip_prefix(key)?.split_whitespace().next()?.parse().ok()
}
