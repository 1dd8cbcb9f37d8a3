//! The suite `overflow`: oomtrace with a buffer that cannot hold the candidates of one OOM. What must be there all the same: the
//! candidates with the most points, the victim and the trigger; the rest has to be counted.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Plan;
use super::offsets::Offsets;
use super::ooms::Ooms;
use super::peers::{Peer, Shows, Tool};
use super::tracer::Tracer;

/// The smallest that oomtrace takes.
const BUFFER: &[&str] = &["--ring-size", "128KiB"];

/// As many as are always kept.
const TOP: usize = 64;

pub(super) fn run(plan: &Plan) -> Result<()> {
    let offsets = Offsets::of_guest()?;
    let mut ooms = Ooms::varied(plan.processes)?;
    for (name, peer) in &plan.peers {
        if let Peer::Tool(tool) = peer
            && matches!(tool.shows, Shows::Json)
        {
            plan.say(name, one(plan, *tool, offsets, &mut ooms))?;
        }
    }
    Ok(())
}

fn one(plan: &Plan, tool: Tool, offsets: Offsets, ooms: &mut Ooms) -> Result<Value> {
    // The idle ones stay as they are from one OOM to the next, so one with room tells what the others should have.
    let whole = episodes(1, tool, offsets, &[], ooms)?;
    let whole = whole.first().context("there is no episode with a big buffer")?;
    let all = candidates(whole);
    ensure!(all.len() == plan.processes as usize + 2, "{} candidates with a big buffer", all.len());
    let threshold = all[TOP - 1].1;
    // By their numbers: what an adjustment is worth follows the limit, which is another one each time.
    let pids = |is: fn(&i64, &i64) -> bool| -> BTreeSet<i64> {
        all.iter().filter(|(_, points)| is(points, &threshold)).map(|(pid, _)| *pid).collect()
    };
    let (best, equal) = (pids(i64::gt), pids(i64::eq));

    let (mut seen, mut lost, mut top, mut victims) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for episode in episodes(plan.rounds, tool, offsets, BUFFER, ooms)? {
        let found = candidates(&episode);
        seen.push(found.len());
        lost.push(episode["lost"]["candidates"].as_u64());
        // Those at the threshold are as good as each other; the hog is another process each time, and always the best.
        let sure = found.iter().filter(|(pid, _)| best.contains(pid)).count() + 1;
        let equally = found.iter().filter(|(pid, _)| equal.contains(pid)).count();
        top.push((sure + equally.min(TOP - best.len())).min(TOP));
        let victim = episode["victims"].as_array().is_some_and(|victims| !victims.is_empty());
        victims += u32::from(victim && !episode["trigger"].is_null());
    }
    Ok(json!({ "seen": seen, "lost": lost, "top": top, "victims": victims, "expected": plan.processes + 2 }))
}

/// The episodes of so many OOMs, after one that does not count if there are several.
fn episodes(count: u32, tool: Tool, offsets: Offsets, more: &[&str], ooms: &mut Ooms) -> Result<Vec<Value>> {
    let mut tracer = Tracer::start(tool, offsets, more)?;
    let mut all = Vec::new();
    for _ in 0..count {
        tracer.mark()?;
        ooms.make()?;
        all.push(tracer.episode()?.context("an OOM without an episode")?);
    }
    tracer.end()?;
    Ok(all)
}

/// Process ids with points, the most first.
fn candidates(episode: &Value) -> Vec<(i64, i64)> {
    let list = episode["candidates"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut all: Vec<(i64, i64)> = list
        .iter()
        .filter_map(|candidate| {
            Some((candidate["pid"].as_i64()?, candidate["points"].as_i64().unwrap_or(i64::MIN)))
        })
        .collect();
    all.sort_by_key(|&(_, points)| std::cmp::Reverse(points));
    all
}
