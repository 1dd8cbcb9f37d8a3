//! `oomtrace run`: a build, whose grandchild is killed by the limit of its own cgroup, by that of a parent, and because the whole machine
//! is out of memory; the build ends with 2 all the same. Told right each time, compared with the kernel's log; and by
//! counters alone, without any privilege.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::common::{MIB, ballast};
use super::replay_identical::Scratch;
use crate::harness::cgroup::{Cgroup, Version};
use crate::harness::process::Launch;
use crate::harness::stage::{Flavour, OOMTRACE, Stage};
use crate::harness::sysctl::Sysctl;
use crate::oracle::report::Report;

/// What the cgroup may have whose limit is met; oomtrace is in it too.
const LIMIT: u64 = 64 * MIB;
/// What one below it may have, and never gets.
const ROOM: u64 = 512 * MIB;

pub(super) fn by_hooks(stage: &Stage) -> Result<()> {
    own(stage)?;
    parent(stage)?;
    // How it is attached makes no difference to whose a kill is: once is enough of what takes long.
    if stage.flavour() == Flavour::Fentry {
        machine(stage)?;
    }
    nothing(stage)
}

pub(super) fn by_log(stage: &Stage) -> Result<()> {
    own(stage)?;
    machine(stage)
}

/// A build: a shell whose shell starts what takes memory without end, and which fails for a reason of its own.
fn build() -> Result<String> {
    let guest = std::env::current_exe().context("failed to find this program")?;
    let step = format!("{} hog --adj 1000; echo step ended with $?", guest.display());
    Ok(format!("echo building; sh -c '{step}'; echo build failed; exit 2"))
}

/// What came of a job.
struct Done {
    job: Value,
    stderr: String,
}

impl Done {
    /// The only kill of the job, by an episode.
    fn kill(&self) -> Result<&Value> {
        let kills = self.job["kills"].as_array().context("there are no kills")?;
        ensure!(kills.len() == 1, "{} kills: {}; it said {}", kills.len(), self.job, self.stderr);
        Ok(&kills[0])
    }

    fn says(&self, words: &str) -> Result<()> {
        // Lines are broken at words.
        let said = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(said.contains(words), "it does not say {words:?}: {}", self.stderr);
        Ok(())
    }
}

/// Runs the build by `launch` and checks that all that is its own came through.
fn run(stage: &Stage, launch: Launch, options: &[&str]) -> Result<Done> {
    let file = Scratch::new("job.json")?;
    std::fs::write(file.text()?, "").context("failed to make the file")?;
    file.writable_by_all()?;
    let script = build()?;
    let launch = launch.args(&["run", "--json", file.text()?]).args(options).args(&["sh", "-c", &script]);
    let finished = stage.follow(launch)?.wait()?;
    ensure!(finished.code == Some(2), "exit code {:?}; it said {}", finished.code, finished.stderr);
    let printed = String::from_utf8_lossy(&finished.stdout).into_owned();
    ensure!(
        printed == "building\nready\nstep ended with 137\nbuild failed\n",
        "the build printed {printed:?}"
    );
    let lines = std::fs::read_to_string(file.text()?).context("failed to read what was written")?;
    let job = lines.lines().last().context("nothing was written")?;
    let job: Value = serde_json::from_str(job).with_context(|| format!("no JSON: {job}"))?;
    ensure!(job["type"] == "job" && job["status"] == 2, "the job's line is {job}");
    ensure!(
        lines.lines().count() == if job["kills"] == serde_json::json!([]) { 1 } else { 3 },
        "lines: {lines}"
    );
    Ok(Done { job, stderr: finished.stderr })
}

fn traced(stage: &Stage, cgroup: Option<&Cgroup>) -> Result<Done> {
    let launch = Launch::of(OOMTRACE);
    let launch = match cgroup {
        Some(cgroup) => launch.inside(cgroup),
        None => launch,
    };
    run(stage, launch, &["--attach", &stage.flavour().to_string()])
}

/// The kill is the kernel's, and the victim the one of its report.
fn agrees(kill: &Value, report: &Report, whose: &str) -> Result<()> {
    ensure!(kill["whose"] == whose, "whose limit: {kill}");
    ensure!(kill["sure"] == true, "that it was of the job is not sure: {kill}");
    let victims: Vec<i64> = report.killed().into_iter().map(i64::from).collect();
    ensure!(kill["victims"] == serde_json::json!(victims), "the log has {victims:?}: {kill}");
    let limiting = report.summary.as_ref().and_then(|summary| summary.oom_memcg.as_deref());
    ensure!(kill["limiting"] == serde_json::json!(limiting), "the log has {limiting:?}: {kill}");
    Ok(())
}

fn own(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("job_own")?;
    cgroup.hold_for_children()?;
    cgroup.limit(LIMIT)?;
    let done = traced(stage, Some(&cgroup))?;
    let report = stage.report("of the job's cgroup", |report| report.is_of(cgroup.path()))?;
    agrees(done.kill()?, &report, "own")?;
    ensure!(done.kill()?["limit_bytes"] == LIMIT, "the limit: {}", done.job);
    done.says(&format!("its own cgroup, {}, met its limit of 64.0M", cgroup.path()))?;
    done.says("a limit of more than 64.0M")?;
    done.says("ended with 2")?;
    // Where a cgroup of its own has no effect on others, it gets one.
    let made = !done.job["cgroup"]["made"].is_null();
    ensure!(made == (cgroup.version() == Version::One), "the cgroup: {}", done.job["cgroup"]);
    Ok(())
}

