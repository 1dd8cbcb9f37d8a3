//! `threads N`: one process of N sleeping threads and one that allocates without end.
//!
//! The allocation starts after a line on standard input. All threads together are one candidate and one victim.

use std::sync::{Arc, Barrier};

use anyhow::{Context as _, Result};

use super::{Arguments, die_with_parent, hog, park, say_ready, set_adj};

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let count: usize = arguments.next("N")?;
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    let started = Arc::new(Barrier::new(count + 1));
    for index in 0..count {
        let started = Arc::clone(&started);
        std::thread::Builder::new()
            .name(format!("sleeper{index}"))
            .stack_size(32 * 1024)
            .spawn(move || {
                started.wait();
                park();
            })
            .with_context(|| format!("failed to start thread {index}"))?;
    }
    started.wait();
    let hog = std::thread::Builder::new()
        .name("allocator".to_owned())
        .spawn(|| -> Result<()> {
            say_ready(&rustix::thread::gettid().as_raw_nonzero().to_string())?;
            std::io::stdin().read_line(&mut String::new()).context("failed to read the word to start")?;
            hog::without_end(256 * 1024)
        })
        .context("failed to start the allocating thread")?;
    hog.join().unwrap_or_else(|_| anyhow::bail!("the allocating thread panicked"))
}
