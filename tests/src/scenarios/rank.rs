//! `oomtrace rank` on a quiet machine names the next victim: it is asked, then the OOM is made, by nobody that takes part in it.
//!
//! In a memcg the harness lowers the limit, from outside, or a process that may not be killed runs into it; on the whole machine it is
//! sysrq-f. Processes, sizes and adjustments
//! are drawn from seeds. Before each OOM the kernel's own scores (`--verify`) have to be those computed.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::harness::PATIENCE;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::process::{Launch, Running};
use crate::harness::stage::{OOMTRACE, Stage};
use crate::oracle::counters;
use crate::oracle::formula::PAGE_BYTES;
use crate::oracle::kmsg::{KernelLog, Record};

use super::common::MIB;

/// OOMs of each kind. Over the four kernels that are tested these are more than 50.
const LOWERED_RUNS: u64 = 7;
const MET_RUNS: u64 = 4;
const GLOBAL_RUNS: u64 = 6;
/// Points by which the first has to lead, pages: counters that are kept in parts make closer ones a matter of chance, in the
/// kernel itself.
const LEAD: i64 = 1024;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // A limit of version 1 cannot be lowered below what is used.
    if Version::of_guest()? == Version::Two {
        let mut killed = 0;
        for seed in 0..LOWERED_RUNS {
            let victim = limit_lowered(stage, seed).with_context(|| format!("limit lowered, seed {seed}"))?;
            killed += u64::from(victim.is_some());
        }
        // That nobody may be killed has to be told as well, now and then.
        ensure!(killed + 2 >= LOWERED_RUNS, "only {killed} of {LOWERED_RUNS} limits killed anybody");
    }
    for seed in 0..MET_RUNS {
        limit_met(stage, 500 + seed).with_context(|| format!("limit met, seed {seed}"))?;
    }
    for seed in 0..GLOBAL_RUNS {
        global(stage, 1000 + seed).with_context(|| format!("whole machine, seed {seed}"))?;
    }
    Ok(())
}

/// A process to be.
struct Part {
    kb: u64,
    adj: i32,
}

/// Lowers the limit from outside, below what is used: `rank` is asked about a limit that is not there yet.
fn limit_lowered(stage: &Stage, seed: u64) -> Result<Option<i64>> {
    let mut dice = Dice(seed);
    let limit = (4 + dice.below(5)) * MIB;
    let parts = draw(&mut dice, |_| limit);
    let cgroup = Cgroup::new("rank")?;
    // Every other time the processes are further down, in two cgroups.
    let children = match seed % 2 {
        0 => Vec::new(),
        _ => vec![cgroup.child("a")?, cgroup.child("b")?],
    };
    let mut running = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let home = if children.is_empty() { &cgroup } else { &children[index % children.len()] };
        running.push(start(part, Some(home))?);
    }
    if cgroup.directory().join("memory.swap.max").exists() {
        cgroup.write("memory.swap.max", "0")?;
    }
    let ranking = ask(stage, &["--memcg", cgroup.path(), "--limit", &limit.to_string()])?;
    is_of(&ranking, &cgroup, limit, parts.len())?;

    let mut log = KernelLog::from_now()?;
    // Returns when the usage is below, or nobody is left to be killed.
    cgroup.limit(limit)?;
    let victim = killed(log.records()?)?;
    compare(&ranking, victim)?;
    Ok(victim)
}

/// Somebody who may not be killed runs into a limit that is there.
fn limit_met(stage: &Stage, seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    // Room for the programs' own memory, and some for the one that takes it.
    let limit_of = |parts: &[Part]| parts.iter().map(|part| part.kb * 1024 + MIB).sum::<u64>() + 6 * MIB;
    let mut parts = draw(&mut dice, limit_of);
    while parts.iter().all(|part| part.adj == -1000) {
        parts = draw(&mut dice, limit_of);
    }
    let limit = limit_of(&parts);
    let cgroup = Cgroup::new("rank")?;
    cgroup.limit(limit)?;
    let _running = parts.iter().map(|part| start(part, Some(&cgroup))).collect::<Result<Vec<_>>>()?;
    let (mut trigger, _) =
        Launch::guest("hog")?.args(&["--wait", "--adj", "-1000"]).inside(&cgroup).start_ready()?;
    let ranking = ask(stage, &["--memcg", cgroup.path()])?;
    is_of(&ranking, &cgroup, limit, parts.len() + 1)?;

    let mut log = KernelLog::from_now()?;
    trigger.go()?;
    log.wait_for("Killed process", PATIENCE)?;
    // It would go on until nobody is left.
    drop(trigger);
    compare(&ranking, killed(log.records()?)?)
}

