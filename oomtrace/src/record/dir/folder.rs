//! The directory itself: opened once, locked, and used through its descriptor, so that nobody can put another one, or a link, in its
//! place.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;

use crate::model::Observation;
use crate::session::Reader;

use super::name;
use super::retain::Kept;

/// Why a directory cannot be recorded to.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// By the operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another recorder writes there.
    #[error("another recorder is recording to this directory; give each its own")]
    Locked,
    /// Anybody could put files there, or take them away.
    #[error("everybody may write to this directory (mode {mode:03o}); make it yours alone: chmod 700")]
    Open {
        /// Its mode.
        mode: u32,
    },
}

/// A file in it that is one of a recorder's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) kept: Kept,
    /// When its newest record was written, ns since boot, if that was by this recorder: the time of day may be set in between.
    pub(super) newest_boot_ns: Option<i128>,
    /// That it could not be removed was told.
    pub(super) told: bool,
}

impl Found {
    pub(super) fn new(name: String, kept: Kept) -> Self {
        Self { name, kept, newest_boot_ns: None, told: false }
    }
}

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// Makes it, for its owner alone, if it is not there (those above it have to be), and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        match mkdirat(CWD, path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(io::Error::from)?;
        let mode = fstat(&fd).map_err(io::Error::from)?.st_mode & 0o7777;
        if mode & 0o002 != 0 {
            return Err(OpenError::Open { mode });
        }
        // Not every file system has locks.
        if let Err(Errno::WOULDBLOCK) = flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            return Err(OpenError::Locked);
        }
        Ok(Self { path: path.to_owned(), fd })
    }

    /// Whether it was removed.
    pub(super) fn is_gone(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file that was not there.
    pub(super) fn make(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)?)
    }

    /// Whether that name is still that file.
    pub(super) fn has(&self, name: &str, file: &std::fs::Metadata) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (file.dev(), file.ino()))
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Makes the names of its files durable. Not every file system can.
    pub(super) fn sync(&self) {
        let _ = rustix::fs::fsync(&self.fd);
    }

    /// The recorders' files in it, oldest first: those with such a name that are regular files and begin as a recording does.
    /// Everything else is nobody's business here.
    pub(super) fn files(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(number) = name::number(name) else { continue };
            if let Some(kept) = self.look_at(name, number) {
                found.push(Found::new(name.to_owned(), kept));
            }
        }
        found.sort_by(|a, b| (a.kept.number, &a.name).cmp(&(b.kept.number, &b.name)));
        Ok(found)
    }

    fn look_at(&self, name: &str, number: u64) -> Option<Kept> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(self.fd.as_fd(), name, flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let mut reader = Reader::open(BufReader::new(File::from(file))).ok()?;
        // Where there is one it comes soon; files without any are short.
        let episodes = std::iter::from_fn(|| reader.next_observation())
            .any(|observation| matches!(observation, Observation::Opened(_)));
        Some(Kept {
            number,
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            newest_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
            episodes,
            stuck: false,
        })
    }
}
