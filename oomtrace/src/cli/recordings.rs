//! Which recordings are meant: files, and folders of them, in the order of their times.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::exit::Exit;

use super::input::{self, Input};
use super::output::is_dash;
use super::say;

/// How the names of recordings in a folder end.
const EXTENSION: &str = "oomtrace";

/// The recordings that were asked for.
pub(super) struct Recordings {
    paths: Vec<PathBuf>,
    /// Folders that were asked for, and the files (device and number) that were in them when they were looked into last.
    folders: Vec<PathBuf>,
    known: HashSet<(u64, u64)>,
    /// One was asked for by its name: that it cannot be read is the end of it.
    single: bool,
    exit: Exit,
    opened: usize,
    /// The newest one is read for as long as it is written.
    follow: bool,
    /// The next session of the file that was read last.
    behind: Option<Input>,
}

impl Recordings {
    /// `paths` are files, folders, or `-` for stdin. Those of a folder are its `*.oomtrace`; all together are put in the order in
    /// which they were started.
    ///
    /// # Errors
    ///
    /// A folder cannot be read, or there is no recording.
    pub(super) fn of(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        let mut folders = Vec::new();
        for path in paths {
            if !is_dash(path) && path.is_dir() {
                folders.push(path.clone());
                let found = inside(path).with_context(|| path.display().to_string())?;
                if found.is_empty() {
                    return Err(anyhow!("{}: there is no recording (*.{EXTENSION}) in it", path.display()));
                }
                all.extend(found);
            } else if !all.contains(path) {
                all.push(path.clone());
            }
        }
        // One may be named, and be in a folder that is.
        let mut known = HashSet::new();
        all.retain(|path| regular(path).is_none_or(|file| known.insert((file.dev(), file.ino()))));
        let single = all.len() == 1;
        let paths = if single { all } else { in_order(all) };
        Ok(Self { paths, folders, known, single, exit: Exit::Done, opened: 0, follow: false, behind: None })
    }

    /// Recordings that a recorder has begun in the folders since they were looked into.
    fn newer(&mut self) -> Vec<PathBuf> {
        // What cannot be read any more has nothing new.
        let found = self.folders.iter().filter_map(|folder| inside(folder).ok()).flatten();
        let newer = found
            .filter(|path| regular(path).is_some_and(|file| self.known.insert((file.dev(), file.ino()))));
        in_order(newer.collect())
    }

    /// Reads the newest one for as long as it is written.
    pub(super) fn following(self, follow: bool) -> Self {
        Self { follow, ..self }
    }

    /// What is told when there is none of something in them.
    pub(super) fn name(&self) -> String {
        match &self.paths[..] {
            [path] if is_dash(path) => "stdin".to_owned(),
            [path] => path.display().to_string(),
            paths => format!("{} recordings", paths.len()),
        }
    }

    /// What was read to its end is given back: another session may follow in the same file.
    pub(super) fn done(&mut self, input: Input) {
        let Input { name, is_file, reader } = input;
        match reader.next_session() {
            None => {}
            Some(Ok(reader)) => self.behind = Some(Input { name, is_file, reader }),
            Some(Err(error)) => {
                say(&format!("{name}: what follows its first session cannot be read: {error}"));
                self.exit = Exit::Lossy;
            }
        }
    }

    /// Opens the first, which is then the next.
    ///
    /// # Errors
    ///
    /// As [`Recordings::next`].
    #[cfg(feature = "tui")]
    pub(super) fn open_first(&mut self) -> anyhow::Result<()> {
        self.behind = self.next()?;
        Ok(())
    }

