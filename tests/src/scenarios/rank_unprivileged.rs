//! `oomtrace rank` without privileges: it ranks what it can see, and says what it cannot.

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, mount_remount};
use serde_json::Value;

use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};

pub(super) fn run(stage: &Stage) -> Result<()> {
    let (fat, _) = Launch::guest("hog")?.args(&["--hold", "20000", "--adj", "1000"]).start_ready()?;
    let own = Launch::guest("hog")?.args(&["--hold", "5000"]).as_nobody().start_ready()?.0;
    let pids = |ranking: &Value| -> Vec<i64> {
        let candidates = ranking["candidates"].as_array().map(Vec::as_slice).unwrap_or_default();
        candidates.iter().filter_map(|candidate| candidate["pid"].as_i64()).collect()
    };

    // Where nothing is hidden, the answer is root's.
    let privileged = ask(stage, Launch::of(OOMTRACE))?;
    let seen = ask(stage, Launch::of(OOMTRACE).as_nobody())?;
    for ranking in [&privileged, &seen] {
        ensure!(ranking["next"]["pid"] == fat.pid(), "the next is {}, not {}", ranking["next"], fat.pid());
        let unseen = &ranking["unseen"];
        ensure!(unseen["forbidden"] == 0 && unseen["hidepid"].is_null(), "unseen: {unseen}");
        ensure!(unseen["all_pids"] == true, "this is no container: {unseen}");
    }
    ensure!(pids(&privileged) == pids(&seen), "nobody sees others than root");

    let hidden = Hidden::new("1")?;
    let forbidden = ask(stage, Launch::of(OOMTRACE).as_nobody())?;
    ensure!(forbidden["next"]["pid"] == own.pid(), "the next of its own is {}", forbidden["next"]);
    ensure!(forbidden["unseen"]["forbidden"].as_u64() > Some(1), "unseen: {}", forbidden["unseen"]);
    hidden.set("2")?;
    let invisible = ask(stage, Launch::of(OOMTRACE).as_nobody())?;
    ensure!(invisible["next"]["pid"] == own.pid(), "the next of its own is {}", invisible["next"]);
    let unseen = &invisible["unseen"];
    ensure!(unseen["forbidden"] == 0 && unseen["threads"].as_u64() > Some(1), "unseen: {unseen}");
    let text = stage.follow(Launch::of(OOMTRACE).arg("rank").as_nobody())?.wait()?;
    let words = String::from_utf8_lossy(&text.stdout).into_owned();
    ensure!(text.code == Some(0) && words.contains("hidepid="), "it does not say what hides: {words}");
    // To root nothing is hidden, whatever the mount says.
    let root = ask(stage, Launch::of(OOMTRACE))?;
    ensure!(root["next"]["pid"] == fat.pid(), "the next is {}", root["next"]);
    Ok(())
}

fn ask(stage: &Stage, launch: Launch) -> Result<Value> {
    let ended = stage.follow(launch.args(&["rank", "--json"]))?.wait()?;
    ensure!(ended.code == Some(0), "exit code {:?}: {}", ended.code, ended.stderr);
    serde_json::from_slice(&ended.stdout).context("it is no single JSON value")
}

/// `/proc` hides processes of others for as long as this is kept.
struct Hidden;

impl Hidden {
    fn new(how: &str) -> Result<Self> {
        let hidden = Self;
        hidden.set(how)?;
        Ok(hidden)
    }

    fn set(&self, how: &str) -> Result<()> {
        let options = std::ffi::CString::new(format!("hidepid={how}")).context("a number holds no NUL")?;
        mount_remount(
            "/proc",
            MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
            options.as_c_str(),
        )
        .with_context(|| format!("failed to mount /proc with hidepid={how}"))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Err(error) = self.set("0") {
            eprintln!("failed to show processes again: {error:#}");
        }
    }
}
