//! A hole in a recording, told where it is.

use minicbor::{Decode, Encode};

/// Observations were made and are not in the recording. What was unfinished before is finished as far as it is known, and what
/// follows of it is passed over: half of it is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Gap {
    /// Why; one of the constants here.
    #[n(0)]
    #[cbor(default)]
    pub cause: u32,
    /// Observations that are missing; `None` when they are in another file.
    #[n(1)]
    pub records: Option<u64>,
    /// Bytes that their frames would have been, not packed.
    #[n(2)]
    pub bytes: Option<u64>,
    /// Passes through `out_of_memory()` among them, by their entries.
    #[n(3)]
    pub episodes: Option<u64>,
    /// Time of the first of them, ns since boot; `None` when none of them has a time.
    #[n(4)]
    pub first_boot_ns: Option<u64>,
    /// Time of the last of them, ns since boot.
    #[n(5)]
    pub last_boot_ns: Option<u64>,
    /// The newest pass that had been entered by then: observations of it and of those before it that follow are pieces.
    #[n(6)]
    #[cbor(default)]
    pub newest_episode: u64,
    /// What the operating system said.
    #[n(7)]
    pub error: Option<String>,
}

impl Gap {
    /// They were made faster than they could be written.
    pub const BEHIND: u32 = 1;
    /// They could not be written.
    pub const TARGET: u32 = 2;
    /// The file begins in the middle: what comes before is in another file.
    pub const ELSEWHERE: u32 = 3;

    /// The cause in words.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match self.cause {
            Self::BEHIND => "the recording could not keep up",
            Self::TARGET => "the recording could not be written",
            Self::ELSEWHERE => "what comes before is in another file",
            _ => "for a reason that this oomtrace does not know",
        }
    }
}
