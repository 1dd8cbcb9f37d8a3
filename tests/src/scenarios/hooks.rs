//! Commands of a confined capture: they run outside of its confinement, with the rights of whoever started it, get what the JSON says,
//! and one that hangs keeps neither the capture nor the journal waiting.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use rustix::thread::CapabilitySet;

use super::common::MIB;
use crate::harness::cgroup::Cgroup;
use crate::harness::credentials::{Left, RECOMMENDED};
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::sysctl::Sysctl;
use crate::harness::watch::Lines;

pub(super) fn run(stage: &Stage) -> Result<()> {
    // Debian's kernels take CAP_SYS_ADMIN for any perf event by default.
    let _perf = Sysctl::set("kernel/perf_event_paranoid", "2")?;
    // A folder that nobody may write to in the guest's root is not what this is about.
    let folder = std::env::temp_dir().join("hooks");
    std::fs::create_dir_all(&folder).context("failed to make a folder")?;
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    for (who, launch) in
        [("root", Launch::of(OOMTRACE)), ("nobody", Launch::of(OOMTRACE).as_nobody_with(RECOMMENDED))]
    {
        told(stage, launch, &folder.join(who), who == "root").with_context(|| format!("as {who}"))?;
    }
    let refused = stage.logged("type=1326")?;
    ensure!(refused.is_empty(), "system calls were refused: {refused:#?}");
    hangs(stage, &folder.join("journal"))
}

/// Three kills, three commands.
fn told(stage: &Stage, launch: Launch, out: &Path, root: bool) -> Result<()> {
    let cgroup = Cgroup::new("hooks")?;
    cgroup.limit(6 * MIB)?;
    let (json, status) = (out.with_extension("json"), out.with_extension("status"));
    let command = format!(
        "cat >> {}; cat /proc/self/status /proc/self/oom_score_adj > {}",
        json.display(),
        status.display()
    );
    let watch = stage.follow(launch.args(&["watch", "--json", "--exec", &command]))?;
    watch.await_ready()?;
    ensure!(watch.stderr.text().contains("protected, confined"), "not confined: {}", watch.stderr.text());
    let left = Left::to(watch.pid())?;
    ensure!(left.filtered && left.no_new_privileges, "it is not confined: {left:?}");
    for _ in 0..3 {
        die_in(&cgroup)?;
    }
    watch.await_episodes("three kills", 3, |episode| episode.is_of(cgroup.path()))?;
    // What is on its way when it ends is delivered.
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(0), "it ended with {:?}: {}", finished.code, finished.stderr);
    let lines = Lines::read(&finished.stdout)?;
    let delivered = std::fs::read_to_string(&json).context("no command was run")?;
    let shown = String::from_utf8(finished.stdout).context("the JSON is not text")?;
    let shown: Vec<&str> = shown.lines().filter(|line| line.contains(r#""type":"episode""#)).collect();
    ensure!(lines.episodes.len() == 3, "{} episodes", lines.episodes.len());
    ensure!(delivered.lines().collect::<Vec<_>>() == shown, "commands got something else: {delivered}");

    let status = std::fs::read_to_string(&status).context("the command did not tell its status")?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    ensure!(field("Seccomp:") == Some("0") && field("NoNewPrivs:") == Some("0"), "confined: {status}");
    ensure!(status.ends_with("\n0\n"), "its oom_score_adj is not 0: {status}");
    let effective =
        field("CapEff:").and_then(|bits| u64::from_str_radix(bits, 16).ok()).context("no CapEff")?;
    let effective = CapabilitySet::from_bits_retain(effective);
    ensure!(root != effective.is_empty(), "the command has {effective:?}");
    Ok(())
}

/// A command that never ends, and a journal that gets its entries all the same.
fn hangs(stage: &Stage, socket: &Path) -> Result<()> {
    let cgroup = Cgroup::new("hooks-hang")?;
    cgroup.limit(6 * MIB)?;
    let journal = UnixDatagram::bind(socket).context("failed to be a journal")?;
    journal.set_read_timeout(Some(crate::harness::PATIENCE))?;
    let path = socket.to_str().context("a path of our own is text")?;
    let command = ["--exec", "sleep 1000", "--exec-timeout", "1s", "--exec-queue", "1"];
    let watch = stage.watch(&[&command[..], &["--journald", "--journal-socket", path]].concat())?;
    for _ in 0..3 {
        die_in(&cgroup)?;
    }
    let episodes = watch.await_episodes("three kills", 3, |episode| episode.is_of(cgroup.path()))?;
    let mut entry = vec![0; 1 << 20];
    for episode in &episodes {
        let read = journal.recv(&mut entry).context("the journal got nothing")?;
        let told = String::from_utf8_lossy(&entry[..read]).into_owned();
        let victim = format!("OOMTRACE_VICTIM_PID={}\n", episode.victim_pids()[0]);
        ensure!(told.contains(&victim), "an entry without {victim}: {told}");
    }
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(4), "it ended with {:?}: {}", finished.code, finished.stderr);
    ensure!(finished.stderr.contains("was killed"), "it does not say what was killed: {}", finished.stderr);
    ensure!(finished.stderr.contains("--exec: 0 delivered"), "it does not count: {}", finished.stderr);
    Lines::read(&finished.stdout)?.lossless()
}

/// One process, which grows until it is killed.
fn die_in(cgroup: &Cgroup) -> Result<()> {
    let (mut hog, _) = Launch::guest("hog")?.inside(cgroup).start_ready()?;
    hog.wait()?;
    Ok(())
}
