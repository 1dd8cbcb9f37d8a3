//! The session file: observations on disk, or in a pipe. `docs/session-format.md` spells the bytes out.
//!
//! Owns the bytes and nothing else: what the observations mean is left to `assemble`, where they come from to the
//! sources. The file stores observations, not episodes, so that a better assembler improves old recordings.

mod block;
mod columns;
pub mod encode;
pub mod error;
pub mod format;
pub mod reader;
mod samples;
#[cfg(test)]
mod tests;
pub mod writer;

pub use block::{Compression, FULL as BLOCK_BYTES};
pub use encode::{Blocks, Encoder};
pub use error::{Ending, OpenError};
pub use reader::{Reader, Tally};
pub use writer::{Durable, Writer};
