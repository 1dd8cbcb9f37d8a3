//! A recording into a pipe, a device, or whatever stdout is: written from front to back, nothing can be taken back.

use std::fs::File;
use std::io::{self, Write};

use rustix::io::Errno;

use super::target::{Fault, Piece, Target};

/// A stream of bytes.
#[derive(Debug)]
pub struct Stream {
    file: File,
    name: String,
    /// What was written may not be there.
    failed: Option<Errno>,
}

impl Stream {
    /// Writes to `file`; `name` says in messages what it is.
    pub fn new(file: File, name: impl Into<String>) -> Self {
        Self { file, name: name.into(), failed: None }
    }
}

impl Target for Stream {
    fn name(&self) -> &str {
        &self.name
    }

    fn begin(&mut self, head: &[u8]) -> io::Result<()> {
        self.file.write_all(head)
    }

    fn write(&mut self, piece: &Piece<'_>) -> Result<(), Fault> {
        if let Some(errno) = self.failed {
            return Err(Fault::Final(errno.into()));
        }
        // What was written of it stays: behind half a frame, nothing could be read.
        self.file.write_all(piece.bytes).map_err(Fault::Final)
    }

    fn make_durable(&mut self) -> io::Result<()> {
        match rustix::fs::fdatasync(&self.file) {
            // Pipes and terminals have nothing to sync.
            Ok(()) | Err(Errno::INVAL | Errno::ROFS) => Ok(()),
            Err(errno) => {
                self.failed = Some(errno);
                Err(errno.into())
            }
        }
    }
}
