//! How fast recordings are read, on this machine: oomtrace, trace-cmd and perf, each with the file of the suite `events`, one after
//! the other in the same minutes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::root::Root;
use crate::arch::Arch;
use crate::kernels::Kernel;
use crate::run;
use crate::vm::initramfs;

/// Runs of each, after one that brings the file into memory.
const ROUNDS: usize = 5;

/// Reads each recording; returns lines of figures.
pub(super) fn measure(disk: &Path, folder: &Path, kernel: &Kernel, root: &Root) -> Result<Vec<Value>> {
    let files = folder.join(format!("{}-files", kernel.name));
    if files.exists() {
        fs::remove_dir_all(&files).with_context(|| format!("cannot empty {}", files.display()))?;
    }
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    run::check_quietly(
        Command::new("tar").arg("--extract").arg("--file").arg(disk).arg("--directory").arg(&files),
    )?;
    fs::remove_file(disk).context("cannot remove the guest's disk")?;
    let ours = initramfs::shipped(Arch::X86_64)?;
    let session = files.join("oomtrace.oomtrace");
    let replay = |more: &[&str]| {
        let mut command = Command::new(&ours);
        command.arg("replay").arg(&session).args(more);
        command
    };
    let peer = |program: &str, words: &[&str], file: &str| {
        let mut command = in_root(&root.tree, program);
        command.args(words).arg(files.join(file));
        command
    };
    let runs = [
        ("oomtrace replay --json", "oomtrace", replay(&["--json"])),
        ("oomtrace replay --verbose", "oomtrace", replay(&["--verbose"])),
        ("oomtrace replay", "oomtrace", replay(&[])),
        ("trace-cmd report", "trace-cmd", peer("trace-cmd", &["report", "-i"], "trace.dat")),
        ("perf script", "perf", peer("perf", &["script", "-i"], "perf.data")),
    ];
    let mut lines = Vec::new();
    for (name, peer, mut command) in runs {
        let mut line = one(&mut command).with_context(|| format!("while measuring {name}"))?;
        line["peer"] = peer.into();
        line["command"] = name.into();
        line["suite"] = "throughput".into();
        line["kernel"] = kernel.name.as_str().into();
        println!("  {line}");
        lines.push(line);
    }
    // Big, and made again by every run.
    fs::remove_dir_all(&files).with_context(|| format!("cannot remove {}", files.display()))?;
    Ok(lines)
}

/// A program of the peers' root with that root's libraries; it needs no privileges.
fn in_root(tree: &Path, program: &str) -> Command {
    let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib"].map(|folder| tree.join(folder));
    let path: Vec<String> = libraries.iter().map(|folder| folder.display().to_string()).collect();
    // Not through the link `/lib64`, which points to this machine's.
    let loader: PathBuf = tree.join("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
    let mut command = Command::new(loader);
    command.arg("--library-path").arg(path.join(":")).arg(tree.join("usr/bin").join(program));
    command
}

/// Time of each run, what it wrote, lines of that, and the most memory that it had.
fn one(command: &mut Command) -> Result<Value> {
    let (bytes, lines) = written(command)?;
    let (mut seconds, mut peak) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.map_err(|error| run::explain_spawn(command, error))?;
        let status = loop {
            peak = peak.max(peak_kib(child.id()).unwrap_or(0));
            if let Some(status) = child.try_wait().context("cannot wait for a reader")? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        seconds.push(started.elapsed().as_secs_f64());
        if !status.success() {
            bail!("this command failed ({status}):\n  {}", run::show(command));
        }
    }
    if lines == 0 {
        return Ok(json!({ "failed": format!("{} wrote nothing", run::show(command)) }));
    }
    Ok(json!({ "seconds": seconds, "bytes_written": bytes, "lines_written": lines, "peak_kib": peak }))
}

/// What it writes, counted by a run that is not timed.
fn written(command: &mut Command) -> Result<(u64, u64)> {
    struct Counter(u64, u64);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            self.1 += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| run::explain_spawn(command, error))?;
    let mut counter = Counter(0, 0);
    let mut stdout = child.stdout.take().context("a piped stdout is there")?;
    io::copy(&mut stdout, &mut counter).context("cannot read what a reader writes")?;
    let status = child.wait().context("cannot wait for a reader")?;
    if !status.success() {
        bail!("this command failed ({status}):\n  {}", run::show(command));
    }
    Ok((counter.0, counter.1))
}

/// The most resident memory so far.
fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
}