fn is_of(ranking: &Value, cgroup: &Cgroup, limit: u64, processes: usize) -> Result<()> {
    ensure!(ranking["scope"] == "memcg" && ranking["memcg"] == cgroup.path(), "it is about {ranking}");
    ensure!(ranking["totalpages"] == limit / PAGE_BYTES, "totalpages {}", ranking["totalpages"]);
    ensure!(ranking["ranked"] == processes, "{} of {processes} processes", ranking["ranked"]);
    Ok(())
}

fn global(stage: &Stage, seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    let total = counters::total_pages()?;
    // One of these has to be the victim, and not what keeps the guest together.
    let mut parts = draw(&mut dice, |_| total * PAGE_BYTES);
    while parts.iter().all(|part| part.adj < 200) {
        parts = draw(&mut dice, |_| total * PAGE_BYTES);
    }
    let _running = parts.iter().map(|part| start(part, None)).collect::<Result<Vec<_>>>()?;
    let ranking = ask(stage, &[])?;
    ensure!(ranking["scope"] == "global" && ranking["memcg"].is_null(), "it is about {ranking}");
    ensure!(ranking["totalpages"] == total, "totalpages {}, not {total}", ranking["totalpages"]);

    let mut log = KernelLog::from_now()?;
    std::fs::write("/proc/sysrq-trigger", "f").context("failed to ask for an OOM kill by sysrq")?;
    log.wait_for("Killed process", PATIENCE)?;
    let victim = killed(log.records()?)?;
    compare(&ranking, victim)
}

fn start(part: &Part, home: Option<&Cgroup>) -> Result<Running> {
    let (kb, adj) = (part.kb.to_string(), part.adj.to_string());
    let launch = Launch::guest("hog")?.args(&["--hold", &kb, "--adj", &adj]);
    let launch = match home {
        Some(home) => launch.inside(home),
        None => launch,
    };
    Ok(launch.start_ready()?.0)
}

/// Runs `oomtrace rank`, and checks that the kernel's scores are those computed.
fn ask(stage: &Stage, options: &[&str]) -> Result<Value> {
    let launch = Launch::of(OOMTRACE).args(&["rank", "--json", "--verify"]).args(options);
    let ended = stage.follow(launch)?.wait()?;
    ensure!(ended.code == Some(0), "exit code {:?}: {}", ended.code, ended.stderr);
    let ranking: Value = serde_json::from_slice(&ended.stdout).context("it is no single JSON value")?;
    let verify = &ranking["verify"];
    ensure!(verify["checked"].as_u64().is_some_and(|checked| checked > 0), "nothing was verified: {verify}");
    ensure!(verify["agreed"] == verify["checked"], "the kernel has other scores: {verify}");
    ensure!(ranking["unseen"]["forbidden"] == 0, "root may not read everything: {}", ranking["unseen"]);
    Ok(ranking)
}

fn compare(ranking: &Value, victim: Option<i64>) -> Result<()> {
    let next = ranking["next"]["pid"].as_i64();
    ensure!(next == victim, "it said {next:?}, and the kernel killed {victim:?}: {ranking}");
    Ok(())
}

/// The first that was killed; the harness's processes have one thread each, whose id is theirs.
fn killed(records: &[Record]) -> Result<Option<i64>> {
    const WORDS: &str = "Killed process ";
    for record in records {
        let message = String::from_utf8_lossy(&record.message);
        if let Some((_, rest)) = message.split_once(WORDS) {
            let pid = rest.split(' ').next().unwrap_or_default();
            return pid.parse().map(Some).context("the victim has no number");
        }
    }
    Ok(None)
}

/// Two to six processes of which one leads clearly, in what `allowed` bytes they have.
fn draw(dice: &mut Dice, allowed: impl Fn(&[Part]) -> u64) -> Vec<Part> {
    loop {
        let count = 2 + dice.below(5);
        let parts: Vec<Part> = (0..count)
            .map(|_| Part {
                kb: 512 + dice.below(24) * 256,
                // Half of them all the way, the others as most are.
                adj: if dice.below(2) == 0 { 0 } else { i32::try_from(dice.below(2001)).unwrap_or(0) - 1000 },
            })
            .collect();
        let totalpages = allowed(&parts) / PAGE_BYTES;
        let mut points: Vec<i64> = parts
            .iter()
            .filter(|part| part.adj > -1000)
            .map(|part| {
                let pages = (part.kb * 1024 / PAGE_BYTES).cast_signed();
                pages + i64::from(part.adj) * (totalpages / 1000).cast_signed()
            })
            .collect();
        points.sort_unstable_by(|a, b| b.cmp(a));
        if points.len() < 2 || points[0] - points[1] >= LEAD.min(totalpages.cast_signed() / 4) {
            return parts;
        }
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
