//! The bytes of a BTF file: mapped where the kernel lets its own be mapped (from 6.16 on), read otherwise.

use std::{fs::File, io, io::Read, ops::Deref, path::Path, ptr::NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::super::layout::VMLINUX_BTF;

/// All of a file, for as long as this lives.
pub(super) enum Bytes {
    /// The kernel's own pages.
    Mapped(Mapping),
    /// A copy.
    Read(Vec<u8>),
}

impl Bytes {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        // Only the kernel's own never changes: a file that shrinks under a mapping would end the process.
        if path == Path::new(VMLINUX_BTF)
            && let Some(mapping) = Mapping::of(&file, len)
        {
            return Ok(Self::Mapped(mapping));
        }
        let mut bytes = Vec::with_capacity(len);
        file.read_to_end(&mut bytes)?;
        Ok(Self::Read(bytes))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapping) => mapping.bytes(),
            Self::Read(bytes) => bytes,
        }
    }
}

/// A read-only mapping of the kernel's BTF.
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// `None` where the kernel does not map it.
    fn of(file: &File, len: usize) -> Option<Self> {
        if len == 0 {
            return None;
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that is in use.
        let start =
            unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }.ok()?;
        Some(Self { start: NonNull::new(start.cast())?, len })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped and readable until `drop`, and the kernel never writes to its BTF.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no slice of it outlives the value.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
