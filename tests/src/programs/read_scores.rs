//! `read-scores`: reads `/proc/*/oom_score` of every process, over and over, until it is killed.
//!
//! That is what monitors do, and it runs the kernel's scorer outside any OOM. Says `ready` after the first round, and then
//! the number of reads so far after each round, a line each.

use std::io::Write as _;

use anyhow::{Context as _, Result};

use super::{Arguments, die_with_parent, say_ready, set_adj};

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    let mut reads = round()?;
    say_ready("")?;
    let mut out = std::io::stdout().lock();
    loop {
        reads += round()?;
        writeln!(out, "{reads}").context("failed to say how many reads there were")?;
        out.flush().context("failed to say how many reads there were")?;
    }
}

/// Reads every process's score once. One that is gone meanwhile is no error.
fn round() -> Result<u64> {
    let mut reads = 0;
    for entry in std::fs::read_dir("/proc").context("failed to list /proc")? {
        let entry = entry.context("failed to list /proc")?;
        if !entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        reads += u64::from(std::fs::read(entry.path().join("oom_score")).is_ok());
    }
    Ok(reads)
}
