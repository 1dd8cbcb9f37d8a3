//! A directory of files, of which the oldest go: what is recorded for years is bounded.
//!
//! - here: the target: when a file is followed by another one;
//! - [`folder`]: the directory and what is in it; nothing that is not a recorder's own is ever removed;
//! - [`retain`]: which files go;
//! - [`name`]: what files are called.
//!
//! A file is left for the next one at a moment at which no episode is unfinished ([`Turn`]); from three quarters of its size on such a
//! moment is looked for. Only when none comes until it is full, it is left in the middle. So no file is longer than its size, and the
//! whole directory never more than that times the number of files.

mod folder;
mod name;
mod retain;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::chunk::Extent;
use super::file::RecordingFile;
use super::target::{Fault, Piece, Target, Turn};
pub use folder::OpenError;
use folder::{Folder, Found};
use retain::{Bounds, Kept};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files, at least two.
    pub files: usize,
    /// Age, beyond the newest record of the file that is written.
    pub age: Option<Duration>,
}

/// A directory that is recorded to.
#[derive(Debug)]
pub struct Directory {
    folder: Folder,
    name: String,
    limits: Limits,
    /// The head of the files that follow without a turn.
    head: Vec<u8>,
    /// Those before the one that is written, oldest first.
    others: Vec<Found>,
    current: Option<Current>,
    wants_turn: Arc<AtomicBool>,
    /// What could not be removed, until somebody was told.
    untold: Option<io::Error>,
    /// What was not durable of the file was cut off, and nothing was written since.
    cut_off: Option<io::Error>,
    /// An episode was unfinished behind what was written last.
    unfinished: bool,
}

/// The file that is written.
#[derive(Debug)]
struct Current {
    file: RecordingFile,
    found: Found,
    head_bytes: u64,
    since: Instant,
}

