//! One run of QEMU: its command line, its serial ports as pipes, and its end, whatever happens. What the architectures differ in is
//! [`board`]'s.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::board;
use super::ports::{self, Report};
use super::stuck::{Monitor, MonitorEnd, Silence};
use crate::arch::Arch;
use crate::run;

/// How long a guest that was interrupted may go on telling what it was at.
const LAST_WORDS: Duration = Duration::from_secs(60);

/// Where a guest's stream goes. Shared, because a guest that died early is started again.
pub(crate) type Sink = Arc<Mutex<dyn Write + Send>>;

/// How the guest's processors are emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accel {
    /// In software.
    Tcg,
    /// In software, with a clock that counts instructions; one processor.
    Icount,
    /// By the host's.
    Kvm,
}

/// What to boot.
pub(crate) struct Machine<'a> {
    pub(crate) arch: Arch,
    pub(crate) kernel: &'a Path,
    pub(crate) initramfs: &'a Path,
    /// A raw disk image, for tests to swap to.
    pub(crate) disk: Option<&'a Path>,
    pub(crate) accel: Accel,
    pub(crate) cpus: u32,
    pub(crate) memory: &'a str,
    pub(crate) append: &'a str,
    /// Let the person at this terminal type at the guest.
    pub(crate) interactive: bool,
    /// Show the kernel's messages on our standard error too.
    pub(crate) show_console: bool,
    /// Where the kernel's messages are kept.
    pub(crate) console_log: PathBuf,
    pub(crate) stdout: Sink,
    pub(crate) stderr: Sink,
    /// Where files from the guest go.
    pub(crate) out: Option<PathBuf>,
    pub(crate) timeout: Option<Duration>,
    /// How long the guest may print nothing before it counts as stuck: it is then interrupted, so that its kernel tells what
    /// its processors and tasks were at.
    pub(crate) silence: Option<Duration>,
    /// How long the guest may take until its init runs.
    pub(crate) start_timeout: Duration,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The command's exit code, if the guest lived to tell.
    pub(crate) code: Option<u8>,
    /// From the start of QEMU until init ran. `None`: it never did.
    pub(crate) boot: Option<Duration>,
    pub(crate) total: Duration,
    pub(crate) files: usize,
    pub(crate) timed_out: bool,
    /// It printed nothing for so long that it was interrupted.
    pub(crate) stuck: bool,
    /// What went wrong beside the command's own failure.
    pub(crate) failure: Option<String>,
}

/// Kills and reaps QEMU when dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Boots the machine and waits until it has ended.
pub(crate) fn boot(machine: &Machine<'_>) -> Result<Outcome> {
    let (console, console_write) = pipe().context("cannot make a pipe")?;
    let (stdout, stdout_write) = pipe().context("cannot make a pipe")?;
    let (stderr, stderr_write) = pipe().context("cannot make a pipe")?;
    let (control, control_write) = pipe().context("cannot make a pipe")?;
    let (monitor, monitor_end) = Monitor::pair()?;
    let ports = [&console_write, &stdout_write, &stderr_write, &control_write];
    let mut command = command_line(machine, ports, &monitor_end);
    let log = File::create(&machine.console_log)
        .with_context(|| format!("cannot create {}", machine.console_log.display()))?;
    command.stdout(if machine.interactive { Stdio::inherit() } else { Stdio::null() });
    command.stdin(if machine.interactive { Stdio::inherit() } else { Stdio::null() });
    command.stderr(Stdio::piped());
    // A person's QEMU must get the time to give the terminal back in its old state.
    let last_word = if machine.interactive { Signal::TERM } else { Signal::KILL };
    let writers = [console_write, stdout_write, stderr_write, control_write];
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; the closure makes two kinds of plain
    // system call and allocates nothing. The pipes are owned by the closure, so their numbers are still theirs.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(last_word))?;
            for writer in &writers {
                fcntl_setfd(writer.as_fd(), FdFlags::empty())?;
            }
            fcntl_setfd(monitor_end.as_fd(), FdFlags::empty())?;
            Ok(())
        });
    }
    let started = Instant::now();
    let mut child = Guard(command.spawn().map_err(|e| run::explain_spawn(&command, e))?);
    let shown = run::show(&command);
    // Closes our copies of the pipes' writing ends: the readers then see the end when QEMU is gone.
    drop(command);

    let mut complaints = child.0.stderr.take();
    let (ready_send, ready) = mpsc::channel();
    let silence = Silence::new(machine.silence);
    thread::scope(|scope| {
        let console = scope.spawn(|| copy_console(console, log, machine.show_console));
        let stdout = scope.spawn(|| copy(stdout, &machine.stdout, &silence));
        let stderr = scope.spawn(|| copy(stderr, &machine.stderr, &silence));
        let control = scope.spawn(|| {
            // Nobody listens any more when the guest is being killed.
            ports::listen(control, machine.out.as_deref(), move || ready_send.send(()).unwrap_or_default())
        });
        let complaints = scope.spawn(move || {
            let mut text = String::new();
            if let Some(pipe) = &mut complaints {
                // Not UTF-8 would be a surprise, and then the exit code has to do.
                let _ = pipe.read_to_string(&mut text);
            }
            text
        });
        let Waited { timed_out, stuck } = wait(&mut child, started, machine, &ready, &silence, monitor);
        let status = child.0.wait().context("cannot wait for QEMU")?;
        for copier in [console, stdout, stderr] {
            copier.join().map_err(|_| anyhow::anyhow!("a thread that copies a serial port panicked"))??;
        }
        let report: Report =
            control.join().map_err(|_| anyhow::anyhow!("the thread that reads the control port panicked"))?;
        let complaints = complaints.join().unwrap_or_default();
        let failure = report.failure.or_else(|| {
            if timed_out || report.complete {
                None
            } else if stuck {
                Some("the guest was stuck".to_owned())
            } else if !status.success() {
                Some(format!("QEMU failed ({status}): {}\n  {shown}", complaints.trim()))
            } else if report.code.is_some() {
                Some("the guest died after its command ended, while it sent its files".to_owned())
            } else {
                Some("the guest died before its command ended".to_owned())
            }
        });
        Ok(Outcome {
            code: report.code,
            boot: report.ready.map(|at| at.duration_since(started)),
            total: started.elapsed(),
            files: report.files,
            timed_out,
            stuck,
            failure,
        })
    })
}

