//! What a level of the chain says beside usage and limit: how often the limit was met and what was killed before, against the
//! kernel's report and the cgroup's own files; on both versions of cgroups.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::common::{MIB, waiting_hog};
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let version = Version::of_guest()?;
    let cgroup = Cgroup::new("level_counters")?;
    if version == Version::Two {
        cgroup.write("memory.min", &MIB.to_string())?;
        cgroup.write("memory.low", &(2 * MIB).to_string())?;
        // A group kill of one.
        cgroup.write("memory.oom.group", "1")?;
    }
    let watch = stage.watch(&[])?;
    let mut levels = Vec::new();
    for _ in 0..2 {
        let mut hog = waiting_hog(&cgroup)?;
        cgroup.limit_above_usage(4 * MIB)?;
        hog.go()?;
        hog.wait()?;
        let pid = hog.pid();
        let episode = watch.await_episode("of a hog", |episode| episode.victim_pids() == [pid])?;
        let level = episode.json["memcg"]["chain"][0].clone();
        ensure!(level["limiting"] == true, "the first level is {level}");
        levels.push(level);
        let group = &episode.json["oom_group"];
        match version {
            Version::One => ensure!(group.is_null(), "a group {group} on cgroup version 1"),
            Version::Two => ensure!(group == cgroup.path(), "the group is {group}"),
        }
    }
    watch.end_json(0)?.lossless()?;

    // The kernel counts the first of a group twice.
    let each = if version == Version::Two { 2 } else { 1 };
    let before: Vec<_> = levels.iter().map(|level| level["oom_kills"].as_u64()).collect();
    ensure!(before == [Some(0), Some(each)], "killed before: {before:?}");
    ensure!(cgroup.oom_kills()? == 2 * each, "the cgroup counts {}", cgroup.oom_kills()?);
    logged(stage, &levels, "memory: usage ", "failcnt")?;
    let flag = match version {
        Version::One => {
            logged(stage, &levels, "memory+swap: usage ", "swap_failcnt")?;
            let lines = stage.logged("kmem: usage ")?;
            ensure!(lines.len() == levels.len(), "{} lines of kmem", lines.len());
            for (level, line) in levels.iter().zip(&lines) {
                let kb = line.strip_prefix("kmem: usage ").and_then(|rest| rest.split_once("kB"));
                let kb: u64 = kb.context("no kmem usage")?.0.parse()?;
                ensure!(
                    level["kmem_usage_pages"].as_u64() == Some(kb * 1024 / PAGE_BYTES),
                    "{level}, logged {line}"
                );
            }
            Value::from(false)
        }
        Version::Two => {
            logged(stage, &levels, "swap: usage ", "swap_failcnt")?;
            let protections = |level: &Value| (level["min_pages"].as_u64(), level["low_pages"].as_u64());
            let expected = (Some(MIB / PAGE_BYTES), Some(2 * MIB / PAGE_BYTES));
            ensure!(levels.iter().all(|level| protections(level) == expected), "protections of {levels:?}");
            ensure!(levels.iter().all(|level| level["kmem_usage_pages"].is_null()), "kmem of {levels:?}");
            Value::from(true)
        }
    };
    ensure!(levels.iter().all(|level| level["oom_group"] == flag), "the group flag of {levels:?}");
    Ok(())
}

/// `failcnt` of the report's lines that begin like this, in order.
fn logged(stage: &Stage, levels: &[Value], prefix: &str, field: &str) -> Result<()> {
    let lines = stage.logged(prefix)?;
    ensure!(lines.len() == levels.len(), "{} lines with {prefix:?}", lines.len());
    for (level, line) in levels.iter().zip(&lines) {
        let failcnt = line.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok());
        ensure!(
            failcnt.is_some() && level[field].as_u64() == failcnt,
            "{field} {}, logged {line:?}",
            level[field]
        );
    }
    Ok(())
}
