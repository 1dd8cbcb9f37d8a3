//! `adjust`: writes its own `oom_score_adj`, over and over, until it is killed.
//!
//! Each write is a record for oomtrace's programs, from a processor on which no OOM takes place. It pauses between runs of
//! writes, so that whoever reads these records can keep up. Says `ready` after the first run.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Arguments, die_with_parent, say_ready};

const AT_ONCE: u32 = 200;
const PAUSE: Duration = Duration::from_millis(2);

pub(super) fn main(arguments: Arguments) -> Result<()> {
    arguments.end()?;
    die_with_parent()?;
    let file = File::options()
        .write(true)
        .open("/proc/self/oom_score_adj")
        .context("failed to open /proc/self/oom_score_adj")?;
    round(&file)?;
    say_ready("")?;
    loop {
        round(&file)?;
        std::thread::sleep(PAUSE);
    }
}

fn round(file: &File) -> Result<()> {
    for i in 0..AT_ONCE {
        let value: &[u8] = if i % 2 == 0 { b"1" } else { b"0" };
        file.write_all_at(value, 0).context("failed to write /proc/self/oom_score_adj")?;
    }
    Ok(())
}
