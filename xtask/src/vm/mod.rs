//! `cargo xtask vm`: boots a stock kernel in QEMU, runs one command in it and exits with its exit code.
//!
//! - [`initramfs`] is what the guest finds, [`cpio`] its format
//! - [`tree`] makes archives of Debian packages for guests that need more
//! - [`qemu`] is one run of the emulator, [`board`] what the architectures differ in
//! - [`stuck`] tells and asks a guest that has fallen silent
//! - [`ports`] reads what the guest's init reports; its other end is in the package `oomtrace-tests`
//!
//! This file puts them together: defaults, retries, and words for a person.

mod board;
pub(crate) mod cpio;
pub(crate) mod initramfs;
mod ports;
pub(crate) mod qemu;
mod stuck;
pub(crate) mod tree;

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use self::initramfs::{Extra, Programs};
use self::qemu::{Accel, Machine, Outcome, Sink};
use crate::arch::Arch;
use crate::kernels::{self, Kernel};
use crate::{apt, workspace};

/// Emulation sometimes kills a kernel before it runs anything of ours; that says nothing about oomtrace.
const STARTS: u32 = 3;

/// Enough for a busy machine: init runs after 2 to 6 seconds on an idle one.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A guest's disk: a sparse file, which tests swap to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disk {
    pub(crate) bytes: u64,
    /// Leave it beside the logs, for what the guest wrote to it; else it is gone after the run.
    pub(crate) keep: bool,
}

impl Default for Disk {
    fn default() -> Self {
        Self { bytes: 64 << 20, keep: false }
    }
}

/// Runs whose console logs are kept.
const LOGS_KEPT: usize = 20;

/// Exit codes for what is not the command's own failure, after the fashion of timeout(1).
const TIMED_OUT: u8 = 124;
const GUEST_DIED: u8 = 125;

/// What to run, as given on the command line.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// 5.10, 6.1, 6.12, 7.3, 6.1-arm64, 6.12-arm64, or the path of a kernel image for x86-64
    #[arg(long, default_value = "6.12")]
    kernel: String,
    #[command(flatten)]
    hardware: Hardware,
    /// Kill the guest after this many seconds [default: none for a shell, else 1800]
    #[arg(long, value_name = "SECS")]
    timeout: Option<u64>,
    /// When the guest prints nothing for this many seconds, make its kernel tell what it was at and end it
    #[arg(long, value_name = "SECS")]
    silence: Option<u64>,
    /// Put a file or folder into the guest, by default into /root [repeatable]
    #[arg(long, value_name = "HOSTPATH[:GUESTPATH]")]
    file: Vec<Extra>,
    /// Bring the files that the guest leaves in /out back into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show the kernel's messages on standard error
    #[arg(long)]
    console: bool,
    /// What to run in the guest [default: a shell]
    #[arg(last = true)]
    command: Vec<String>,
}

/// The virtual machine.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Hardware {
    /// Number of virtual CPUs
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) cpus: u32,
    /// Memory, as QEMU takes it
    #[arg(long, default_value = "1G", value_name = "SIZE")]
    pub(crate) memory: String,
    /// More words for the kernel's command line
    #[arg(long, default_value = "", value_name = "CMDLINE", allow_hyphen_values = true)]
    pub(crate) append: String,
    /// Count instructions instead of time: figures repeat, but there is only one CPU
    #[arg(long, conflicts_with = "accel")]
    pub(crate) icount: bool,
    /// How to run the guest's instructions
    #[arg(long, value_enum, default_value_t = AccelChoice::Tcg)]
    pub(crate) accel: AccelChoice,
}

/// `--accel`.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccelChoice {
    /// Software emulation, which works everywhere
    Tcg,
    /// Hardware virtualisation
    Kvm,
    /// Hardware virtualisation if a guest boots with it, else emulation
    Auto,
}

/// Everything about a guest but its command.
pub(crate) struct Guest<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) hardware: &'a Hardware,
    pub(crate) timeout: Option<Duration>,
    /// How long it may print nothing before it counts as stuck.
    pub(crate) silence: Option<Duration>,
    pub(crate) extras: &'a [Extra],
    /// One more archive that the kernel unpacks into the guest's root.
    pub(crate) archive: Option<&'a Path>,
    pub(crate) disk: Disk,
    pub(crate) out: Option<PathBuf>,
    pub(crate) show_console: bool,
    /// Where `console.log` goes.
    pub(crate) logs: PathBuf,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
}

