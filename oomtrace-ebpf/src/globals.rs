//! Read-only globals that the loader fills in before loading: where things are in this kernel.
//!
//! They are read with volatile loads, so that the compiler does not fold in the values of the build; the verifier, which
//! sees a frozen map, does fold in the loader's.

use oomtrace_common::config::{Layout, Sizes};

// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout::UNSET;

// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static SIZES: Sizes = Sizes { headroom: 0, ring: 0 };

/// Reads one member of [`LAYOUT`] or [`SIZES`] where it lies.
#[inline(always)]
pub(crate) fn load<T: Copy>(member: &'static T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::read_volatile(member) }
}

/// The offset of a member by its name in [`Layout`], or `ABSENT`.
macro_rules! off {
    ($member:ident) => {
        $crate::globals::load(&$crate::globals::LAYOUT.$member)
    };
}
pub(crate) use off;

/// A member of [`Sizes`].
macro_rules! size {
    ($member:ident) => {
        $crate::globals::load(&$crate::globals::SIZES.$member)
    };
}
pub(crate) use size;
