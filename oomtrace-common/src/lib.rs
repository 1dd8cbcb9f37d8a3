//! What crosses between oomtrace's eBPF program and its collector, and nothing else.
//!
//! Rules for everything in this crate:
//! - `repr(C)`, fixed-width integers and byte arrays only; padding is a named field; sizes are asserted at compile time.
//! - Kind codes are integer constants, never an enum read from bytes.
//! - "Not available" has a value of its own next to each field that needs it ([`UNKNOWN_U64`] and its kin) and is
//!   never zero.
//! - Both sides are built from one source tree; this layout is private to a build. The session file has its own.
#![no_std]

pub mod config;
pub mod evidence;
pub mod mark;
pub mod record;
pub mod step;

/// "Not available" for a `u64`. No counter reaches it; and it is not what a per-CPU counter's shared part, which can be a
/// little below zero, looks like as a `u64`.
pub const UNKNOWN_U64: u64 = 1 << 63;
/// "Not available" for a `u32`; for a uid it is the kernel's own `INVALID_UID`.
pub const UNKNOWN_U32: u32 = u32::MAX;
/// "Not available" for an `i32`; no pid, order or signal result has this value.
pub const UNKNOWN_I32: i32 = i32::MIN;
/// "Not available" for an `oom_score_adj`, which lies in -1000..=1000.
pub const UNKNOWN_I16: i16 = i16::MIN;
