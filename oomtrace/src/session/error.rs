//! Why a session file cannot be opened, and how the reading of one that can be ended.

use std::fmt;
use std::io;

use super::format::{MAX_PAYLOAD, VERSION, Version};

/// Why a file cannot be opened as a session. Nothing can be shown of it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing in it.
    #[error("the file is empty; a recording has at least a header")]
    Empty,
    /// Of another kind.
    #[error("not an oomtrace recording{}", .looks_like.map(|kind| format!(": it looks like {kind}")).unwrap_or_default())]
    OtherKind {
        /// What it looks like, with its article.
        looks_like: Option<&'static str>,
    },
    /// Cut off inside the header.
    #[error("the recording is cut off inside its header, after {len} bytes")]
    TornHeader {
        /// Bytes that there are.
        len: u64,
    },
    /// The header's checksum is wrong.
    #[error("the recording's header is damaged (its checksum is wrong)")]
    BadHeader,
    /// Of another major version. So far there is one, so it is from a newer program.
    #[error(
        "the recording has format {found}, this oomtrace reads {}.x; \
         use the oomtrace that made it, or a newer one", VERSION.major.0
    )]
    OtherMajor {
        /// The file's version.
        found: Version,
    },
    /// The first frame is not the session's description.
    #[error("the recording is damaged before its first observation: {0}")]
    NoInfo(Ending),
    /// The first frame is something else, or not readable.
    #[error("the recording does not begin with a description of its session")]
    NotInfo,
    /// The operating system said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How the reading ended. Everything before was read.
#[derive(Debug)]
pub enum Ending {
    /// With the end frame.
    Complete,
    /// After a whole frame, without an end frame.
    Unfinished {
        /// Length of what is there, bytes.
        offset: u64,
    },
    /// Inside a frame.
    Torn {
        /// Where the frame starts, bytes.
        offset: u64,
    },
    /// The checksum of a frame is wrong.
    BadChecksum {
        /// Where the frame starts, bytes.
        offset: u64,
    },
    /// The length of a frame is beyond what is allowed.
    TooLong {
        /// Where the frame starts, bytes.
        offset: u64,
        /// What it claims, bytes.
        len: u32,
    },
    /// A compressed block is whole, and cannot be unpacked.
    BadBlock {
        /// Where it starts, bytes.
        offset: u64,
    },
    /// Something follows the end frame.
    Trailing {
        /// Where the end frame ended, bytes.
        offset: u64,
    },
    /// Reading failed.
    Io {
        /// Where the frame starts that could not be read, bytes.
        offset: u64,
        /// What the operating system said.
        error: io::Error,
    },
}

impl Ending {
    /// Whether the file was whole.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Unfinished { offset } => write!(
                f,
                "the recording has no end after {offset} bytes: it was cut off there, or is still being written"
            ),
            Self::Torn { offset } => {
                write!(
                    f,
                    "the recording is cut off inside the frame at byte {offset}; all before it was read"
                )
            }
            Self::BadChecksum { offset } => {
                write!(
                    f,
                    "the frame at byte {offset} is damaged (its checksum is wrong); all before it was read"
                )
            }
            Self::TooLong { offset, len } => write!(
                f,
                "the frame at byte {offset} is damaged (it claims {len} bytes, more than the {MAX_PAYLOAD} allowed); \
                 all before it was read"
            ),
            Self::BadBlock { offset } => {
                write!(f, "the compressed block at byte {offset} cannot be unpacked; all before it was read")
            }
            Self::Trailing { offset } => {
                write!(f, "something follows the end of the recording at byte {offset}; it was not read")
            }
            Self::Io { offset, error } => {
                write!(f, "reading failed at byte {offset}: {error}; all before it was read")
            }
        }
    }
}

/// What a file that is no recording looks like, by its first bytes.
pub(super) fn guess(head: &[u8]) -> Option<&'static str> {
    const MAGICS: &[(&[u8], &str)] = &[
        (b"\x1f\x8b", "a gzip file (unpack it first)"),
        (b"\x28\xb5\x2f\xfd", "a zstd file (unpack it first)"),
        (b"\xfd7zXZ\0", "an xz file (unpack it first)"),
        (b"BZh", "a bzip2 file (unpack it first)"),
        (b"PK\x03\x04", "a zip file (unpack it first)"),
        (b"\x7fELF", "an ELF file (a program or a core dump)"),
        (b"PERFILE2", "perf.data"),
        (b"LPKSHHRH", "a systemd journal file"),
        (b"OOM\r\n\x1a\n", "a recording whose first byte was lost on the way"),
        (b"\x89OOM\n\x1a\n", "a recording that was sent as text: transfer it as binary"),
        (b"\x09OOM\r\n\x1a\n", "a recording that was sent over a 7-bit line: transfer it as binary"),
    ];
    if let Some((_, kind)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(kind);
    }
    let text = head.iter().all(|&b| b >= 0x20 || matches!(b, b'\n' | b'\r' | b'\t' | 0x1b));
    if !text {
        return None;
    }
    let trimmed = head.trim_ascii_start();
    if trimmed.starts_with(b"{") {
        return Some("JSON (the output of --json cannot be replayed, a recording made with -o can)");
    }
    let is_log = trimmed.starts_with(b"<") || trimmed.starts_with(b"[") || contains(head, b"kernel:");
    Some(if is_log { "a kernel log in text form" } else { "a text file" })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
