//! Where an export or a report goes: stdout, or a file that is there only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::sink::export::Target;

/// What messages call a file or folder that could not be made: its path, and what is missing on the way to it.
pub(super) fn name(path: &Path) -> String {
    let missing = path
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .last();
    match missing {
        Some(folder) => format!("{}: there is no folder {}", path.display(), folder.display()),
        None => path.display().to_string(),
    }
}

/// Takes the bytes of one of them.
#[derive(Debug)]
pub(super) struct Output {
    writer: BufWriter<Sort>,
    /// What it is written to, and what it is to be called.
    names: Option<(PathBuf, PathBuf)>,
    /// What messages call it.
    path: Option<PathBuf>,
}

#[derive(Debug)]
enum Sort {
    Stdout(io::Stdout),
    File(File),
}

impl Write for Sort {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Output {
    /// To stdout.
    pub(super) fn stdout() -> Self {
        Self {
            writer: BufWriter::with_capacity(1 << 16, Sort::Stdout(io::stdout())),
            names: None,
            path: None,
        }
    }

    /// To a file of this name, for its owner only: who was killed where is told to nobody else. Until it is whole it has
    /// another name, so that nobody reads half a table.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let writer = |file: File| BufWriter::with_capacity(1 << 16, Sort::File(file));
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            // A device or a pipe is written to, not replaced.
            let file = OpenOptions::new().write(true).open(path)?;
            return Ok(Self { writer: writer(file), names: None, path: Some(path.to_owned()) });
        }
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        Ok(Self {
            writer: writer(file),
            names: Some((partial, path.to_owned())),
            path: Some(path.to_owned()),
        })
    }

    /// The same error with the name of the file.
    fn named(&self, error: io::Error) -> io::Error {
        match &self.path {
            Some(path) => io::Error::new(error.kind(), format!("{}: {error}", path.display())),
            None => error,
        }
    }
}

impl Target for Output {
    fn commit(&mut self) -> io::Result<()> {
        self.flush()?;
        if let Some((partial, path)) = &self.names {
            fs::rename(partial, path).map_err(|error| self.named(error))?;
            self.names = None;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(|error| self.named(error))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((partial, _)) = &self.names {
            // It did not become whole, which has been told.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_on_the_way_is_named() {
        let there = tempfile::tempdir().unwrap();
        let path = there.path().join("a/b/c.html");
        let said = format!("{}: there is no folder {}", path.display(), there.path().join("a").display());
        assert_eq!(name(&path), said);
        let path = there.path().join("c.html");
        assert_eq!(name(&path), path.display().to_string());
        assert_eq!(name(Path::new("c.html")), "c.html");
    }
}