impl Directory {
    /// Opens the directory, or makes it, and takes it for itself. What is in it of earlier recorders is kept within `limits` from now
    /// on.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(path: &Path, limits: Limits) -> Result<Self, OpenError> {
        let folder = Folder::open(path)?;
        let others = folder.files()?;
        Ok(Self {
            folder,
            name: path.display().to_string(),
            limits,
            head: Vec::new(),
            others,
            current: None,
            wants_turn: Arc::new(AtomicBool::new(false)),
            untold: None,
            cut_off: None,
            unfinished: false,
        })
    }

    /// Begins another file, and gives back the one before, as it is. When that one was ended, there is room to be made.
    fn begin_file(&mut self, head: &[u8]) -> io::Result<Option<Current>> {
        if self.folder.is_gone() {
            // What is written there nobody would find.
            self.folder = Folder::open(self.folder.path()).map_err(io::Error::other)?;
            self.others = self.folder.files()?;
            self.current = None;
        }
        // Somebody may have made it possible in the meantime.
        self.others.iter_mut().for_each(|other| other.kept.stuck = false);
        let files = self.make_room(1, 0);
        if files >= self.limits.files && self.others.iter().any(|other| other.kept.stuck) {
            let error = self.untold.take().map_or_else(String::new, |error| format!(": {error}"));
            return Err(io::Error::other(format!("there are {files} files, and none can be removed{error}")));
        }
        let current = self.current.as_ref().map(|current| &current.found);
        let last = current.or(self.others.last());
        let number = last.map_or(1, |last| last.kept.number.saturating_add(1));
        let now = now_ns();
        // It has no record: age is counted from that of the one before, which may be in the future.
        let newest_ns = last.map_or(now, |last| last.kept.newest_ns.min(now));
        let newest_boot_ns = last.and_then(|last| last.newest_boot_ns);
        let name = name::of(number, i64::try_from(now / 1_000_000_000).unwrap_or(0));
        let made = self.folder.make(&name)?;
        let begun = RecordingFile::made(self.folder.path().join(&name), made)
            .map_err(io::Error::other)
            .and_then(|mut file| file.begin(head).map(|()| file));
        let file = match begun {
            Ok(file) => file,
            Err(error) => {
                // A file without a head is nobody's.
                let _ = self.folder.remove(&name);
                return Err(error);
            }
        };
        self.folder.sync();
        let kept = Kept { number, bytes: file.len(), newest_ns, episodes: false, stuck: false };
        let found = Found { newest_boot_ns, ..Found::new(name, kept) };
        let current = Current { found, head_bytes: file.len(), file, since: Instant::now() };
        let before = self.current.replace(current);
        // What somebody moved or removed is not the directory's any more.
        let there = before.as_ref().filter(|before| self.has(before));
        let there = there.map(|before| before.found.clone());
        self.others.extend(there);
        Ok(before)
    }

    /// Removes what is too much, or too old, but not the file that is written; tells how many files are left, without that one if it
    /// may go as soon as it is left.
    fn make_room(&mut self, more_files: usize, more_bytes: u64) -> usize {
        // This recorder's files are as old as the boot clock says, also when the time of day was set since.
        let boot = now_ns() - boot_ns();
        let current = self.current.as_mut().map(|current| &mut current.found);
        for found in self.others.iter_mut().chain(current) {
            if let Some(ns) = found.newest_boot_ns {
                found.kept.newest_ns = boot + ns;
            }
        }
        loop {
            let files: Vec<Kept> = self.files().collect();
            let going = retain::to_go(&files, self.bounds(), more_files, more_bytes);
            let left = files.len() - going.len();
            let mut all_gone = true;
            let written = self.others.len();
            for position in going.into_iter().rev().filter(|&position| position != written) {
                match self.folder.remove(&self.others[position].name) {
                    // Somebody else may have taken it away.
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        all_gone = false;
                        let other = &mut self.others[position];
                        other.kept.stuck = true;
                        if !std::mem::replace(&mut other.told, true) {
                            let what = format!("{} cannot be removed: {error}", other.name);
                            self.untold = Some(io::Error::new(error.kind(), what));
                        }
                    }
                    _ => drop(self.others.remove(position)),
                }
            }
            if all_gone {
                return left;
            }
        }
    }

    fn has(&self, current: &Current) -> bool {
        current.file.metadata().is_ok_and(|file| self.folder.has(&current.found.name, &file))
    }

    fn files(&self) -> impl Iterator<Item = Kept> {
        let current = self.current.as_ref().map(|current| &current.found);
        self.others.iter().chain(current).map(|found| found.kept)
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            files: self.limits.files,
            bytes: self.limits.file_bytes.saturating_mul(self.limits.files as u64),
            age_ns: self.limits.age.map(|age| i128::try_from(age.as_nanos()).unwrap_or(i128::MAX)),
        }
    }

    /// Begins another file where no session turns to it. What was committed to the one before is on the disk first: nothing
    /// that is made durable later touches that file.
    fn leave(&mut self, why: Option<&'static str>) -> Result<Fault, Fault> {
        if let Some(current) = &mut self.current {
            let durable = current.file.make_durable();
            current.found.kept.bytes = current.file.len();
            // Of a file that somebody has damaged there is nothing more to be kept.
            if let (Err(error), None) = (durable, why) {
                self.cut_off = Some(io::Error::new(error.kind(), error.to_string()));
                return Err(Fault::Failed(error));
            }
        }
        let head = self.head.clone();
        self.begin_file(&head).map_err(Fault::Failed)?;
        self.make_room(0, 0);
        let stuck = self.untold.take().map(|_| "a file that should go cannot be removed");
        Ok(Fault::Anew(why.or(stuck)))
    }

    /// Why the file cannot be gone on with.
    fn lost(&self) -> io::Result<Option<&'static str>> {
        let Some(current) = &self.current else { return Ok(Some("the last file could not be kept")) };
        let metadata = current.file.metadata()?;
        Ok(if metadata.nlink() == 0 {
            Some("the file was removed")
        } else if metadata.len() < current.file.len() {
            Some("the file was cut off")
        } else {
            None
        })
    }
}

