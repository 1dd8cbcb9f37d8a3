//! Containers and pods by their names, on a node that is a folder: those that were there, one that comes while the capture runs, one whose
//! link comes after its first kill, and one of Docker's. Replay prints the same without the folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::common::{MIB, waiting_hog};
use super::replay_identical::{Scratch, same};
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::{OOMTRACE, Stage};
use crate::harness::watch::{Lines, Watch};

const ROOT: &str = "/tmp/pod_names";
const UID: &str = "3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60";
const LATER: &str = "7c60e1c7-5d8b-4f6e-9a43-1f2e8d9b3f0e";

/// A node's folders.
struct Node;

impl Node {
    fn new() -> Result<Self> {
        let _ = std::fs::remove_dir_all(ROOT);
        for folder in ["var/log/pods", "var/log/containers", "var/lib/docker/containers"] {
            std::fs::create_dir_all(Path::new(ROOT).join(folder)).context("failed to make a folder")?;
        }
        Ok(Self)
    }

    fn pod(pod: &str, uid: &str) -> Result<()> {
        let folder = format!("{ROOT}/var/log/pods/shop_{pod}_{uid}");
        std::fs::create_dir(folder).context("failed to make a pod's folder")
    }

    /// The kubelet's link for a container that has been started.
    fn container(pod: &str, container: &str, id: &str) -> Result<()> {
        let link = format!("{ROOT}/var/log/containers/{pod}_shop_{container}-{id}.log");
        std::os::unix::fs::symlink("/nowhere/0.log", link).context("failed to make a link")
    }

    /// What Docker writes, and how.
    fn docker(name: &str, id: &str) -> Result<()> {
        let folder = PathBuf::from(format!("{ROOT}/var/lib/docker/containers/{id}"));
        std::fs::create_dir(&folder).context("failed to make a container's folder")?;
        let text = json!({"ID": id, "Name": format!("/{name}"), "Config": {"Labels": {}}}).to_string();
        std::fs::write(folder.join(".tmp"), text).context("failed to write")?;
        std::fs::rename(folder.join(".tmp"), folder.join("config.v2.json")).context("failed to rename")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(ROOT);
    }
}

fn id(n: u8) -> String {
    format!("{n:064x}")
}

pub(super) fn run(stage: &Stage) -> Result<()> {
    let _node = Node::new()?;
    Node::pod("checkout-7d9c", UID)?;
    Node::container("checkout-7d9c", "app", &id(1))?;
    let kubepods = Cgroup::new("kubepods")?;
    let burstable = kubepods.child("burstable")?;
    let pod = burstable.child(&format!("pod{UID}"))?;
    let app = pod.child(&id(1))?;

    let file = Scratch::new("pod_names.session")?;
    let flavour = stage.flavour().to_string();
    let launch = Launch::of(OOMTRACE).args(&["watch", "--json", "--attach", &flavour]);
    let watch = stage.follow(launch.args(&["--names-root", ROOT, "-o", file.text()?]))?;
    watch.await_ready()?;

    die_in(&watch, &app)?;
    // A container that has just been started.
    let sidecar = pod.child(&id(2))?;
    Node::container("checkout-7d9c", "sidecar", &id(2))?;
    die_in(&watch, &sidecar)?;
    // A new pod, whose container is killed before the kubelet has made the link; and again when it has.
    Node::pod("batch-1", LATER)?;
    let later = burstable.child(&format!("pod{LATER}"))?;
    let job = later.child(&id(3))?;
    die_in(&watch, &job)?;
    Node::container("batch-1", "job", &id(3))?;
    die_in(&watch, &job)?;
    let docker = Cgroup::new("docker")?;
    Node::docker("web-1", &id(4))?;
    // Its file is read between episodes.
    std::thread::sleep(std::time::Duration::from_millis(400));
    let web = docker.child(&id(4))?;
    die_in(&watch, &web)?;

    let live = watch.end(Signal::TERM)?;
    ensure!(live.code == Some(0), "oomtrace ended with code {:?}: {}", live.code, live.stderr);
    let lines = Lines::read(&live.stdout)?;
    lines.lossless()?;
    let names = |cgroup: &Cgroup| -> Result<Vec<[Value; 3]>> {
        lines.of(cgroup.path()).into_iter().map(|episode| called(&episode.json)).collect()
    };
    let checkout = |container: &str| vec![[json!("shop"), json!("checkout-7d9c"), json!(container)]];
    expect("the one that was there", &names(&app)?, &checkout("app"))?;
    expect("the new one", &names(&sidecar)?, &checkout("sidecar"))?;
    let batch = |container: Value| [json!("shop"), json!("batch-1"), container];
    expect("the one of the new pod", &names(&job)?, &[batch(Value::Null), batch(json!("job"))])?;
    expect("Docker's", &names(&web)?, &[[Value::Null, Value::Null, json!("web-1")]])?;
    let refused = stage.logged("type=1326")?;
    ensure!(refused.is_empty(), "system calls were refused: {refused:#?}");

    std::fs::remove_dir_all(ROOT).context("failed to remove the node")?;
    file.readable_by_all()?;
    let replay = Launch::of(OOMTRACE).args(&["replay", "--json", file.text()?]).as_nobody();
    let replayed = stage.follow(replay)?.wait()?;
    ensure!(replayed.code == Some(0), "replay ended with code {:?}: {}", replayed.code, replayed.stderr);
    same(&live.stdout, &replayed.stdout)?;
    let text = Launch::of(OOMTRACE).args(&["replay", file.text()?, "--pod", "shop/checkout-*"]).as_nobody();
    let text = String::from_utf8_lossy(&stage.follow(text)?.wait()?.stdout).into_owned();
    let told = text.contains("container sidecar of pod shop/checkout-7d9c") && !text.contains("batch-1");
    ensure!(told, "the text says {text}");
    Ok(())
}

/// One process grows in the cgroup until it is killed, and its episode is shown.
fn die_in(watch: &Watch, cgroup: &Cgroup) -> Result<()> {
    let mut hog = waiting_hog(cgroup)?;
    let pid = hog.pid();
    cgroup.limit_above_usage(2 * MIB)?;
    hog.go()?;
    watch.await_episode("of the container", |episode| episode.victim_pids().contains(&pid))?;
    hog.wait()?;
    Ok(())
}

/// Namespace, pod and container of the limiting cgroup, which are those of the victim.
fn called(episode: &Value) -> Result<[Value; 3]> {
    let of = |owner: &Value| {
        [&owner["pod"]["namespace"], &owner["pod"]["name"], &owner["container"]["name"]].map(Value::clone)
    };
    let limiting = of(&episode["memcg"]);
    let victim = of(&episode["victims"][0]);
    ensure!(limiting == victim, "the limit is of {limiting:?}, the victim of {victim:?}");
    Ok(limiting)
}

fn expect(who: &str, found: &[[Value; 3]], expected: &[[Value; 3]]) -> Result<()> {
    ensure!(found == expected, "{who} is called {found:?}, not {expected:?}");
    Ok(())
}
