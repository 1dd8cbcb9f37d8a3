//! Where a recording goes: what the writer thread asks of a file, a pipe, or a directory of files.
//!
//! The writer thread owns packing, gaps and messages; a target owns names, descriptors and bytes. It may block: nothing waits for
//! it but the writer thread.

use std::io;

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

    /// Returns when what was written would survive a crash of the machine, as far as the target can promise that.
    ///
    /// # Errors
    ///
    /// What was written since the last time is not in the target any more (cut off, so that nothing of it can be read as damage).
    fn make_durable(&mut self) -> io::Result<()>;
}