impl Current {
    fn is_empty(&self) -> bool {
        self.file.len() <= self.head_bytes
    }
}

impl Target for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(&mut self, head: &[u8]) -> io::Result<()> {
        head.clone_into(&mut self.head);
        self.begin_file(head)?;
        self.make_room(0, 0);
        Ok(())
    }

    fn keep_head(&mut self, head: &[u8]) {
        head.clone_into(&mut self.head);
    }

    fn write(&mut self, piece: &Piece<'_>) -> Result<(), Fault> {
        let bytes = piece.bytes.len() as u64;
        let why = self.lost().map_err(Fault::Failed)?;
        let full = self.current.as_ref().is_some_and(|current| {
            !current.is_empty() && current.file.len().saturating_add(bytes) > self.limits.file_bytes
        });
        if why.is_some() || full {
            return Err(self.leave(why).unwrap_or_else(|fault| fault));
        }
        self.make_room(0, bytes);
        let Some(current) = &mut self.current else { return Err(Fault::Anew(None)) };
        let written = current.file.write(piece);
        let kept = &mut current.found.kept;
        kept.bytes = current.file.len();
        written?;
        self.cut_off = None;
        kept.newest_ns = now_ns();
        // Also one that was begun in the file before.
        kept.episodes |= piece.extent.episodes > 0 || self.unfinished;
        self.unfinished = !piece.boundary;
        current.found.newest_boot_ns = Some(boot_ns());

        let moved = || current.file.metadata().is_ok_and(|file| !self.folder.has(&current.found.name, &file));
        let parts = u32::try_from(self.limits.files).unwrap_or(u32::MAX);
        let long = self.limits.age.is_some_and(|age| current.since.elapsed() > age / parts);
        if current.found.kept.bytes >= self.limits.file_bytes / 4 * 3 || long || moved() {
            self.wants_turn.store(true, Relaxed);
        }
        Ok(())
    }

    fn make_durable(&mut self) -> io::Result<()> {
        if let Some(error) = self.cut_off.take() {
            return Err(error);
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let made = current.file.make_durable();
        current.found.kept.bytes = current.file.len();
        made
    }

    fn context_bytes(&self) -> usize {
        // Most of a file is for what is new.
        usize::try_from(self.limits.file_bytes / 4).unwrap_or(usize::MAX)
    }

    fn wants_turn(&self) -> Option<Arc<AtomicBool>> {
        Some(Arc::clone(&self.wants_turn))
    }

    fn turn(&mut self, turn: &Turn) -> io::Result<bool> {
        turn.again.clone_into(&mut self.head);
        if self.current.as_ref().is_some_and(|current| current.is_empty() && self.has(current)) {
            // There is nothing in it that could be left.
            return Ok(false);
        }
        self.make_room(1, 0);
        if let Some(error) = self.untold.take() {
            // Said once; the next time others have gone in its place.
            self.wants_turn.store(true, Relaxed);
            return Err(error);
        }
        // The new one first: without it, the end of the old one would be the end of everything.
        if let Some(Current { mut file, found, .. }) = self.begin_file(&turn.head)? {
            let end = Piece { bytes: &turn.end, boundary: true, last: true, extent: Extent::default() };
            // Without it the file is one that was not finished, and says so.
            let _ = file.write(&end);
            let _ = file.make_durable();
            if let Some(other) = self.others.iter_mut().find(|other| other.name == found.name) {
                other.kept.bytes = file.len();
            }
        }
        // Only now: the file that was left may go, too.
        self.make_room(0, 0);
        Ok(true)
    }
}

/// Time since boot, that of sleep included.
fn boot_ns() -> i128 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

fn now_ns() -> i128 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    }
}
