//! A recording that is still being written: its end is where its recorder lets go of it.

use std::fs::File;
use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long to wait before looking for more.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads a file, and waits at its end for as long as a recorder has it locked.
pub(super) struct Follow(pub(super) File);

impl Read for Follow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if !self.is_being_written()? {
                // What was written between the two looks.
                return self.0.read(buffer);
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Follow {
    /// Whether somebody has the recorder's lock. Asking takes it for a moment when nobody has.
    fn is_being_written(&self) -> io::Result<bool> {
        match flock(&self.0, FlockOperation::NonBlockingLockShared) {
            Ok(()) => {
                flock(&self.0, FlockOperation::Unlock)?;
                Ok(false)
            }
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
