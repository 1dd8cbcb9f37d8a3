//! Loads of members where instructions count: two ways with one shape, so that the scan's program is written once.
//!
//! The fentry programs load by instructions that the verifier checks against the kernel's types; what kprobes get are bare
//! addresses, which take a helper's call each. Offsets are markers ([`oomtrace_common::config::marker`]), which the loader replaces.

/// The same number, about which the compiler knows nothing: what it is compared to here does not become one with what it is compared
/// to elsewhere.
#[inline(always)]
pub(crate) fn hidden(mut number: u64) -> u64 {
    // SAFETY: no instruction at all.
    unsafe {
        core::arch::asm!("/* {number} */", number = inlateout(reg) number, options(pure, nomem, nostack, preserves_flags))
    };
    number
}

/// Loads a member by an instruction that the verifier takes for an access to the kernel's struct. A base of 0 gives 0.
macro_rules! by_type {
    ($errors:ident, $size:literal, $type:ty, $base:expr, $member:ident, $marker:ident) => {{
        let value: u64;
        core::arch::asm!(
            concat!("{value} = *(", $size, " *)({base} + {offset})"),
            value = lateout(reg) value,
            base = in(reg) $base,
            offset = const marker::$marker,
            options(pure, readonly, nostack, preserves_flags),
        );
        value as $type
    }};
    (to $out:expr, $errors:ident, $size:literal, $type:ty, $base:expr, $member:ident, $marker:ident) => {
        $out.write(by_type!($errors, $size, $type, $base, $member, $marker))
    };
}
pub(crate) use by_type;

/// Loads a member by a helper's call; where this kernel has no such member, all bits are set, which says unknown.
macro_rules! by_helper {
    ($errors:ident, $size:literal, $type:ty, $base:expr, $member:ident, $marker:ident) => {
        get::<$type>(at!($base, $member), &mut $errors)
    };
    (to $out:expr, $errors:ident, $size:literal, $type:ty, $base:expr, $member:ident, $marker:ident) => {
        if wide!($member) == u64::from(ABSENT) {
            $out.write(!0);
        } else {
            put::<$type>($out, at!($base, $member), &mut $errors);
        }
    };
}
pub(crate) use by_helper;
