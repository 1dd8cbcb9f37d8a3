//! Writes a session file, to anything that takes bytes.
//!
//! Frames are gathered in memory and written at [`Writer::commit`], which the pipeline calls when an episode has
//! returned or is finished: a crash costs what came after the last commit, and nothing is written while the kernel is in
//! the middle of an episode unless the buffer is full. Compressed, they are written as blocks, of which one ends there too.

use std::fs::File;
use std::io::{self, Write};

use crate::model::{Observation, SessionEnd, SessionInfo};

use super::block::{self, Compression, Packer};
use super::columns;
use super::format::{self, FrameRef, TooLong, VERSION, kind};

/// Bytes gathered before they are written without a commit. Reserved at the start: the moment at which it fills is one
/// at which the machine has no memory.
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
    columns: columns::Writer,
    packer: Option<Packer>,
    /// A block of them.
    block: Vec<u8>,
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
            columns: columns::Writer::default(),
            packer: None,
            block: Vec::new(),
            broken: false,
        };
        writer.buffer.extend_from_slice(&format::file_header(VERSION));
        writer.add(FrameRef::Info(info))?;
        // Header and description are for everybody: they are not compressed.
        writer.commit()?;
        if compression == Compression::Zstd {
            writer.packer = Some(Packer::new().ok_or(io::ErrorKind::OutOfMemory)?);
            writer.block.reserve(BUFFER + MORE);
        }
        Ok(writer)
    }

    /// Adds an observation; written at the next commit, or before when the buffer is full.
    ///
    /// # Errors
    ///
    /// What the target says, and everything after that: a file with a hole would be worse than a short one.
    pub fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        self.add(FrameRef::Observation(observation))
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
        // Not compressed either: it shows what the file came to.
        self.packer = None;
        self.add(FrameRef::End(end))?;
        self.commit()?;
        Ok(self.target)
    }

    fn add(&mut self, frame: FrameRef<'_>) -> io::Result<()> {
        self.check()?;
        self.append(frame).map_err(|too_long| io::Error::new(io::ErrorKind::InvalidData, too_long))?;
        if self.buffer.len() >= BUFFER { self.write_out() } else { Ok(()) }
    }

    fn append(&mut self, frame: FrameRef<'_>) -> Result<(), TooLong> {
        if let FrameRef::Observation(Observation::Candidates(run)) = frame
            && run.tasks.len() >= columns::LEAST
            && self.columns.gather(run).is_some()
        {
            return format::append_payload(&mut self.buffer, |out| {
                self.columns.write(out, run);
                kind::CANDIDATE_COLUMNS
            });
        }
        format::append(&mut self.buffer, frame)
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.check()?;
        let frames = if self.pack().is_some() { &self.block } else { &self.buffer };
        let written = self.target.write_all(frames).and_then(|()| self.target.flush());
        self.buffer.clear();
        written.inspect_err(|_| self.broken = true)
    }

    /// Makes a block of what was gathered; `None` when it is to be written as it is.
    fn pack(&mut self) -> Option<()> {
        let packed = self.packer.as_mut()?.pack(&self.buffer)?;
        self.block.clear();
        let block = format::append_payload(&mut self.block, |out| {
            out.extend_from_slice(&packed.head);
            out.extend_from_slice(packed.bytes);
            kind::BLOCK
        });
        block.ok()
    }

    fn check(&self) -> io::Result<()> {
        if self.broken { Err(io::Error::other("an earlier write to the recording failed")) } else { Ok(()) }
    }
}
