//! `oomtrace rank` on a quiet machine names the next victim: it is asked, then the OOM is made, by nobody that takes part in it.
//!
//! In a memcg it is the harness that lowers the limit, from outside; on the whole machine it is sysrq-f. Processes, sizes and adjustments
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
const MEMCG_RUNS: u64 = 7;
const GLOBAL_RUNS: u64 = 6;
/// Points by which the first has to lead, pages: counters that are kept in parts make closer ones a matter of chance, in the
/// kernel itself.
const LEAD: i64 = 1024;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // A limit of version 1 cannot be lowered below what is used.
    if Version::of_guest()? == Version::Two {
        let mut killed = 0;
        for seed in 0..MEMCG_RUNS {
            let victim = of_memcg(stage, seed).with_context(|| format!("memcg, seed {seed}"))?;
            killed += u64::from(victim.is_some());
        }
        // That nobody may be killed has to be told as well, now and then.
        ensure!(killed + 2 >= MEMCG_RUNS, "only {killed} of {MEMCG_RUNS} limits killed anybody");
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

fn of_memcg(stage: &Stage, seed: u64) -> Result<Option<i64>> {
    let mut dice = Dice(seed);
    let limit = (4 + dice.below(5)) * MIB;
    let parts = draw(&mut dice, limit / PAGE_BYTES);
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
    let path = cgroup.path().to_owned();
    let ranking = ask(stage, &["--memcg", &path, "--limit", &limit.to_string()])?;
    ensure!(ranking["scope"] == "memcg" && ranking["memcg"] == path.as_str(), "it is about {ranking}");
    ensure!(ranking["totalpages"] == limit / PAGE_BYTES, "totalpages {}", ranking["totalpages"]);
    ensure!(ranking["ranked"] == parts.len(), "{} of {} processes", ranking["ranked"], parts.len());

    let mut log = KernelLog::from_now()?;
    // Returns when the usage is below, or nobody is left to be killed.
    cgroup.limit(limit)?;
    let victim = killed(log.records()?)?;
    compare(&ranking, victim)?;
    Ok(victim)
}

fn global(stage: &Stage, seed: u64) -> Result<()> {
    let mut dice = Dice(seed);
    let total = counters::total_pages()?;
    // One of these has to be the victim, and not what keeps the guest together.
    let mut parts = draw(&mut dice, total);
    while parts.iter().all(|part| part.adj < 200) {
        parts = draw(&mut dice, total);
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

/// Two to six processes of which one leads clearly.
fn draw(dice: &mut Dice, totalpages: u64) -> Vec<Part> {
    loop {
        let count = 2 + dice.below(5);
        let parts: Vec<Part> = (0..count)
            .map(|_| Part {
                kb: 512 + dice.below(24) * 256,
                // Half of them all the way, the others as most are.
                adj: if dice.below(2) == 0 { 0 } else { i32::try_from(dice.below(2001)).unwrap_or(0) - 1000 },
            })
            .collect();
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
