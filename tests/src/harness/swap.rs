//! Swap on the guest's disk, for as long as a scenario needs it.

use std::ffi::CStr;
use std::fs::OpenOptions;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::oracle::formula::PAGE_BYTES;

/// An NVMe disk is the only one that the tested kernels drive without modules.
const DISK: &CStr = c"/dev/nvme0n1";

/// Where the kernel looks for the magic: the end of the first page.
const MAGIC: &[u8] = b"SWAPSPACE2";
/// Where the version and the number of the last page stand.
const INFO_OFFSET: usize = 1024;

/// The guest's disk, if it has one.
pub fn disk() -> Option<&'static Path> {
    DISK.to_str().ok().map(Path::new).filter(|disk| disk.exists())
}

/// Swap that is on. Dropping it turns it off.
#[derive(Debug)]
pub struct Swap(());

impl Swap {
    /// Whether the guest has a disk for it.
    pub fn is_possible() -> bool {
        disk().is_some()
    }

    /// Writes a swap header to the disk (what was there is gone) and turns swap on.
    pub fn on() -> Result<Self> {
        let path = Path::new(DISK.to_str().context("a path of ours is UTF-8")?);
        let mut disk =
            OpenOptions::new().write(true).read(true).open(path).context("failed to open the disk")?;
        let bytes = disk.seek(SeekFrom::End(0)).context("failed to tell the size of the disk")?;
        disk.rewind().context("failed to rewind the disk")?;
        disk.write_all(&header(bytes)?).context("failed to write the swap header")?;
        disk.sync_all().context("failed to write the swap header")?;
        // SAFETY: the path is NUL-terminated.
        if unsafe { libc::swapon(DISK.as_ptr(), 0) } == -1 {
            return Err(std::io::Error::last_os_error()).context("failed to turn swap on");
        }
        Ok(Self(()))
    }
}

impl Drop for Swap {
    fn drop(&mut self) {
        // SAFETY: the path is NUL-terminated.
        if unsafe { libc::swapoff(DISK.as_ptr()) } == -1 {
            eprintln!("failed to turn swap off: {}", std::io::Error::last_os_error());
        }
    }
}

/// The first page of a swap area of `bytes` bytes, as mkswap(8) writes it.
fn header(bytes: u64) -> Result<Vec<u8>> {
    let last_page = u32::try_from(bytes / PAGE_BYTES).context("the disk is too large")?.saturating_sub(1);
    let mut page = vec![0; usize::try_from(PAGE_BYTES)?];
    page[INFO_OFFSET..][..4].copy_from_slice(&1_u32.to_le_bytes());
    page[INFO_OFFSET + 4..][..4].copy_from_slice(&last_page.to_le_bytes());
    let magic = page.len() - MAGIC.len();
    page[magic..].copy_from_slice(MAGIC);
    Ok(page)
}
