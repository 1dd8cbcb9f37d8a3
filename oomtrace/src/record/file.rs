//! A recording in one regular file: written at known places, so that what failed can be cut off.
//!
//! Locked as long as it is written: a second recorder would write into the first one's frames.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, StatVfsMountFlags, flock};
use rustix::io::Errno;

use super::target::{Fault, Piece, Target};

/// One file.
#[derive(Debug)]
pub struct RecordingFile {
    path: PathBuf,
    name: String,
    file: File,
    head: Vec<u8>,
    /// Bytes that are whole, and how many of them are durable.
    len: u64,
    durable: u64,
    /// It is begun anew when somebody removed it or cut it off. A directory's is not: another one follows it there.
    again: bool,
}

/// Why a file cannot be recorded to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// By the operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another recorder writes it.
    #[error("another recorder is writing this file; give each its own")]
    Locked,
}

impl RecordingFile {
    /// Makes the file, or empties it, and tells how many bytes it had; only its owner may read a new one: it names processes and
    /// cgroups of everybody on the machine.
    ///
    /// # Errors
    ///
    /// It cannot be opened, is no regular file, or another recorder writes it.
    pub fn create(path: &Path) -> Result<(Self, u64), OpenError> {
        let file = open(path)?;
        lock(&file)?;
        let before = file.metadata()?.len();
        file.set_len(0)?;
        let name = path.display().to_string();
        let this =
            Self { path: path.to_owned(), name, file, head: Vec::new(), len: 0, durable: 0, again: true };
        Ok((this, before))
    }

    /// A file that was just made, and is empty; never begun anew.
    ///
    /// # Errors
    ///
    /// Another recorder writes it.
    pub(super) fn made(path: PathBuf, file: File) -> Result<Self, OpenError> {
        lock(&file)?;
        let name = path.display().to_string();
        Ok(Self { path, name, file, head: Vec::new(), len: 0, durable: 0, again: false })
    }

    /// Bytes that were written.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// What it is on the disk.
    pub(super) fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    /// Makes sure that the file is what this recorder made of it. `Some`: it had to be begun anew, and why.
    fn check(&mut self) -> io::Result<Option<&'static str>> {
        self.check_writable()?;
        let metadata = self.file.metadata()?;
        if !self.again && (metadata.nlink() == 0 || metadata.len() < self.len) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed or cut off"));
        }
        if metadata.nlink() == 0 {
            // What is written to it nobody would find.
            self.begin_another()?;
            return Ok(Some("the file was removed"));
        }
        if metadata.len() < self.len || self.len == 0 {
            let why = if self.len == 0 { "nothing of it was kept" } else { "the file was cut off" };
            // What follows would stand behind a hole.
            self.file.set_len(0)?;
            self.write_head()?;
            return Ok(Some(why));
        }
        if metadata.len() > self.len {
            // A write that failed half way, and could not be taken back then.
            self.file.set_len(self.len)?;
        }
        Ok(None)
    }

    /// A file system that has become read-only takes bytes into memory without a word, and syncs them without a word to nowhere
    /// (ext4 of 6.12).
    fn check_writable(&self) -> io::Result<()> {
        match rustix::fs::fstatvfs(&self.file) {
            Ok(about) if about.f_flag.contains(StatVfsMountFlags::RDONLY) => Err(Errno::ROFS.into()),
            // Who cannot tell is believed.
            _ => Ok(()),
        }
    }

    fn begin_another(&mut self) -> io::Result<()> {
        let file = open(&self.path)?;
        lock(&file).map_err(io::Error::other)?;
        if file.metadata()?.len() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the file was removed, and another one is in its place",
            ));
        }
        self.file = file;
        self.write_head()
    }

    fn write_head(&mut self) -> io::Result<()> {
        (self.len, self.durable) = (0, 0);
        if let Err(error) = self.file.write_all_at(&self.head, 0) {
            // Not a byte of it may stay: the next attempt is at the beginning again.
            let _ = self.file.set_len(0);
            return Err(error);
        }
        self.len = self.head.len() as u64;
        Ok(())
    }
}

impl Target for RecordingFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(&mut self, head: &[u8]) -> io::Result<()> {
        head.clone_into(&mut self.head);
        self.write_head()?;
        rustix::fs::fdatasync(&self.file)?;
        self.durable = self.len;
        // The name, too. Not every file system can.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    fn keep_head(&mut self, head: &[u8]) {
        head.clone_into(&mut self.head);
    }

    fn write(&mut self, piece: &Piece<'_>) -> Result<(), Fault> {
        if let Some(why) = self.check().map_err(Fault::Failed)? {
            return Err(Fault::Anew(Some(why)));
        }
        if let Err(error) = self.file.write_all_at(piece.bytes, self.len) {
            // Half a frame would be damage to a reader, and nothing could be written behind it.
            let _ = self.file.set_len(self.len);
            return Err(Fault::Failed(error));
        }
        self.len += piece.bytes.len() as u64;
        Ok(())
    }

    fn make_durable(&mut self) -> io::Result<()> {
        let synced = rustix::fs::fdatasync(&self.file).map_err(io::Error::from);
        match synced.and_then(|()| self.check_writable()) {
            Ok(()) => {
                self.durable = self.len;
                Ok(())
            }
            Err(error) => {
                // Nobody knows what of it is on the disk: it is as if it had never been written.
                self.len = self.durable;
                let _ = self.file.set_len(self.len);
                Err(error)
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn lock(file: &File) -> Result<(), OpenError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(OpenError::Locked),
        // Not every file system has locks.
        Err(_) => Ok(()),
    }
}
