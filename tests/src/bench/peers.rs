//! Who is measured, and how each is told to show every candidate with its points, and the victims.
//!
//! The peers are in a root of their own below `/peers`, which `cargo xtask bench` puts together from Debian's packages.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountPropagationFlags, mount_bind_recursive, mount_change};

use super::graph::write;
use super::offsets::Offsets;
use super::tracer::run_to_end;

/// The root of the peers.
pub(super) const ROOT: &str = "/peers";

/// How a tracer tells that it is attached.
#[derive(Clone, Copy)]
pub(super) enum Ready {
    /// It says these words, on either stream.
    Says(&'static str),
    /// It says nothing of use: it is ready when it shows a reading of `/proc/self/oom_score`, which runs the scorer.
    ShowsRead,
    /// Nor does it show anything before its end: it is ready when such a reading hits the probe.
    ProbeHit,
}

/// Where the candidates that it saw can be counted.
#[derive(Clone, Copy)]
pub(super) enum Shows {
    /// Lines of oomtrace's JSON.
    Json,
    /// Lines that start with `C `.
    Lines,
    /// In a file that is read afterwards by this command: lines with `badness:`, and `mark_victim:` after each OOM.
    File(&'static [&'static str]),
}

/// How a tracer is started.
#[derive(Clone, Copy)]
pub(super) struct Tool {
    /// Whether it lives in the root of the peers.
    pub(super) is_peer: bool,
    /// What comes before, as a person would do it too: it is part of the start.
    pub(super) set_up: fn(Offsets) -> Result<()>,
    pub(super) command: &'static [&'static str],
    pub(super) ready: Ready,
    pub(super) shows: Shows,
    pub(super) tear_down: fn() -> Result<()>,
}

/// Who is measured.
#[derive(Clone, Copy)]
pub(super) enum Peer {
    /// Nobody, with the kernel's own table of tasks (`oom_dump_tasks`) or without.
    Nobody {
        /// With it.
        table: bool,
    },
    /// A tracer.
    Tool(Tool),
}

/// All of them, in the order in which they run.
pub(super) const PEERS: &[(&str, Peer)] = &[
    ("none", Peer::Nobody { table: false }),
    ("dump_tasks", Peer::Nobody { table: true }),
    ("oomtrace-fentry", ours(&["oomtrace", "watch", "--json", "--attach", "fentry"])),
    ("oomtrace-kprobe", ours(&["oomtrace", "watch", "--json", "--attach", "kprobe"])),
    ("bpftrace-kretfunc", shown(&["bpftrace", "/bench/kretfunc.bt"], Ready::ShowsRead)),
    ("bpftrace-kprobe", shown(&["bpftrace", "/bench/kprobe.bt"], Ready::ShowsRead)),
    ("bcc-kfunc", shown(&["python3", "/bench/candidates.py", "kfunc"], Ready::ShowsRead)),
    ("bcc-kprobe", shown(&["python3", "/bench/candidates.py", "kprobe"], Ready::ShowsRead)),
    (
        "trace-cmd",
        Peer::Tool(Tool {
            is_peer: true,
            set_up: kprobe_events,
            command: &[
                "trace-cmd",
                "record",
                "-B",
                "peer",
                "-e",
                "bench",
                "-e",
                "oom:mark_victim",
                "-o",
                "/bench/trace.dat",
            ],
            ready: Ready::ProbeHit,
            shows: Shows::File(&["trace-cmd", "report", "-i", "/bench/trace.dat"]),
            tear_down: no_kprobe_events,
        }),
    ),
    (
        "perf",
        Peer::Tool(Tool {
            is_peer: true,
            set_up: perf_probe,
            command: &[
                "perf",
                "record",
                "-a",
                "-e",
                "bench:*",
                "-e",
                "oom:mark_victim",
                "-o",
                "/bench/perf.data",
            ],
            ready: Ready::ProbeHit,
            shows: Shows::File(&["perf", "script", "-i", "/bench/perf.data"]),
            tear_down: no_kprobe_events,
        }),
    ),
];

const fn ours(command: &'static [&'static str]) -> Peer {
    Peer::Tool(Tool {
        is_peer: false,
        set_up: |_| Ok(()),
        command,
        ready: Ready::Says("waiting"),
        shows: Shows::Json,
        tear_down: || Ok(()),
    })
}

const fn shown(command: &'static [&'static str], ready: Ready) -> Peer {
    Peer::Tool(Tool {
        is_peer: true,
        set_up: |_| Ok(()),
        command,
        ready,
        shows: Shows::Lines,
        tear_down: || Ok(()),
    })
}

/// Those in a list with commas, in our order; all without one.
pub(super) fn select(wanted: Option<&str>) -> Result<Vec<&'static (&'static str, Peer)>> {
    let Some(wanted) = wanted else { return Ok(PEERS.iter().collect()) };
    let wanted: Vec<&str> = wanted.split(',').collect();
    for name in &wanted {
        ensure!(PEERS.iter().any(|(known, _)| known == name), "there is no tracer {name:?}");
    }
    Ok(PEERS.iter().filter(|(name, _)| wanted.contains(name)).collect())
}

/// Gives the root of the peers what programs expect, and our scripts.
pub(super) fn mount_root() -> Result<()> {
    let root = Path::new(ROOT);
    ensure!(root.is_dir(), "there is no {ROOT}: `guest bench` is for guests of `cargo xtask bench`");
    for folder in ["proc", "sys", "dev"] {
        let place = root.join(folder);
        mount_bind_recursive(Path::new("/").join(folder), &place)
            .with_context(|| format!("failed to mount {}", place.display()))?;
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("failed to make mounts private")?;
    // Programs ask for it, and devtmpfs does not have it.
    if !Path::new("/dev/fd").exists() {
        std::os::unix::fs::symlink("/proc/self/fd", "/dev/fd").context("failed to make /dev/fd")?;
    }
    // Essential packages are left out of the root; a shell is what some peers expect.
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("failed to copy busybox")?;
    if !root.join("bin/sh").exists() {
        std::os::unix::fs::symlink("busybox", root.join("bin/sh")).context("failed to make a shell")?;
    }
    for (name, text) in [
        ("candidates.py", include_str!("scripts/candidates.py")),
        ("kretfunc.bt", include_str!("scripts/kretfunc.bt")),
        ("kprobe.bt", include_str!("scripts/kprobe.bt")),
    ] {
        fs::write(root.join("bench").join(name), text).with_context(|| format!("failed to write {name}"))?;
    }
    Ok(())
}

/// The same two events for trace-cmd and perf: the task that is scored, and what it scored.
fn probes(offsets: Offsets) -> [String; 2] {
    let Offsets { pid, comm } = offsets;
    [
        format!("p:bench/badness oom_badness pid=+{pid}(%di):s32 comm=+{comm}(%di):string"),
        "r:bench/score oom_badness points=$retval:s64".to_owned(),
    ]
}

fn kprobe_events(offsets: Offsets) -> Result<()> {
    write("kprobe_events", &probes(offsets).join("\n"))
}

fn no_kprobe_events() -> Result<()> {
    write("kprobe_events", "")
}

/// By perf itself, in perf's words.
fn perf_probe(offsets: Offsets) -> Result<()> {
    let Offsets { pid, comm } = offsets;
    let badness = format!("bench:badness=oom_badness pid=+{pid}(%di):s32 comm=+{comm}(%di):string");
    let score = "bench:score=oom_badness%return points=$retval:s64";
    run_to_end(&["perf", "probe", "--quiet", "--add", &badness, "--add", score]).map(drop)
}
