//! Writes an initramfs: the kernel's `newc` cpio format, uncompressed.
//!
//! Of its own because it is short, and because device nodes can then be written without being root.

use std::collections::BTreeSet;
use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive under construction.
pub(crate) struct Archive<W> {
    out: W,
    next_inode: u32,
    folders: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, next_inode: 1, folders: BTreeSet::new() }
    }

    /// A folder, and those above it. The path is without a slash in front.
    pub(crate) fn folder(&mut self, path: &str) -> io::Result<()> {
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return Ok(());
        }
        self.parents_of(path)?;
        self.entry(path, DIRECTORY | 0o755, (0, 0), &[])
    }

    /// A regular file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.parents_of(path)?;
        self.entry(path, REGULAR | (mode & 0o7777), (0, 0), bytes)
    }

    /// A symbolic link.
    pub(crate) fn link(&mut self, path: &str, to: &str) -> io::Result<()> {
        self.parents_of(path)?;
        self.entry(path, SYMLINK | 0o777, (0, 0), to.as_bytes())
    }

    /// A character device.
    pub(crate) fn device(&mut self, path: &str, major: u32, minor: u32) -> io::Result<()> {
        self.parents_of(path)?;
        self.entry(path, CHARACTER_DEVICE | 0o600, (major, minor), &[])
    }

    /// Ends the archive.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn parents_of(&mut self, path: &str) -> io::Result<()> {
        path.rsplit_once('/').map_or(Ok(()), |(parent, _)| self.folder(parent))
    }

    /// A header of 110 bytes, the name and the content, each padded to four bytes.
    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), bytes: &[u8]) -> io::Result<()> {
        let size = u32::try_from(bytes.len()).map_err(|_| io::Error::other("file of 4 GiB or more"))?;
        let name_size = u32::try_from(path.len() + 1).map_err(io::Error::other)?;
        // inode, mode, uid, gid, links, mtime, size, device (2), what a node stands for (2), name size, checksum
        let fields = [self.next_inode, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.next_inode += 1;
        self.out.write_all(b"070701")?;
        for field in fields {
            write!(self.out, "{field:08x}")?;
        }
        self.out.write_all(path.as_bytes())?;
        self.out.write_all(&[0; 4][..padding(110 + path.len() + 1) + 1])?;
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; 4][..padding(bytes.len())])
    }
}

/// Bytes that are missing to a multiple of four.
fn padding(length: usize) -> usize {
    (4 - length % 4) % 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_and_folders_come_first() {
        let mut archive = Archive::new(Vec::new());
        archive.file("etc/deep/motd", 0o644, b"hello").expect("a vector takes everything");
        archive.file("etc/deep/issue", 0o644, b"").expect("a vector takes everything");
        let bytes = archive.finish().expect("a vector takes everything");
        assert_eq!(bytes.len() % 4, 0);
        // Walk the archive as the kernel does.
        let mut names = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let field = |n: usize| {
                let text = std::str::from_utf8(&bytes[at + 6 + 8 * n..at + 14 + 8 * n]).expect("hexadecimal");
                usize::from_str_radix(text, 16).expect("hexadecimal")
            };
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (size, name_size) = (field(6), field(11));
            let name = &bytes[at + 110..at + 110 + name_size - 1];
            names.push(String::from_utf8(name.to_vec()).expect("a name"));
            let content = (at + 110 + name_size).next_multiple_of(4);
            if names.last().is_some_and(|n| n == "etc/deep/motd") {
                assert_eq!(&bytes[content..content + size], b"hello");
            }
            at = (content + size).next_multiple_of(4);
        }
        assert_eq!(names, ["etc", "etc/deep", "etc/deep/motd", "etc/deep/issue", "TRAILER!!!"]);
    }
}
