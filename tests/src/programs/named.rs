//! `named HEX`: a process called by exactly these bytes (at most 15 are kept by the kernel), which then sleeps.
//!
//! The name comes as hex because it may hold anything but NUL. `--rss KB` is its memory; `--hog` makes it allocate without
//! end after a line on standard input.

use std::ffi::CString;

use anyhow::{Context as _, Result};

use crate::harness::bytes::from_hex;

use super::{Arguments, die_with_parent, hog, memory, park, say_ready, set_adj};

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let rss_kb: usize = arguments.option("--rss")?.unwrap_or(64);
    let is_hog = arguments.flag("--hog");
    let hex: String = arguments.next("HEX")?;
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    // `-` stands for the empty name: an empty argument is easily lost on the way.
    let name = if hex == "-" {
        Vec::new()
    } else {
        from_hex(&hex).with_context(|| format!("{hex:?} is not hex"))?
    };
    let name = CString::new(name).context("a name cannot hold NUL")?;
    rustix::thread::set_name(&name).context("failed to set the name")?;
    memory::anon(rss_kb * 1024)?;
    say_ready("")?;
    if is_hog {
        std::io::stdin().read_line(&mut String::new()).context("failed to read the word to start")?;
        return hog::without_end(256 * 1024);
    }
    park();
}
