//! `idle N`: N processes, each with an mm of its own, that touch some memory and then sleep for ever.
//!
//! `--adj A` gives all the same `oom_score_adj`; `--adj-random SEED` spreads them over -1000…1000 with the extremes
//! among them. `--rss KB` is the anonymous memory of each (with `--adj-random` sizes vary around it); `--file PATH`
//! and `--shmem` add a few pages of the other two kinds. With `--outlive` they do not die with their parent.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::{Arguments, die_with_parent, memory, park, say_ready, set_adj};

/// How each child is to be.
struct Look {
    adj: Option<i32>,
    seed: Option<u64>,
    rss_kb: usize,
    file: Option<PathBuf>,
    shmem: bool,
    outlive: bool,
}

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let look = Look {
        adj: arguments.option("--adj")?,
        seed: arguments.option("--adj-random")?,
        rss_kb: arguments.option("--rss")?.unwrap_or(64),
        file: arguments.option("--file")?,
        shmem: arguments.flag("--shmem"),
        outlive: arguments.flag("--outlive"),
    };
    let count: u32 = arguments.next("N")?;
    arguments.end()?;
    die_with_parent()?;

    let (mut told, tell) = std::io::pipe().context("failed to make a pipe")?;
    for index in 0..count {
        // SAFETY: this program has one thread, so the child may go on using everything.
        match unsafe { libc::fork() } {
            -1 => bail!("failed to fork child {index}: {}", std::io::Error::last_os_error()),
            0 => child(&look, index, tell),
            _ => (),
        }
    }
    drop(tell);
    await_children(&mut told, count)?;
    say_ready("")?;
    park();
}

/// One byte comes for each child that is set up; end of file before the last one means that a child died.
fn await_children(told: &mut PipeReader, count: u32) -> Result<()> {
    for ready in 0..count {
        told.read_exact(&mut [0]).with_context(|| format!("only {ready} of {count} children got ready"))?;
    }
    Ok(())
}

fn child(look: &Look, index: u32, tell: PipeWriter) -> ! {
    if let Err(error) = settle(look, index, tell) {
        eprintln!("idle: child {index}: {error:#}");
        std::process::exit(1);
    }
    park();
}

fn settle(look: &Look, index: u32, mut tell: PipeWriter) -> Result<()> {
    if !look.outlive {
        die_with_parent()?;
    }
    let adj = look.seed.map(|seed| spread(seed, index)).or(look.adj);
    set_adj(adj)?;
    let varied = match look.seed {
        Some(_) => look.rss_kb * (1 + index as usize % 3),
        None => look.rss_kb,
    };
    memory::anon(varied * 1024)?;
    if let Some(path) = &look.file {
        memory::file(path, (1 + index as usize % 7) * 16 * 1024)?;
    }
    if look.shmem {
        memory::shmem((1 + index as usize % 5) * 8 * 1024)?;
    }
    tell.write_all(&[0]).context("failed to say that it is set up")
}

/// The `oom_score_adj` of child `index`: the edge cases first, then the range at random but repeatably.
fn spread(seed: u64, index: u32) -> i32 {
    const EDGES: [i32; 8] = [-1000, 1000, 0, -999, 999, 1, -1, -1000];
    if let Some(edge) = EDGES.get(index as usize) {
        return *edge;
    }
    // SplitMix64: the low bits of a plain counter would not look random.
    let mut z = seed.wrapping_add(u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    i32::try_from((z ^ (z >> 31)) % 2001).unwrap_or(0) - 1000
}
