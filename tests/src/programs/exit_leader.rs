//! `exit-leader`: the leader exits while a thread goes on and holds the memory, as some runtimes do.
//!
//! Says `ready TID` with the id of the surviving thread. After a line on standard input the thread allocates without end.

use anyhow::{Context as _, Result};

use super::{Arguments, die_with_parent, hog, memory, say_ready, set_adj};

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let rss_kb: usize = arguments.option("--rss")?.unwrap_or(1024);
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    let (exited, exiting) = std::io::pipe().context("failed to make a pipe")?;
    std::thread::Builder::new()
        .name("survivor".to_owned())
        .spawn(move || {
            if let Err(error) = survive(rss_kb, exited) {
                eprintln!("exit-leader: {error:#}");
                std::process::exit(1);
            }
        })
        .context("failed to start the thread")?;
    drop(exiting);
    // SAFETY: exit(2), unlike exit(3), ends this thread only; nothing of it is borrowed by the other one.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("exit(2) does not return");
}

fn survive(rss_kb: usize, mut leader: std::io::PipeReader) -> Result<()> {
    std::io::Read::read(&mut leader, &mut [0]).context("failed to wait for the leader")?;
    memory::anon(rss_kb * 1024)?;
    // The pipe only tells that the leader is about to exit; its state tells that it did.
    let pid = std::process::id();
    while !leader_is_gone(pid)? {
        std::thread::yield_now();
    }
    say_ready(&rustix::thread::gettid().as_raw_nonzero().to_string())?;
    std::io::stdin().read_line(&mut String::new()).context("failed to read the word to start")?;
    hog::without_end(256 * 1024)
}

/// Whether the leader of process `pid` has exited while others of its threads go on.
pub(super) fn leader_is_gone(pid: u32) -> Result<bool> {
    let stat =
        std::fs::read(format!("/proc/{pid}/task/{pid}/stat")).context("failed to read the leader's state")?;
    let text = String::from_utf8_lossy(&stat);
    // The state follows the name, which is in parentheses and may hold some itself.
    Ok(text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}
