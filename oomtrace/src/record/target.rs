//! Where a recording goes: what the writer thread asks of a file, a pipe, or a directory of files.
//!
//! The writer thread owns packing, gaps and messages; a target owns names, descriptors and bytes. It may block: nothing waits for
//! it but the writer thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::chunk::Extent;

/// Bytes to be written, and what they are. Always whole frames, as they are to stand in the file.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// The frames, packed.
    pub bytes: &'a [u8],
    /// No episode is unfinished at the end of it: another file may begin behind it.
    pub boundary: bool,
    /// It ends with the session's end.
    pub last: bool,
    /// What is in it.
    pub extent: Extent,
}

/// Between two files of a capture, at a moment without an unfinished episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The frame that ends the one.
    pub end: Vec<u8>,
    /// The head of the other: header and the session's description as of now.
    pub head: Vec<u8>,
    /// The head of those that follow it without a turn.
    pub again: Vec<u8>,
}

/// Why a piece was not written. None of it is in the target then.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It may be possible later (no room, file system read-only, directory removed). The piece is counted as lost.
    #[error(transparent)]
    Failed(io::Error),
    /// The target goes on in a new file, of which it has written the head that it was begun with. The piece is given once more,
    /// behind what a reader of that file needs: the names of cgroups, and a gap when an episode was unfinished at the end of the
    /// piece before. A target that changes files between two pieces, of which the first was a boundary, loses nothing. `Some`: the
    /// user is told why.
    #[error("the target goes on in a new file")]
    Anew(Option<&'static str>),
    /// It will never be possible: half a frame was written to a pipe, or nobody reads it.
    #[error(transparent)]
    Final(io::Error),
}

/// Where pieces go. All of it runs on the writer thread but [`Target::begin`].
pub trait Target: Send {
    /// What it is called in messages.
    fn name(&self) -> &str;

    /// Writes the head of a file: its header and the session's description. Called once, first, by whoever starts the recording,
    /// so that a bad target shows at once; to be kept for further files.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    fn begin(&mut self, head: &[u8]) -> io::Result<()>;

    /// Writes a piece, whole or not at all.
    ///
    /// # Errors
    ///
    /// See [`Fault`].
    fn write(&mut self, piece: &Piece<'_>) -> Result<(), Fault>;

    /// The head of further files that the target begins by itself ([`Fault::Anew`]): that of [`Target::begin`] is true of the first one
    /// alone.
    fn keep_head(&mut self, _head: &[u8]) {}

    /// Bytes that may be told again at the beginning of each file.
    fn context_bytes(&self) -> usize {
        usize::MAX
    }

    /// Says when it wants to go on in another file, for which the session has to be asked ([`Target::turn`]); `None`: never.
    fn wants_turn(&self) -> Option<Arc<AtomicBool>> {
        None
    }

    /// Begins another file and ends the one before. False: there was no reason to, or it cannot.
    ///
    /// # Errors
    ///
    /// No other file could be begun; it goes on in the old one.
    fn turn(&mut self, _turn: &Turn) -> io::Result<bool> {
        Ok(false)
    }

    /// Returns when what was written would survive a crash of the machine, as far as the target can promise that.
    ///
    /// # Errors
    ///
    /// What was written since the last time is not in the target any more (cut off, so that nothing of it can be read as damage).
    fn make_durable(&mut self) -> io::Result<()>;
}
