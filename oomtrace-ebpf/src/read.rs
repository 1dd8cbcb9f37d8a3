//! Reads of kernel memory. They never fault: what cannot be read is `None`, and so is what this kernel does not have.

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated::bpf_probe_read_kernel_str};
use oomtrace_common::config::ABSENT;

/// The value at `base + offset`; `None` for a null base, an absent member, or a failed read.
#[inline(always)]
pub(crate) fn read<T: Copy>(base: u64, offset: u32) -> Option<T> {
    if offset == ABSENT || base == 0 {
        return None;
    }
    // SAFETY: the helper checks the address; `T` is a plain integer at every call.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// A pointer at `base + offset`; 0 when it is null or could not be read.
#[inline(always)]
pub(crate) fn read_ptr(base: u64, offset: u32) -> u64 {
    read::<u64>(base, offset).unwrap_or(0)
}

/// Copies the NUL-terminated string at `address` to `out`, which must have been zeroed; what follows the NUL stays zero.
///
/// # Safety
/// `out` must be valid for writes of `LEN` bytes and of a memory type that the verifier accepts as a helper's buffer.
#[inline(always)]
pub(crate) unsafe fn read_str<const LEN: usize>(out: *mut [u8; LEN], address: u64) -> bool {
    if address == 0 {
        return false;
    }
    // SAFETY: the caller vouches for `out`; the helper checks `address`.
    unsafe { bpf_probe_read_kernel_str(out.cast(), LEN as u32, address as *const core::ffi::c_void) >= 0 }
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
