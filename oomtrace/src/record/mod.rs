//! The recorder: observations to a target, on a thread of its own, so that whoever takes observations off the ring never waits for a
//! disk.
//!
//! ```text
//! Pipeline -> Recorder: frames into a chunk -> HandOver: a fixed number of chunks -> Writer thread: packs -> Target
//! ```
//!
//! - [`recorder`]: the pipeline's side. Encodes, hands over whole frames, counts what there is no room for;
//! - [`chunk`], [`handover`]: the memory between the two, all of it taken at the start;
//! - [`writer`]: the thread. Packs, writes, makes durable; knows what is missing and says it, in the file and to the user;
//! - [`context`]: what every file has to tell again;
//! - [`target`]: what can be written to ([`Target`]). [`file`](mod@file) is one file, [`stream`] a pipe or a device, [`dir`] a
//!   directory of files, the oldest of which go.
//!
//! A target that consists of several files is put in below [`Target`]: it is given pieces of whole frames, each with its extent and
//! whether an episode is unfinished behind it ([`Piece::boundary`]), keeps the head that it was begun with, and answers
//! [`Fault::Anew`] when it has begun another file.
//!
//! The bytes themselves are `session`'s; what observations mean is nobody's here.

mod chunk;
mod context;
pub mod dir;
pub mod file;
#[cfg(test)]
mod file_tests;
mod handover;
mod recorder;
pub mod stream;
pub mod target;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

pub use chunk::Extent;
pub use dir::Directory;
pub use file::RecordingFile;
pub use recorder::{Outcome, Recorder};
pub use stream::Stream;
pub use target::{Fault, Piece, Target, Turn};

use crate::session::Compression;

/// How hard a recording is held on to. Whatever it is, what was written outlives the recorder itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// The kernel writes to the disk when it likes to (some 30 s).
    None,
    /// Made durable when a kill has returned and when an episode is finished.
    #[default]
    Episode,
    /// Made durable with everything that is written, and written when any pass has returned.
    Always,
}

/// What happens to observations that come faster than they can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// They are counted, and left out of the recording: they would be lost elsewhere if their source were not read.
    #[default]
    LeaveOut,
    /// They wait: their source is a file.
    Wait,
}

/// How a recording is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether it is packed.
    pub compression: Compression,
    /// When it is made durable.
    pub sync: Sync,
    /// What happens when there is too much.
    pub when_full: WhenFull,
}

/// Takes messages for the user, from either thread.
#[derive(Clone)]
pub struct Report(Arc<Mutex<dyn FnMut(String) + Send>>);

impl Report {
    /// Gives messages to `say`.
    pub fn new(say: impl FnMut(String) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(say)))
    }

    /// Says something.
    pub fn say(&self, message: String) {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(message);
    }
}
