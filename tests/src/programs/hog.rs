//! `hog`: allocates and touches memory without end, a step at a time, on the page-fault path.
//!
//! `--step KB` is the step. `--hold KB` stops after that much and sleeps, `--wait` starts only when a line comes on
//! standard input: with several hogs, the harness decides when they start. `--adj A` sets its `oom_score_adj`. `--shmem KB` adds
//! shared memory to what it holds.

use anyhow::{Context as _, Result};

use super::{Arguments, die_with_parent, memory, park, say_ready, set_adj};

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let step = arguments.option("--step")?.unwrap_or(256) * 1024;
    let hold: Option<usize> = arguments.option("--hold")?;
    let shmem_kb: usize = arguments.option("--shmem")?.unwrap_or(0);
    let wait = arguments.flag("--wait");
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    if let Some(kb) = hold {
        memory::anon(kb * 1024)?;
        memory::shmem(shmem_kb * 1024)?;
    }
    say_ready("")?;
    if wait {
        std::io::stdin().read_line(&mut String::new()).context("failed to read the word to start")?;
    }
    if hold.is_some() && !wait {
        park();
    }
    without_end(step)
}

/// Touches more and more until the kernel ends it.
pub(super) fn without_end(step: usize) -> Result<()> {
    loop {
        memory::anon(step)?;
    }
}
