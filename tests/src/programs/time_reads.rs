//! `time-reads N`: how long a read of `/proc/PID/oom_score` takes, nanoseconds of the guest's clock, of N reads each.
//!
//! Prints `ready`, and then a line `whole NS pread NS`: open, read and close as monitors do it, and a read of an open file alone. In a
//! guest whose clock is its instruction counter, a nanosecond is an instruction. It reads its own score.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::{Arguments, die_with_parent, say_ready, set_adj};

/// What is read.
const FILE: &str = "/proc/self/oom_score";

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let count: u32 = arguments.next("N")?;
    arguments.end()?;
    ensure!(count > 0, "N must be more than 0");
    die_with_parent()?;
    set_adj(adj)?;
    say_ready("")?;
    // Once before, for what is only done once.
    whole(count / 10 + 1)?;
    let whole = whole(count)?;
    let pread = pread(count)?;
    println!("whole {whole} pread {pread}");
    Ok(())
}

fn whole(count: u32) -> Result<u128> {
    let started = Instant::now();
    for _ in 0..count {
        let file = File::open(FILE).with_context(|| format!("failed to open {FILE}"))?;
        read(&file)?;
    }
    Ok(started.elapsed().as_nanos() / u128::from(count))
}

fn pread(count: u32) -> Result<u128> {
    let file = File::open(FILE).with_context(|| format!("failed to open {FILE}"))?;
    let started = Instant::now();
    for _ in 0..count {
        read(&file)?;
    }
    Ok(started.elapsed().as_nanos() / u128::from(count))
}

fn read(file: &File) -> Result<()> {
    let length = file.read_at(&mut [0; 32], 0).with_context(|| format!("failed to read {FILE}"))?;
    ensure!(length > 0, "{FILE} is empty");
    Ok(())
}
