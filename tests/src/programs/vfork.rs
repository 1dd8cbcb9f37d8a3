//! `vfork`: a parent suspended in `vfork()`, whose child never gets to `exec` and so cannot be killed by the OOM killer.
//!
//! Says `ready PID` with the id of the child, from a second thread: the first is held until the child goes away.

use anyhow::{Context as _, Result, bail};

use super::share_mm::clone_sharing_mm;
use super::{Arguments, die_with_parent, memory, park, say_ready, set_adj};

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let rss_kb: usize = arguments.option("--rss")?.unwrap_or(64);
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    memory::anon(rss_kb * 1024)?;
    std::thread::Builder::new()
        .name("teller".to_owned())
        .spawn(|| {
            if let Err(error) = tell() {
                eprintln!("vfork: {error:#}");
                std::process::exit(1);
            }
        })
        .context("failed to start the thread")?;
    let child = clone_sharing_mm(libc::CLONE_VFORK)?;
    bail!("child {child} of vfork() went away");
}

/// Waits for the child to be there, as its parent cannot.
fn tell() -> Result<()> {
    let children = format!("/proc/self/task/{}/children", std::process::id());
    loop {
        let list =
            std::fs::read_to_string(&children).with_context(|| format!("failed to read {children}"))?;
        if let Some(child) = list.split_whitespace().next() {
            say_ready(child)?;
            park();
        }
        std::thread::yield_now();
    }
}
