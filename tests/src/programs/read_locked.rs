//! `read-locked FILE`: reads a file page by page, and keeps what it has read from leaving the page cache, until the kernel ends it.
//!
//! Each page is asked for by `read()`, which is what puts it into the cache and is charged for it; then it is touched in a
//! mapping that locks what is touched. `--adj A` sets its `oom_score_adj`.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::ptr::null_mut;

use anyhow::{Context as _, Result, bail};
use rustix::mm::{MapFlags, MlockFlags, ProtFlags, mlock_with, mmap};

use super::{Arguments, die_with_parent, say_ready, set_adj};

const PAGE: usize = 4096;
/// More than any limit that it is put under.
const MAPPED: usize = 64 << 20;

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let path: PathBuf = arguments.next("FILE")?;
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    let file = File::open(&path).with_context(|| format!("failed to open {}", path.display()))?;
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
    let start = unsafe { mmap(null_mut(), MAPPED, ProtFlags::READ, MapFlags::SHARED, file.as_fd(), 0) }
        .with_context(|| format!("failed to map {}", path.display()))?;
    // SAFETY: the range is the mapping made above.
    unsafe { mlock_with(start, MAPPED, MlockFlags::ONFAULT) }.context("failed to lock what is touched")?;
    say_ready("")?;
    let mut page = [0; PAGE];
    for offset in (0..MAPPED).step_by(PAGE) {
        file.read_exact_at(&mut page, offset as u64).context("failed to read")?;
        // SAFETY: offset is below the mapping's length, and the page was there to be read just now.
        let at = unsafe { start.cast::<u8>().add(offset) };
        // SAFETY: `at` points into the readable mapping made above.
        std::hint::black_box(unsafe { at.read_volatile() });
    }
    bail!("the whole file fits")
}
