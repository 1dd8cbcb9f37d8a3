//! Lines from a pipe with bounded waits, without a thread.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Reads lines from `source`.
#[derive(Debug)]
pub struct LineReader<R> {
    source: R,
    buffer: Vec<u8>,
}

impl<R: Read + AsFd> LineReader<R> {
    /// Over a pipe.
    pub fn new(source: R) -> Self {
        Self { source, buffer: Vec::new() }
    }

    /// The next line without its newline; `None` at the end of the stream.
    pub fn next(&mut self, patience: Duration) -> Result<Option<String>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                return Ok(Some(String::from_utf8_lossy(&line[..at]).into_owned()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no line came within {patience:?}");
            }
            let timeout = Timespec::try_from(left).context("failed to convert a timeout")?;
            match poll(&mut [PollFd::new(&self.source, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => (),
                Err(error) => return Err(error).context("failed to wait for a line"),
            }
            let mut chunk = [0; 4096];
            match self.source.read(&mut chunk).context("failed to read a line")? {
                0 => return Ok(None),
                length => self.buffer.extend_from_slice(&chunk[..length]),
            }
        }
    }
}