    /// The next one that can be opened; `None` at the end.
    ///
    /// # Errors
    ///
    /// The only one cannot be opened. Of several, such a one is told of and passed over.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Input>> {
        if let Some(input) = self.behind.take() {
            return Ok(Some(input));
        }
        loop {
            if self.opened == self.paths.len() {
                let newer = if self.follow { self.newer() } else { Vec::new() };
                if newer.is_empty() {
                    return Ok(None);
                }
                self.single = false;
                self.paths.extend(newer);
            }
            let path = &self.paths[self.opened];
            self.opened += 1;
            let follow = self.follow && self.opened == self.paths.len();
            match if follow { input::follow(path) } else { input::open(path) } {
                Ok(input) => return Ok(Some(input)),
                Err(error) if self.single => return Err(error),
                Err(error) => {
                    say(&format!("{error:#}"));
                    self.exit = Exit::Lossy;
                }
            }
        }
    }

    /// How what could not be opened would end the program.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }
}

/// By the time of their start, of those that tell it; the others stay where they were asked for, before them.
fn in_order(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut timed: Vec<_> = paths
        .into_iter()
        .map(|path| {
            // What cannot be opened is told of when it is its turn, and what is read from a pipe is gone.
            let info = regular(&path).and_then(|_| input::open(&path).ok());
            let started = info.and_then(|input| {
                let info = input.reader.info();
                Some((info.started_unix_ns?, info.started_boot_ns))
            });
            (started, path)
        })
        .collect();
    timed.sort_by_key(|(started, _)| *started);
    timed.into_iter().map(|(_, path)| path).collect()
}

/// What is known of a regular file; `None` for stdin, pipes, and what is not there.
fn regular(path: &Path) -> Option<Metadata> {
    if is_dash(path) {
        return None;
    }
    std::fs::metadata(path).ok().filter(Metadata::is_file)
}

/// The recordings in a folder, by name.
fn inside(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(EXTENSION)) && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::made_up;

    #[test]
    fn a_folder_that_is_followed_goes_on_with_what_was_begun_meanwhile() {
        let folder = tempfile::tempdir().expect("there is room");
        let write = |name: &str| {
            let bytes = made_up::file(&made_up::info(), &made_up::one_kill());
            std::fs::write(folder.path().join(name), bytes).expect("there is room");
        };
        let opened = |recordings: &mut Recordings| {
            let mut input = recordings.next().expect("nothing is broken")?;
            while input.reader.next_observation().is_some() {}
            let name = input.name.rsplit('/').next().map(str::to_owned);
            recordings.done(input);
            name
        };
        write("a.oomtrace");
        let paths = [folder.path().to_owned()];
        let mut recordings = Recordings::of(&paths).expect("it is there").following(true);
        assert_eq!(opened(&mut recordings).as_deref(), Some("a.oomtrace"));
        write("b.oomtrace");
        write("c.oomtrace");
        assert_eq!(opened(&mut recordings).as_deref(), Some("b.oomtrace"));
        write("d.oomtrace");
        assert_eq!(opened(&mut recordings).as_deref(), Some("c.oomtrace"));
        assert_eq!(opened(&mut recordings).as_deref(), Some("d.oomtrace"));
        assert_eq!(opened(&mut recordings), None);

        let mut recordings = Recordings::of(&paths).expect("it is there");
        for name in ["a", "b", "c", "d"] {
            assert_eq!(opened(&mut recordings), Some(format!("{name}.oomtrace")));
        }
        write("e.oomtrace");
        assert_eq!(opened(&mut recordings), None);
    }

    #[test]
    fn a_pipe_is_not_read_ahead_and_nothing_is_read_twice() {
        let folder = tempfile::tempdir().expect("there is room");
        let bytes = made_up::file(&made_up::info(), &made_up::one_kill());
        let file = folder.path().join("a.oomtrace");
        std::fs::write(&file, &bytes).expect("there is room");
        let (read, mut write) = std::io::pipe().expect("there are descriptors");
        let pipe = PathBuf::from(format!("/proc/self/fd/{}", read.as_raw_fd()));
        std::thread::spawn(move || write.write_all(&bytes));

        let paths = [file.clone(), pipe.clone(), folder.path().to_owned()];
        let mut recordings = Recordings::of(&paths).expect("they are there");
        assert_eq!(recordings.paths, [pipe, file]);
        for _ in 0..2 {
            assert!(recordings.next().expect("several").is_some());
        }
        assert!(matches!(recordings.exit(), Exit::Done));
    }
}