/// Why the waiting ended, when not because QEMU did by itself.
struct Waited {
    timed_out: bool,
    stuck: bool,
}

/// Waits for QEMU's end, or kills it when its time is over. A guest that has fallen silent is interrupted and gets the time to say
/// what it was at.
fn wait(
    child: &mut Guard,
    started: Instant,
    machine: &Machine<'_>,
    ready: &mpsc::Receiver<()>,
    silence: &Silence,
    mut monitor: Monitor,
) -> Waited {
    let mut is_ready = false;
    let mut interrupted: Option<Instant> = None;
    loop {
        let stuck = interrupted.is_some();
        if !matches!(child.0.try_wait(), Ok(None)) {
            return Waited { timed_out: false, stuck };
        }
        is_ready |= ready.try_recv().is_ok();
        let late = !is_ready && started.elapsed() > machine.start_timeout;
        let over = machine.timeout.is_some_and(|timeout| started.elapsed() > timeout);
        let told = interrupted.is_some_and(|at| at.elapsed() > LAST_WORDS);
        if late || over || told {
            let _ = child.0.kill();
            return Waited { timed_out: over, stuck };
        }
        if interrupted.is_none() && is_ready && silence.is_over() {
            monitor.interrupt();
            interrupted = Some(Instant::now());
        }
        // Short enough to not lengthen a run that takes two seconds.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Copies a port. A reader of ours that went away must not stop the guest, so the rest is then dropped.
fn copy(mut port: PipeReader, to: &Sink, silence: &Silence) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    let mut broken = false;
    loop {
        let count = port.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        silence.broken();
        if !broken {
            let mut to = to.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            broken = to.write_all(&buffer[..count]).and_then(|()| to.flush()).is_err();
        }
    }
}

/// Keeps the kernel's messages, and shows them if asked.
fn copy_console(mut port: PipeReader, mut log: File, show: bool) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 14];
    loop {
        let count = port.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        log.write_all(&buffer[..count])?;
        if show {
            let _ = io::stderr().write_all(&buffer[..count]);
        }
    }
}

/// The whole command line.
fn command_line(
    machine: &Machine<'_>,
    [console, stdout, stderr, control]: [&PipeWriter; 4],
    monitor: &MonitorEnd,
) -> Command {
    let mut qemu = board::machine(machine.arch, machine.accel);
    let cpus = if machine.accel == Accel::Icount { 1 } else { machine.cpus };
    qemu.arg("-smp").arg(cpus.to_string()).arg("-m").arg(machine.memory);
    qemu.arg("-kernel").arg(machine.kernel).arg("-initrd").arg(machine.initramfs);
    if let Some(disk) = machine.disk {
        // NVMe is the one disk that Debian's cloud kernels drive without modules. Nothing on it outlives the run.
        let file = disk.display();
        qemu.arg("-drive").arg(format!("if=none,id=disk,format=raw,cache=unsafe,file={file}"));
        qemu.arg("-device").arg("nvme,drive=disk,serial=oomtrace");
    }
    let loglevel = if machine.show_console { "loglevel=7" } else { "quiet" };
    let words = format!("{} {loglevel} {}", board::kernel_words(machine.arch), machine.append);
    qemu.arg("-append").arg(words.trim_end());
    let to_pipe = |name: &str, pipe: &PipeWriter| format!("file,id={name},path=/dev/fd/{}", pipe.as_raw_fd());
    let stdout = if machine.interactive {
        // QEMU puts the terminal into raw mode and back; Ctrl-C stays a signal, and ends the guest.
        "stdio,id=stdout,signal=on".to_owned()
    } else {
        to_pipe("stdout", stdout)
    };
    for chardev in
        [to_pipe("console", console), stdout, to_pipe("stderr", stderr), to_pipe("control", control)]
    {
        qemu.arg("-chardev").arg(chardev);
    }
    board::serial_ports(machine.arch, &mut qemu, ["console", "stdout", "stderr", "control"]);
    monitor.give_to(&mut qemu);
    qemu
}
