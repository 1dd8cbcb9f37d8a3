//! A test that takes far too long: what the guest's processes are at, said while there is still somebody to say it.
//!
//! The host ends such a guest a little later (`xtask/src/vm/stuck.rs`). This thread needs a scheduler that runs; the host's interrupt
//! does not.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// A minute less than the host's patience.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// `PF_KTHREAD` of `include/linux/sched.h`, as `/proc/PID/stat` shows it: the kernel's own threads are not of interest.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// Frames of a stack that are shown.
const FRAMES: usize = 8;

/// Watches over one test. Dropping it ends that.
pub struct Overdue(#[expect(dead_code, reason = "its end is the message")] Sender<()>);

impl Overdue {
    /// Starts to watch over the test called `name`.
    pub fn watch(name: &str) -> Self {
        let (alive, over) = mpsc::channel();
        let name = name.to_owned();
        thread::spawn(move || {
            if over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                println!("  {name} takes more than {PATIENCE:?}; the processes are at");
                tell();
            }
        });
        Self(alive)
    }
}

/// Prints what every thread waits for, and has the kernel print its own view. What cannot be read is left out: this is the last
/// attempt to learn anything.
fn tell() {
    for pid in numbers(Path::new("/proc")) {
        let tasks = format!("/proc/{pid}/task");
        for tid in numbers(Path::new(&tasks)) {
            // Files that take no lock of the process: it may be what all wait for.
            let read = |file: &str| fs::read_to_string(format!("{tasks}/{tid}/{file}")).unwrap_or_default();
            let stat = read("stat");
            let Some((comm, rest)) = stat.rsplit_once(')') else { continue };
            let words: Vec<&str> = rest.split_whitespace().collect();
            let flags: u64 = words.get(6).and_then(|word| word.parse().ok()).unwrap_or_default();
            if flags & KERNEL_THREAD == 0 {
                let stack = read("stack");
                let frames: Vec<&str> = stack.lines().take(FRAMES).filter_map(frame).collect();
                println!("  {comm}) {} {}", words.first().unwrap_or(&"?"), frames.join(" < "));
            }
        }
    }
    // All messages to the console; then the tasks, the blocked ones, and the processors.
    let _ = fs::write("/proc/sys/kernel/printk", "8 4 1 7");
    for key in ["t", "w", "l"] {
        let _ = fs::write("/proc/sysrq-trigger", key);
    }
}

/// The names in `directory` that are numbers.
fn numbers(directory: &Path) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// `name+0x1/0x2` of `[<0>] name+0x1/0x2`.
fn frame(line: &str) -> Option<&str> {
    line.split_whitespace().nth(1)
}
