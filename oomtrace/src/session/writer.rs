//! Writes a session file, to anything that takes bytes, at once and on the caller's thread: what tools and tests need. A capture
//! has a thread for it (`record`).
//!
//! Frames are gathered in memory and written at [`Writer::commit`]. Compressed, they are written as blocks, of which one ends there
//! too.

use std::fs::File;
use std::io::{self, Write};

use crate::model::{Observation, SessionEnd, SessionInfo};

use super::block::{self, Compression};
use super::encode::{self, Blocks, Encoder};
use super::format::TooLong;

/// Bytes gathered before they are written without a commit.
const BUFFER: usize = block::FULL;
/// Bytes reserved beyond that, for the frame that fills it.
const MORE: usize = 64 << 10;

/// Something that bytes can be written to and kept by.
pub trait Durable: Write {
    /// Returns when what was written would survive a crash of the machine, as far as the target can promise that.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn make_durable(&mut self) -> io::Result<()>;
}

impl Durable for File {
    fn make_durable(&mut self) -> io::Result<()> {
        match rustix::fs::fdatasync(&*self) {
            // Pipes, terminals and some file systems have nothing to sync.
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::ROFS) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Durable for Vec<u8> {
    fn make_durable(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one session.
#[derive(Debug)]
pub struct Writer<W> {
    target: W,
    /// Whole frames.
    buffer: Vec<u8>,
    encoder: Encoder,
    blocks: Blocks,
    /// What is written of them.
    packed: Vec<u8>,
    /// An earlier write failed: the file may end inside a frame, and what followed would be taken for damage.
    broken: bool,
}

impl<W: Durable> Writer<W> {
    /// Writes the header and the session's description, so that a bad target shows before the capture.
    ///
    /// # Errors
    ///
    /// What the target says.
    pub fn start(target: W, info: &SessionInfo, compression: Compression) -> io::Result<Self> {
        let mut writer = Self {
            target,
            buffer: Vec::with_capacity(BUFFER + MORE),
            encoder: Encoder::default(),
            blocks: Blocks::new(compression).ok_or(io::ErrorKind::OutOfMemory)?,
            packed: encode::head(info).map_err(too_long)?,
            broken: false,
        };
        writer.write_packed()?;
        writer.commit()?;
        Ok(writer)
    }

    /// Adds an observation; written at the next commit, or before when the buffer is full.
    ///
    /// # Errors
    ///
    /// What the target says, and everything after that: a file with a hole would be worse than a short one.
    pub fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        self.check()?;
        self.encoder.observation(&mut self.buffer, observation).map_err(too_long)?;
        if self.buffer.len() >= BUFFER { self.write_out() } else { Ok(()) }
    }

    /// Writes what was gathered and asks the target to keep it.
    ///
    /// # Errors
    ///
    /// As [`Writer::observation`].
    pub fn commit(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.target.make_durable().inspect_err(|_| self.broken = true)
    }

    /// Writes the end. Without it, readers say that the recording is unfinished.
    ///
    /// # Errors
    ///
    /// As [`Writer::observation`].
    pub fn end(mut self, end: &SessionEnd) -> io::Result<W> {
        self.write_out()?;
        encode::end(&mut self.packed, end).map_err(too_long)?;
        self.write_packed()?;
        self.commit()?;
        Ok(self.target)
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.check()?;
        if !self.buffer.is_empty() {
            self.blocks.append(&mut self.packed, &self.buffer);
            self.buffer.clear();
        }
        self.write_packed()
    }

    fn write_packed(&mut self) -> io::Result<()> {
        let written = self.target.write_all(&self.packed).and_then(|()| self.target.flush());
        self.packed.clear();
        written.inspect_err(|_| self.broken = true)
    }

    fn check(&self) -> io::Result<()> {
        if self.broken { Err(io::Error::other("an earlier write to the recording failed")) } else { Ok(()) }
    }
}

fn too_long(error: TooLong) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