/// How a guest ended, and how often it had to be started.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) starts: u32,
    pub(crate) console_log: PathBuf,
    /// The disk's image, if it was to be kept.
    pub(crate) disk: Option<PathBuf>,
}

/// Makes sure that there is a QEMU.
pub(crate) fn need_qemu(arch: Arch) -> Result<()> {
    match arch {
        Arch::X86_64 => apt::install("qemu-system-x86_64", "qemu-system-x86"),
        Arch::Aarch64 => apt::install("qemu-system-aarch64", "qemu-system-arm"),
    }
}

/// Runs the command line's guest.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let interactive = args.command.is_empty();
    if interactive && !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        bail!(
            "there is no terminal for a shell: give a command after `--`, as in `cargo xtask vm -- uname -a`"
        );
    }
    let arch = kernels::arch_of(&args.kernel);
    need_qemu(arch)?;
    let kernel = kernels::get(&args.kernel)?;
    let programs = Programs::get(arch)?;
    let logs = new_log_folder(&kernel.name)?;
    if let Some(out) = &args.out {
        fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    }
    let guest = Guest {
        kernel: &kernel,
        hardware: &args.hardware,
        timeout: args.timeout.or((!interactive).then_some(1800)).map(Duration::from_secs),
        silence: args.silence.map(Duration::from_secs),
        extras: &args.file,
        archive: None,
        disk: Disk::default(),
        out: args.out.clone(),
        show_console: args.console,
        logs,
        stdout: Arc::new(Mutex::new(io::stdout())),
        stderr: Arc::new(Mutex::new(io::stderr())),
    };
    eprintln!("xtask: booting {}", kernel.description);
    let run = guest.run(&programs, &args.command)?;
    Ok(ExitCode::from(conclude(&run, guest.timeout)))
}

/// Says what happened, as far as the command's own output does not, and picks the exit code.
pub(crate) fn conclude(run: &Run, timeout: Option<Duration>) -> u8 {
    let Run { outcome, starts, console_log, .. } = run;
    let seconds = |d: Duration| format!("{:.1} s", d.as_secs_f64());
    if outcome.timed_out {
        let limit = timeout.map_or_else(String::new, |limit| format!(" ({})", seconds(limit)));
        eprintln!(
            "xtask: the guest was killed when its time was over{limit}; its kernel's log: {}",
            console_log.display()
        );
        return TIMED_OUT;
    }
    if let Some(failure) = &outcome.failure {
        eprintln!("xtask: {failure}; its kernel's log: {}", console_log.display());
        for line in tail(console_log, 30) {
            eprintln!("  | {line}");
        }
    }
    let Some(code) = outcome.code else { return GUEST_DIED };
    let boot = outcome.boot.map_or_else(String::new, |boot| format!("booted in {}, ", seconds(boot)));
    let retried = if *starts > 1 { format!(", {starts} starts") } else { String::new() };
    let files = if outcome.files > 0 { format!(", {} files received", outcome.files) } else { String::new() };
    eprintln!("xtask: {boot}{} in all, exit code {code}{retried}{files}", seconds(outcome.total));
    if outcome.failure.is_some() && code == 0 { GUEST_DIED } else { code }
}

/// The last lines of a log, without what a terminal would act on.
pub(crate) fn tail(path: &Path, count: usize) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let text: String = String::from_utf8_lossy(&bytes)
        .chars()
        .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
        .collect();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|&line| line.to_owned()).collect()
}

/// A folder for a run's log, and the end of the oldest ones.
fn new_log_folder(kernel: &str) -> Result<PathBuf> {
    let all = workspace::vm_logs().join("runs");
    fs::create_dir_all(&all).with_context(|| format!("cannot create {}", all.display()))?;
    let mut old: Vec<_> = fs::read_dir(&all)?
        .filter_map(|entry| entry.ok())
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    old.sort();
    for (_, path) in old.iter().take(old.len().saturating_sub(LOGS_KEPT)) {
        // Another run may be tidying up as well.
        let _ = fs::remove_dir_all(path);
    }
    let prefix = format!("{kernel}-");
    let folder = tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir_in(&all)
        .context("cannot create a folder for logs")?;
    Ok(folder.keep())
}

