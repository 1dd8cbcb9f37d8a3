//! Memory that the kernel's programs write or read, mapped into this process: of an array, or of a ring.
//!
//! What programs are told goes through it too, and never through bpf(2) while a capture runs: the kernel passes over kprobe programs
//! on a CPU on which such a call is under way, and where it can preempt the caller, that may be in the middle of an episode.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping; gone when dropped.
pub(super) struct Mapping {
    start: *mut libc::c_void,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value alone. It is read and written through atomics, or where the other side does not write.
unsafe impl Send for Mapping {}

impl Mapping {
    /// The first `bytes` bytes, a multiple of the size of a page, of what lies behind a descriptor, to be read.
    pub(super) fn readable(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<Self> {
        Self::new(fd, bytes, ProtFlags::READ)
    }

    /// The same, also to be written.
    pub(super) fn writable(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<Self> {
        Self::new(fd, bytes, ProtFlags::READ | ProtFlags::WRITE)
    }

    fn new(fd: BorrowedFd<'_>, bytes: usize, protection: ProtFlags) -> io::Result<Self> {
        // SAFETY: a new mapping, where the kernel likes.
        let start = unsafe { mmap(std::ptr::null_mut(), bytes, protection, MapFlags::SHARED, fd, 0) }?;
        Ok(Self { start, bytes })
    }

    /// The number that a page begins with.
    ///
    /// # Panics
    /// When the mapping has no such page.
    pub(super) fn word(&self, page: usize) -> &AtomicU64 {
        let at = page * rustix::param::page_size();
        assert!(at < self.bytes);
        // SAFETY: the page is in the mapping, which lives as long as this value; it begins with an aligned number of 8 bytes,
        // which the kernel reads and writes as a whole.
        unsafe { &*self.start.byte_add(at).cast::<AtomicU64>() }
    }

    /// Bytes of it.
    ///
    /// # Safety
    /// Nobody may write to them as long as they are borrowed.
    ///
    /// # Panics
    /// When they are not all in the mapping.
    pub(super) unsafe fn bytes(&self, at: usize, len: usize) -> &[u8] {
        assert!(at.checked_add(len).is_some_and(|end| end <= self.bytes));
        // SAFETY: in the mapping, which lives as long as this value; the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts(self.start.cast::<u8>().cast_const().add(at), len) }
    }

    /// Writes bytes of it.
    ///
    /// # Safety
    /// It must have been mapped to be written, nobody may read or write them meanwhile, and none may be borrowed.
    ///
    /// # Panics
    /// When they are not all in the mapping.
    pub(super) unsafe fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at.checked_add(bytes.len()).is_some_and(|end| end <= self.bytes));
        // SAFETY: in the mapping, which cannot overlap with anything else of this process; the caller vouches for the rest.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.cast::<u8>().add(at), bytes.len());
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing borrows from the mapping any more. Failing would only leave it mapped.
        let _ = unsafe { munmap(self.start, self.bytes) };
    }
}
