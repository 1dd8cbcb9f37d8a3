//! The suite `readers`: what a tracer adds to a read of `/proc/PID/oom_score`, which runs the kernel's scorer outside any OOM, and
//! what it makes of it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Plan;
use super::offsets::Offsets;
use super::pause;
use super::peers::Peer;
use super::tracer::Tracer;

/// Reads in one round.
const READS: u32 = 1000;
/// How long a boot has work to do for, which would be counted with the first row, milliseconds.
const SETTLE: u64 = 15_000;

pub(super) fn run(plan: &Plan) -> Result<()> {
    let offsets = Offsets::of_guest()?;
    pause(SETTLE);
    for (name, peer) in &plan.peers {
        let figures = match peer {
            Peer::Nobody { table: true } => continue,
            Peer::Nobody { table: false } => reads(plan),
            Peer::Tool(tool) => Tracer::start(*tool, offsets, &[]).and_then(|mut tracer| {
                tracer.mark()?;
                let mut figures = reads(plan)?;
                figures["shown"] = json!(tracer.shown_reads()?);
                tracer.end()?;
                Ok(figures)
            }),
        };
        plan.say(name, figures)?;
    }
    Ok(())
}

/// Thousands of guest instructions a read: of the whole of it, as a monitor does it, and of the reading alone.
fn reads(plan: &Plan) -> Result<Value> {
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..=plan.rounds {
        let started = Instant::now();
        for _ in 0..READS {
            fs::read("/proc/self/oom_score").context("failed to read oom_score")?;
        }
        whole.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(READS));
        let file = File::open("/proc/self/oom_score").context("failed to open oom_score")?;
        let started = Instant::now();
        for _ in 0..READS {
            file.read_at(&mut [0; 16], 0).context("failed to read oom_score")?;
        }
        alone.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(READS));
    }
    Ok(json!({ "whole": &whole[1..], "alone": &alone[1..], "reads": 2 * READS * (plan.rounds + 1) }))
}
