//! The suites `memcg`, `global` and `losses`: what an OOM costs with each tracer, and how many candidates it saw.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Plan;
use super::offsets::Offsets;
use super::ooms::Ooms;
use super::peers::Peer;
use super::tracer::{Seen, Tracer};
use crate::harness::sysctl::Sysctl;

pub(super) fn run(plan: &Plan) -> Result<()> {
    let global = plan.suite == "global";
    let offsets = Offsets::of_guest()?;
    let mut ooms = Ooms::new(plan.processes, global)?;
    for (name, peer) in &plan.peers {
        plan.say(name, one(plan, peer, offsets, &mut ooms))?;
    }
    Ok(())
}

/// All rounds with one tracer.
fn one(plan: &Plan, peer: &Peer, offsets: Offsets, ooms: &mut Ooms) -> Result<Value> {
    let rounds = plan.rounds + 1;
    let mut calls = Vec::new();
    let mut seen: Vec<Seen> = Vec::new();
    match peer {
        Peer::Nobody { table } => {
            let _table = Sysctl::set("vm/oom_dump_tasks", if *table { "1" } else { "0" })?;
            for _ in 0..rounds {
                calls.push(ooms.make()?);
            }
        }
        Peer::Tool(tool) => {
            let mut tracer = Tracer::start(*tool, offsets, &[])?;
            for round in 0..rounds {
                tracer.mark()?;
                calls.push(ooms.make().with_context(|| format!("round {round}"))?);
                seen.extend(tracer.seen()?);
            }
            seen.extend(tracer.end()?);
        }
    }
    // The first one warms up.
    let scans: Vec<f64> = calls.iter().skip(1).filter_map(|call| call.scan).collect();
    let totals: Vec<f64> = calls.iter().skip(1).map(|call| call.total).collect();
    let of = |what: fn(&Seen) -> Value| -> Vec<Value> { seen.iter().skip(1).map(what).collect() };
    Ok(json!({
        "scan": scans, "total": totals, "seen": of(|seen| seen.candidates.into()),
        "lost": of(|seen| seen.lost.into()), "victims": seen.iter().skip(1).filter(|seen| seen.victim).count(),
        // The idle ones, their parent and the hog.
        "expected": (plan.suite != "global").then_some(plan.processes + 2),
    }))
}