impl Guest<'_> {
    /// Boots and runs `command`; an empty one is a shell on the terminal.
    pub(crate) fn run(&self, programs: &Programs, command: &[String]) -> Result<Run> {
        fs::create_dir_all(&self.logs).with_context(|| format!("cannot create {}", self.logs.display()))?;
        let accel = self.accel(programs)?;
        let console_log = self.logs.join("console.log");
        let initramfs = self.logs.join("initramfs.cpio");
        programs.write(&initramfs, command, self.extras)?;
        if let Some(archive) = self.archive {
            // The kernel takes several archives, one behind the other.
            let mut to = fs::OpenOptions::new().append(true).open(&initramfs)?;
            fs::File::open(archive)
                .and_then(|mut from| io::copy(&mut from, &mut to))
                .with_context(|| format!("cannot append {}", archive.display()))?;
        }
        let disk = self.logs.join("disk.img");
        fs::File::create(&disk)
            .and_then(|file| file.set_len(self.disk.bytes))
            .with_context(|| format!("cannot create {}", disk.display()))?;
        let machine = Machine {
            arch: self.kernel.arch,
            kernel: &self.kernel.file,
            initramfs: &initramfs,
            disk: Some(&disk),
            accel,
            cpus: self.hardware.cpus,
            memory: &self.hardware.memory,
            append: &self.hardware.append,
            interactive: command.is_empty(),
            show_console: self.show_console,
            console_log: console_log.clone(),
            stdout: Arc::clone(&self.stdout),
            stderr: Arc::clone(&self.stderr),
            out: self.out.clone(),
            timeout: self.timeout,
            silence: self.silence,
            start_timeout: START_TIMEOUT,
        };
        let mut starts = 0;
        let outcome = loop {
            starts += 1;
            let outcome = qemu::boot(&machine)?;
            if outcome.boot.is_some() || outcome.timed_out || starts == STARTS {
                break outcome;
            }
            eprintln!(
                "xtask: the {} guest died before its init ran (start {starts} of {STARTS}); starting it again",
                self.kernel.name
            );
            // Kept for whoever wants to know why.
            let _ = fs::rename(&console_log, self.logs.join(format!("console-{starts}.log")));
        };
        // Big, and quickly made again.
        let _ = fs::remove_file(&initramfs);
        let disk = if self.disk.keep {
            Some(disk)
        } else {
            let _ = fs::remove_file(&disk);
            None
        };
        Ok(Run { outcome, starts, console_log, disk })
    }

    /// The way to run this guest; `auto` believes only a guest that came up.
    fn accel(&self, programs: &Programs) -> Result<Accel> {
        let hardware = self.hardware;
        if hardware.icount {
            return Ok(Accel::Icount);
        }
        match hardware.accel {
            AccelChoice::Tcg => Ok(Accel::Tcg),
            AccelChoice::Kvm => Ok(Accel::Kvm),
            AccelChoice::Auto if !Path::new("/dev/kvm").exists() => Ok(Accel::Tcg),
            AccelChoice::Auto => {
                let initramfs = self.logs.join("probe.cpio");
                programs.write(&initramfs, &["true".to_owned()], &[])?;
                let probe = Machine {
                    arch: self.kernel.arch,
                    kernel: &self.kernel.file,
                    initramfs: &initramfs,
                    disk: None,
                    accel: Accel::Kvm,
                    cpus: hardware.cpus,
                    memory: &hardware.memory,
                    append: &hardware.append,
                    interactive: false,
                    show_console: false,
                    console_log: self.logs.join("console-probe.log"),
                    stdout: Arc::new(Mutex::new(io::sink())),
                    stderr: Arc::new(Mutex::new(io::sink())),
                    out: None,
                    timeout: Some(Duration::from_secs(30)),
                    silence: None,
                    start_timeout: Duration::from_secs(20),
                };
                let works = qemu::boot(&probe).is_ok_and(|outcome| outcome.code == Some(0));
                let _ = fs::remove_file(&initramfs);
                if !works {
                    eprintln!("xtask: KVM is here but runs no guest; emulating in software");
                }
                Ok(if works { Accel::Kvm } else { Accel::Tcg })
            }
        }
    }
}