fn parent(stage: &Stage) -> Result<()> {
    let above = Cgroup::new("job_parent")?;
    above.hold_for_children()?;
    let cgroup = above.child("job")?;
    above.limit(LIMIT)?;
    cgroup.limit(ROOM)?;
    let done = traced(stage, Some(&cgroup))?;
    let report = stage.report("of the parent", |report| report.is_of(above.path()))?;
    agrees(done.kill()?, &report, "parent")?;
    done.says(&format!("{}, which is above its own cgroup {}, met its limit", above.path(), cgroup.path()))?;
    done.says("raising that one would have changed nothing")
}

fn machine(stage: &Stage) -> Result<()> {
    let _ballast = ballast()?;
    let done = traced(stage, None)?;
    let report = stage.report("of the machine", |report| {
        report.summary.as_ref().is_some_and(|summary| summary.oom_memcg.is_none())
    })?;
    agrees(done.kill()?, &report, "machine")?;
    ensure!(done.kill()?["more_than_bytes"].is_null(), "no limit was met: {}", done.job);
    done.says("the whole machine was out of memory; no limit of a cgroup was met")
}

/// Nobody is killed, and nothing is said.
fn nothing(stage: &Stage) -> Result<()> {
    let launch = Launch::of(OOMTRACE).args(&["run", "--attach", &stage.flavour().to_string()]);
    let finished = stage.follow(launch.args(&["sh", "-c", "echo built; kill -TERM $$"]))?.wait()?;
    ensure!(finished.code == Some(143), "exit code {:?}: {}", finished.code, finished.stderr);
    ensure!(finished.stdout == b"built\n" && finished.stderr.is_empty(), "it said {}", finished.stderr);
    let left = std::fs::read_dir(Cgroup::new("job_left")?.directory().join(".."))
        .context("failed to list the cgroups")?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("oomtrace-run-"))
        .count();
    ensure!(left == 0, "{left} cgroups were left behind");
    untouched(stage)
}

/// What oomtrace does to itself while it captures is not handed down.
fn untouched(stage: &Stage) -> Result<()> {
    let state = "cat /proc/self/oom_score_adj; grep -E '^(NoNewPrivs|Seccomp|Cap|SigBlk|SigIgn|VmLck)' /proc/self/status; ulimit -l; ls /proc/self/fd";
    let run =
        Launch::of(OOMTRACE).args(&["run", "--attach", &stage.flavour().to_string(), "sh", "-c", state]);
    let with = stage.follow(run)?.wait()?;
    let plain = stage.follow(Launch::of("/bin/sh").args(&["-c", state]))?.wait()?;
    let text = |out: &[u8]| String::from_utf8_lossy(out).into_owned();
    ensure!(with.code == Some(0) && plain.code == Some(0), "{:?} {:?}", with.code, plain.code);
    ensure!(text(&plain.stdout).contains("NoNewPrivs:\t0"), "the shell has {}", text(&plain.stdout));
    ensure!(
        with.stdout == plain.stdout,
        "the command has {} and should have {}",
        text(&with.stdout),
        text(&plain.stdout)
    );
    Ok(())
}

/// Somebody who may read nothing but the counters of the cgroup.
pub(super) fn unprivileged(stage: &Stage) -> Result<()> {
    let _restricted = Sysctl::set("kernel/dmesg_restrict", "1")?;
    let above = Cgroup::new("job_nobody")?;
    above.hold_for_children()?;
    let cgroup = above.child("job")?;
    let by_counters = |limits: [(&Cgroup, u64); 2], whose: &str| -> Result<Done> {
        for (cgroup, bytes) in limits {
            cgroup.limit(bytes)?;
        }
        let done = run(stage, Launch::of(OOMTRACE).as_nobody().inside(&cgroup), &[])?;
        let counted = &done.job["counted"];
        ensure!(counted["kills"] == 1, "counted: {}", done.job);
        ensure!(counted["whose"] == whose, "whose limit: {}", done.job);
        ensure!(counted["limiting"] == limits[0].0.path(), "the limiting one: {}", done.job);
        ensure!(counted["limit_bytes"] == LIMIT, "its limit: {}", done.job);
        ensure!(done.job["source"].is_null() && done.job["kills"] == serde_json::json!([]), "{}", done.job);
        done.says("1 process in the cgroup of this job was killed by the OOM killer")?;
        done.says("CAP_BPF and CAP_PERFMON")?;
        done.says("CAP_SYSLOG")?;
        Ok(done)
    };
    by_counters([(&cgroup, LIMIT), (&above, ROOM)], "own")?
        .says(&format!("its own cgroup, {}, met its limit of 64.0M", cgroup.path()))?;
    by_counters([(&above, LIMIT), (&cgroup, LIMIT / 2 * 3)], "parent")?.says(&format!(
        "{}, which is above its own cgroup {}, met its limit",
        above.path(),
        cgroup.path()
    ))
}
