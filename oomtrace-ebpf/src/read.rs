//! Reads of kernel memory. They never fault.
//!
//! Written for the verifier, which follows every branch: a failed read does not branch, but leaves zero (the helper sees to
//! that) and a mark in [`Errors`]. What this kernel does not have is a branch that the verifier takes or drops for good.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use oomtrace_common::{UNKNOWN_U64, config::ABSENT};

/// Whether any of a run of reads failed.
pub(crate) struct Errors(i64);

impl Errors {
    pub(crate) const NONE: Self = Self(0);

    /// Adds those of another run, if `counts` is 1 and not 0.
    #[inline(always)]
    pub(crate) fn add(&mut self, other: &Self, counts: u16) {
        self.0 |= other.0 * i64::from(counts);
    }

    /// Whether one did.
    #[inline(always)]
    pub(crate) fn any(&self) -> bool {
        self.0 != 0
    }

    /// Not 0 when one did.
    #[inline(always)]
    pub(crate) fn bits(&self) -> u64 {
        self.0 as u64
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

/// Copies `count` values of 8 bytes to `out`, each as [`copy`] does with [`UNKNOWN_U64`] for an absent one, at the offsets from
/// `offsets` on.
///
/// # Safety
/// As for [`copy`], for all of them; `offsets` must be that many members of a read-only global.
#[inline(always)]
pub(crate) unsafe fn copy_run(
    out: *mut u64,
    base: u64,
    offsets: *const u32,
    count: u32,
    errors: &mut Errors,
) {
    for i in 0..count as usize {
        // SAFETY: the caller vouches for both.
        unsafe { copy(out.add(i), base, offsets.add(i).read_volatile(), UNKNOWN_U64, errors) };
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

/// The value at `address`; zero if it cannot be read. For members that are always there.
#[inline(always)]
pub(crate) fn get<T: Copy>(address: u64, errors: &mut Errors) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `value` is on the stack, and the helper writes all of it, zeros where it cannot read; `T` is a plain integer at
    // every call.
    unsafe {
        let from = address as *const core::ffi::c_void;
        errors.0 |= bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from);
        value.assume_init()
    }
}

/// Copies the value at `address` to `out`; zero if that fails. For members that are always there.
///
/// # Safety
/// As for [`copy`].
#[inline(always)]
pub(crate) unsafe fn put<T: Copy>(out: *mut T, address: u64, errors: &mut Errors) {
    // SAFETY: the caller vouches for `out`; the helper checks the address. `T` is a plain integer at every call.
    unsafe {
        let from = address as *const core::ffi::c_void;
        errors.0 |= bpf_probe_read_kernel(out.cast(), size_of::<T>() as u32, from);
    }
}

/// All bits of a negative number, none of any other. The compiler does not know what it is, and so makes no branch of what is
/// calculated from it.
#[inline(always)]
pub(crate) fn sign(value: i64) -> i64 {
    let mut value = value;
    // SAFETY: the instruction changes the register that it is given, and nothing else.
    unsafe {
        core::arch::asm!("{value} s>>= 63", value = inout(reg) value, options(pure, nomem, nostack));
    }
    value
}

/// The pointer at `address`; 0 when it is null or there is none to be read.
#[inline(always)]
pub(crate) fn follow(address: u64) -> u64 {
    get(address, &mut { Errors::NONE })
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

/// Zeroes a value by a read that fails: there is nothing at address 0. Five instructions, where stores are one for every word and
/// a call of `memset` is a loop of single bytes in a function of its own.
///
/// # Safety
/// `out` must be valid for writes, and of a memory type that the verifier accepts as a helper's buffer; `T` must be integers
/// only.
#[inline(always)]
pub(crate) unsafe fn zero<T>(out: *mut T) {
    // SAFETY: the caller vouches for `out`; the helper leaves zeros where it cannot read.
    unsafe { bpf_probe_read_kernel(out.cast(), size_of::<T>() as u32, core::ptr::null()) };
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
