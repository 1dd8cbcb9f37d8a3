//! Boots a guest for one suite and takes the lines of figures that it prints.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::results::Results;
use super::root::Root;
use super::suites::Boot;
use crate::kernels::Kernel;
use crate::vm::initramfs::Programs;
use crate::vm::qemu::Sink;
use crate::vm::{self, Guest};
use crate::workspace;

/// An emulated guest with twenty thousand processes takes its time.
const TIMEOUT: Duration = Duration::from_secs(3 * 3600);

/// A guest whose kernel crashes is booted again: emulated machines now and then crash while kernel code is patched.
const TRIES: u32 = 3;

/// What the guest leaves on its disk may be this big.
const DISK_BYTES: u64 = 2 << 30;

/// The lines, and the disk if there is something on it.
pub(super) struct Measured {
    pub(super) lines: Vec<Value>,
    pub(super) disk: Option<PathBuf>,
}

/// Boots it, again if its kernel crashed.
pub(super) fn run(
    boot: &Boot,
    kernel: &Kernel,
    root: &Root,
    programs: &Programs,
    tracers: &str,
    results: &Results,
) -> Result<Measured> {
    let mut tries = 1;
    loop {
        println!("booting {}, {}: {}", kernel.description, boot.name(), boot.command(tracers).join(" "));
        match once(boot, kernel, root, programs, tracers, results) {
            Err(error) if tries < TRIES => {
                tries += 1;
                println!("  again: {error:#}");
            }
            result => return result,
        }
    }
}

fn once(
    boot: &Boot,
    kernel: &Kernel,
    root: &Root,
    programs: &Programs,
    tracers: &str,
    results: &Results,
) -> Result<Measured> {
    let logs = workspace::vm_logs().join("bench").join(boot.key(kernel));
    fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let lines = Arc::new(Mutex::new(Lines {
        // The run tells which lines are from one boot.
        stamp: vec![("run", at.into()), ("kernel", kernel.name.as_str().into()), ("cpus", boot.cpus.into())],
        kept: Some((results.clone(), boot.key(kernel))),
        ..Lines::default()
    }));
    let stderr = fs::File::create(logs.join("stderr.log")).context("cannot create a log")?;
    let hardware = boot.hardware();
    let guest = Guest {
        kernel,
        hardware: &hardware,
        timeout: Some(TIMEOUT),
        silence: None,
        extras: &[],
        archive: Some(&root.archive),
        disk: vm::Disk { bytes: DISK_BYTES, keep: boot.leaves_files() },
        out: None,
        show_console: false,
        logs: logs.clone(),
        stdout: Arc::clone(&lines) as Sink,
        stderr: Arc::new(Mutex::new(stderr)),
    };
    let run = guest.run(programs, &boot.command(tracers))?;
    let mut lines = std::mem::take(&mut lines.lock().unwrap_or_else(PoisonError::into_inner).complete);
    if run.outcome.code != Some(0) {
        for line in vm::tail(&logs.join("stderr.log"), 10).iter().chain(&vm::tail(&run.console_log, 15)) {
            println!("  | {line}");
        }
        bail!("the guest did not end well (logs: {})", logs.display());
    }
    lines.push(
        json!({ "row": "boot", "kernel": kernel.name, "package": kernel.description, "boot": boot.name(),
        "seconds": run.outcome.total.as_secs() }),
    );
    println!("  {} s", run.outcome.total.as_secs());
    Ok(Measured { lines, disk: run.disk })
}

/// Runs a shell command in the peers' root.
pub(super) fn shell(command: &str, kernel: &Kernel, root: &Root, programs: &Programs) -> Result<()> {
    let logs = workspace::vm_logs().join("bench/shell");
    let boot = Boot { suite: "shell", processes: 0, cpus: 2, memory: 3072, rounds: 0, tracers: "" };
    let hardware = boot.hardware();
    let guest = Guest {
        kernel,
        hardware: &hardware,
        timeout: Some(TIMEOUT),
        silence: None,
        extras: &[],
        archive: Some(&root.archive),
        disk: vm::Disk::default(),
        out: None,
        show_console: false,
        logs,
        stdout: Arc::new(Mutex::new(io::stdout())),
        stderr: Arc::new(Mutex::new(io::stderr())),
    };
    let run = guest.run(programs, &["guest", "bench", "shell", command].map(str::to_owned))?;
    vm::conclude(&run, guest.timeout);
    Ok(())
}

/// Takes apart what a guest prints. Lines are kept as they come: a guest that dies has measured what it has.
#[derive(Default)]
struct Lines {
    stamp: Vec<(&'static str, Value)>,
    kept: Option<(Results, String)>,
    rest: Vec<u8>,
    complete: Vec<Value>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        while let Some(at) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=at).collect();
            match serde_json::from_slice::<Value>(&line) {
                Ok(mut line) => {
                    println!("  {}", shorten(&line));
                    for (key, value) in &self.stamp {
                        line[*key] = value.clone();
                    }
                    if let Some((results, key)) = &self.kept {
                        results.replace(key, std::slice::from_ref(&line)).map_err(io::Error::other)?;
                    }
                    self.complete.push(line);
                }
                Err(_) => println!("  {}", String::from_utf8_lossy(&line).trim_end()),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line of figures for the eye: the name first.
fn shorten(line: &Value) -> String {
    let peer = line["peer"].as_str().unwrap_or_default();
    let rest: Vec<String> = line
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !["peer", "suite", "processes"].contains(&key.as_str()))
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    format!("{peer}: {}", rest.join(" "))
}
