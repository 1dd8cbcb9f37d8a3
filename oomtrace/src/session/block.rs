//! Blocks: frames, compressed together.
//!
//! A block ends at each commit, so that a file that is cut off yields everything up to the last whole one. Each is compressed
//! for itself: none needs another to be read.

use std::fmt;

use zstd_safe::zstd_sys::ZSTD_EndDirective::{ZSTD_e_continue, ZSTD_e_end};
use zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer, compress_bound};

use super::format::MAX_PAYLOAD;

/// Bytes of frames that make a block full.
pub const FULL: usize = 256 << 10;
/// Bytes before the compressed ones: how, and how many bytes there are when it is unpacked.
const HEAD: usize = 8;
/// How: Zstandard (RFC 8878).
const ZSTD: u32 = 1;
/// More does not make it smaller, but takes longer.
const LEVEL: i32 = 1;
/// A window of a whole block, log2.
const WINDOW: u32 = 18;

/// Whether a recording is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// It is not.
    #[default]
    None,
    /// In blocks, with Zstandard.
    Zstd,
}

/// Makes blocks.
pub(super) struct Packer {
    context: CCtx<'static>,
    packed: Vec<u8>,
}

/// The payload of a block.
pub(super) struct Packed<'a> {
    pub(super) head: [u8; HEAD],
    pub(super) bytes: &'a [u8],
}

impl fmt::Debug for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl Packer {
    /// Reserves all that it needs: it is used while the machine has no memory. `None` without memory.
    pub(super) fn new() -> Option<Self> {
        let mut context = CCtx::try_create()?;
        context.set_parameter(CParameter::CompressionLevel(LEVEL)).ok()?;
        context.set_parameter(CParameter::WindowLog(WINDOW)).ok()?;
        let mut packer = Self { context, packed: Vec::with_capacity(compress_bound(2 * FULL)) };
        // The context takes its memory when it is used for the first time.
        packer.pack(b"once");
        Some(packer)
    }

    /// Packs frames; `None` when it would not make them shorter.
    pub(super) fn pack(&mut self, frames: &[u8]) -> Option<Packed<'_>> {
        let len = u32::try_from(frames.len()).ok().filter(|_| frames.len() <= MAX_PAYLOAD)?;
        self.packed.clear();
        self.packed.reserve(compress_bound(frames.len()));
        if self.compress(frames).is_err() || self.packed.len() + HEAD >= frames.len() {
            // What was begun is given up.
            let _ = self.context.reset(zstd_safe::ResetDirective::SessionOnly);
            return None;
        }
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&ZSTD.to_le_bytes());
        head[4..].copy_from_slice(&len.to_le_bytes());
        Some(Packed { head, bytes: &self.packed })
    }

    /// Not in one call: if it knew the size from the beginning, the context would take as much memory as that needs, and ask for
    /// more when a longer block comes.
    fn compress(&mut self, frames: &[u8]) -> Result<(), zstd_safe::ErrorCode> {
        let mut output = OutBuffer::around(&mut self.packed);
        let mut input = InBuffer::around(frames);
        while input.pos < frames.len() {
            self.context.compress_stream2(&mut output, &mut input, ZSTD_e_continue)?;
        }
        // There is room for everything: nothing is left after the first call.
        while self.context.compress_stream2(&mut output, &mut input, ZSTD_e_end)? > 0 {}
        Ok(())
    }
}

/// Unpacks blocks, one at a time, and gives out their frames.
pub(super) struct Unpacker {
    context: Option<DCtx<'static>>,
    frames: Vec<u8>,
    /// Bytes that were given out.
    at: usize,
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker")
            .field("len", &self.frames.len())
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What a block's payload came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// Its frames can be read.
    Frames,
    /// It is compressed in another way.
    Unknown,
    /// It is damaged.
    Damaged,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self { context: None, frames: Vec::new(), at: 0 }
    }

    /// Unpacks a block, in place of the one before.
    pub(super) fn unpack(&mut self, payload: &[u8]) -> Unpacked {
        self.frames.clear();
        self.at = 0;
        let Some((head, packed)) = payload.split_first_chunk::<HEAD>() else { return Unpacked::Damaged };
        let [how, len] =
            [0, 4].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
        if how != ZSTD {
            return Unpacked::Unknown;
        }
        let len = len as usize;
        if len > MAX_PAYLOAD {
            return Unpacked::Damaged;
        }
        if self.context.is_none() {
            self.context = DCtx::try_create();
        }
        let Some(context) = &mut self.context else { return Unpacked::Damaged };
        // No more is unpacked than was reserved: a block that is longer than it says is damaged.
        self.frames.reserve_exact(len);
        match context.decompress(&mut self.frames, packed) {
            Ok(found) if found == len => Unpacked::Frames,
            _ => {
                self.frames.clear();
                Unpacked::Damaged
            }
        }
    }

    /// What has not been given out yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.frames.get(self.at..).unwrap_or_default()
    }

    /// Gives out `len` bytes.
    pub(super) fn advance(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }
}
