//! Where an export goes: stdout, or a file that is there only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::sink::export::Target;

/// Takes the bytes of one export.
#[derive(Debug)]
pub(super) struct Output {
    writer: BufWriter<Sort>,
    /// What it is written to, and what it is to be called.
    names: Option<(PathBuf, PathBuf)>,
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
        Self { writer: BufWriter::with_capacity(1 << 16, Sort::Stdout(io::stdout())), names: None }
    }

    /// To a file of this name, for its owner only: who was killed where is told to nobody else. Until it is whole it has
    /// another name, so that nobody reads half a table.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        Ok(Self {
            writer: BufWriter::with_capacity(1 << 16, Sort::File(file)),
            names: Some((partial, path.to_owned())),
        })
    }
}

impl Target for Output {
    fn commit(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        if let Some((partial, path)) = &self.names {
            fs::rename(partial, path)?;
            self.names = None;
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
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
