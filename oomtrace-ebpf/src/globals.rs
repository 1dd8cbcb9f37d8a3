//! Read-only globals that the loader fills in before loading: where things are in this kernel.
//!
//! They are read with volatile loads, so that the compiler does not fold in the values of the build; the verifier, which
//! sees a frozen map, does fold in the loader's. Single offsets are not read at all: the loader puts them into instructions.

use oomtrace_common::config::{Layout, Sizes};

// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout::UNSET;

// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static SIZES: Sizes = Sizes { headroom: 0, ring: 0, aftermath: 0, log: 1 };

/// Threads of a process that are searched for an mm. Dead threads leave the list, so that only a leader that exited first
/// (and traced ones) are ever in the way. Here, as [`LEVELS`], for the sake of loops: the verifier knows the number and the
/// compiler does not, which would write the loop out; verifiers from 7.0 on go over every instruction a few thousand steps.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static THREADS: u32 = 16;

/// Levels of cgroups that are followed.
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static LEVELS: u32 = oomtrace_common::record::MAX_LEVELS;

/// Counters of an mm, and of a level of the limiter chain: runs of members of [`LAYOUT`].
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static MM_COUNTERS: u32 = 6;
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static MEMCG_COUNTERS: u32 = 11;

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(Layout, mm_total_vm) - offset_of!(Layout, mm_rss_file) == 5 * 4);
    assert!(offset_of!(Layout, memcg_kmem_usage) - offset_of!(Layout, memcg_usage) == 10 * 4);
};

/// Reads one member of [`LAYOUT`] or [`SIZES`] where it lies.
#[inline(always)]
pub(crate) fn load<T: Copy>(member: &'static T) -> T {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::read_volatile(member) }
}

/// The offset of a member by its name in [`Layout`], or `ABSENT`: one move, whose immediate the loader puts in. A load from
/// [`LAYOUT`] would be three instructions.
macro_rules! off {
    ($member:ident) => {
        $crate::globals::wide!($member) as u32
    };
}
pub(crate) use off;

/// The same, as the register has it.
macro_rules! wide {
    ($member:ident) => {{
        let offset: u64;
        // SAFETY: the instruction writes the register that it is given, and nothing else.
        #[allow(unused_unsafe)]
        unsafe {
            core::arch::asm!(
                "{offset} = {marker}",
                offset = out(reg) offset,
                marker = const oomtrace_common::config::marker::immediate(
                    core::mem::offset_of!(oomtrace_common::config::Layout, $member)
                ),
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        offset
    }};
}
pub(crate) use wide;

/// The address of a member by its name in [`Layout`], of what is at `base`: one addition. 0, where nothing can be read, if this kernel has
/// no such member: the loader makes a move of it then.
macro_rules! at {
    ($base:expr, $member:ident) => {{
        let mut address: u64 = $base;
        // SAFETY: the instruction changes the register that it is given, and nothing else.
        #[allow(unused_unsafe)]
        unsafe {
            core::arch::asm!(
                "{address} += {marker}",
                address = inout(reg) address,
                marker = const oomtrace_common::config::marker::immediate(
                    core::mem::offset_of!(oomtrace_common::config::Layout, $member)
                ),
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        address
    }};
}
pub(crate) use at;

/// A member of [`Sizes`].
macro_rules! size {
    ($member:ident) => {
        $crate::globals::load(&$crate::globals::SIZES.$member)
    };
}
pub(crate) use size;
