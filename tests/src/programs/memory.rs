//! Memory that is really there: mapped and touched, of each of the three kinds the kernel counts apart.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::ptr::null_mut;

use anyhow::{Context as _, Result};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous};

/// Every page of a touched mapping is written (or read) once in steps of this.
const PAGE: usize = 4096;

/// Maps `bytes` of private anonymous memory and writes to each page. Never unmapped: it lives as long as the process.
pub(super) fn anon(bytes: usize) -> Result<()> {
    map_and_write(bytes, MapFlags::PRIVATE)
}

/// Maps `bytes` of shared anonymous memory (shmem) and writes to each page.
pub(super) fn shmem(bytes: usize) -> Result<()> {
    map_and_write(bytes, MapFlags::SHARED)
}

/// Maps the start of the file at `path` and reads `bytes` of it.
pub(super) fn file(path: &Path, bytes: usize) -> Result<()> {
    let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
    let length = usize::try_from(file.metadata()?.len())?.min(bytes);
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
    let start = unsafe { mmap(null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file.as_fd(), 0) }
        .with_context(|| format!("failed to map {}", path.display()))?
        .cast::<u8>();
    for offset in (0..length).step_by(PAGE) {
        // SAFETY: offset is below the mapping's length, and the file is not truncated while it runs.
        let at = unsafe { start.add(offset) };
        // SAFETY: `at` points into the readable mapping made above.
        std::hint::black_box(unsafe { at.read_volatile() });
    }
    Ok(())
}

/// Maps `tables` times the memory of a page table and reads one page in each: every read costs a page table and, the page being
/// the shared one of zeros, no memory that counts as resident.
pub(super) fn tables(tables: usize) -> Result<()> {
    /// Address space that one page table of 512 entries serves.
    const SPAN: usize = 512 * PAGE;
    if tables == 0 {
        return Ok(());
    }
    let bytes = tables * SPAN;
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
    let start = unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::READ, flags) }
        .with_context(|| format!("failed to map {bytes} bytes"))?;
    // SAFETY: the range is the mapping made above. Huge pages would do without page tables.
    unsafe { madvise(start, bytes, Advice::LinuxNoHugepage) }.context("failed to rule huge pages out")?;
    for offset in (0..bytes).step_by(SPAN) {
        // SAFETY: offset is below the mapping's length.
        let at = unsafe { start.cast::<u8>().add(offset) };
        // SAFETY: `at` points into the readable mapping made above.
        std::hint::black_box(unsafe { at.read_volatile() });
    }
    Ok(())
}

fn map_and_write(bytes: usize, kind: MapFlags) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
    let start = unsafe { mmap_anonymous(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, kind) }
        .with_context(|| format!("failed to map {bytes} bytes"))?
        .cast::<u8>();
    for offset in (0..bytes).step_by(PAGE) {
        // SAFETY: offset is below the mapping's length.
        let at = unsafe { start.add(offset) };
        // SAFETY: `at` points into the writable mapping made above, which nothing else refers to.
        unsafe { at.write_volatile(1) };
    }
    Ok(())
}
