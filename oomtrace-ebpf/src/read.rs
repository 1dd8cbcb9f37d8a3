//! Reads of kernel memory. They never fault.
//!
//! Written for the verifier, which follows every branch: a failed read does not branch, but leaves zero (the helper sees to
//! that) and a mark in [`Errors`]. What this kernel does not have is a branch that the verifier takes or drops for good.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use oomtrace_common::config::ABSENT;

/// Whether any of a run of reads failed.
pub(crate) struct Errors(i64);

impl Errors {
    pub(crate) const NONE: Self = Self(0);

    /// Whether one did.
    #[inline(always)]
    pub(crate) fn any(&self) -> bool {
        self.0 != 0
    }
}

/// Copies the value at `base + offset` to `out`; zero if that fails, `absent` if this kernel has no such member.
///
/// # Safety
/// `out` must be valid for writes, and of a memory type that the verifier accepts as a helper's buffer.
#[inline(always)]
pub(crate) unsafe fn copy<T: Copy>(out: *mut T, base: u64, offset: u32, absent: T, errors: &mut Errors) {
    // SAFETY: the caller vouches for `out`; the helper checks the address. `T` is a plain integer at every call.
    unsafe {
        if offset == ABSENT {
            out.write(absent);
            return;
        }
        let from = (base + u64::from(offset)) as *const core::ffi::c_void;
        errors.0 |= bpf_probe_read_kernel(out.cast(), size_of::<T>() as u32, from);
    }
}

/// The value at `base + offset`; zero if it cannot be read, `absent` if this kernel has no such member.
#[inline(always)]
pub(crate) fn read<T: Copy>(base: u64, offset: u32, absent: T, errors: &mut Errors) -> T {
    let mut value = absent;
    // SAFETY: `value` is on the stack.
    unsafe { copy(&raw mut value, base, offset, absent, errors) };
    value
}

/// The pointer at `base + offset`; 0 when it is null or there is none to be read.
#[inline(always)]
pub(crate) fn pointer(base: u64, offset: u32) -> u64 {
    read(base, offset, 0, &mut { Errors::NONE })
}

/// Copies the NUL-terminated string at `address` to `out`, which must have been zeroed; what follows the NUL stays zero.
///
/// # Safety
/// As for [`copy`], for `LEN` bytes.
#[inline(always)]
pub(crate) unsafe fn copy_str<const LEN: usize>(out: *mut [u8; LEN], address: u64) {
    // SAFETY: the caller vouches for `out`; the helper checks `address`, and leaves an empty string if it is bad.
    unsafe { bpf_probe_read_kernel_str(out.cast(), LEN as u32, address as *const core::ffi::c_void) };
}

/// Zeroes `LEN` bytes (a multiple of 8) with volatile stores: a call of `memset` would make a loop of single bytes.
///
/// # Safety
/// `out` must be valid for writes of `LEN` bytes and 8-byte aligned.
#[inline(always)]
pub(crate) unsafe fn zero<const LEN: usize>(out: *mut [u8; LEN]) {
    let words: *mut u64 = out.cast();
    for i in 0..LEN / 8 {
        // SAFETY: within `LEN` bytes of `out`, for which the caller vouches.
        unsafe { words.add(i).write_volatile(0) };
    }
}

/// Zeroes a plain value of whole words with volatile stores: a call of `memset` would make a loop of single bytes.
///
/// # Safety
/// `out` must be valid for writes and 8-byte aligned; `T` must be integers only, and a multiple of 8 bytes.
#[inline(always)]
pub(crate) unsafe fn zero_words<T>(out: *mut T) {
    let words: *mut u64 = out.cast();
    for i in 0..size_of::<T>() / 8 {
        // SAFETY: within `out`, for which the caller vouches.
        unsafe { words.add(i).write_volatile(0) };
    }
}

/// Copies `len` bytes from `address` to `out`; zeros if that fails.
///
/// # Safety
/// `out` must be valid for writes of `len` bytes, and of a memory type that the verifier accepts as a helper's buffer.
#[inline(always)]
pub(crate) unsafe fn copy_bytes(out: *mut u8, len: u32, address: u64, errors: &mut Errors) {
    // SAFETY: the caller vouches for `out`; the helper checks the address.
    unsafe { errors.0 |= bpf_probe_read_kernel(out.cast(), len, address as *const core::ffi::c_void) };
}
