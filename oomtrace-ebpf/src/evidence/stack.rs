//! The trigger's kernel call path.
//!
//! Taken at the entry of `out_of_memory()`, where the return addresses are still the kernel's own (kernels before 5.15 cannot unwind
//! past a return probe), kept here, and sent when the pass ends, unless it was an aborted scan. Addresses only: user space
//! has the names, and drops the probe's own frames.

use aya_ebpf::{helpers::generated::bpf_get_stack, macros::map, maps::Array};
use oomtrace_common::{
    evidence::{STACK_DEPTH, Stack},
    record::kind,
};

use crate::{emit::header, episode::State};

/// The last call path taken. Only a thread that holds `oom_lock` touches it.
#[map]
static STACK: Array<Stack> = Array::with_max_entries(1, 0);

/// Takes the call path of a program's context.
#[inline(always)]
pub(crate) fn capture(ctx: *mut core::ffi::c_void) {
    let Some(stack) = STACK.get_ptr_mut(0) else { return };
    // SAFETY: a valid pointer to the map's only element, in which the addresses have the size that is told; `ctx` is
    // the program's own.
    unsafe {
        let addresses = &raw mut (*stack).addresses;
        let len = bpf_get_stack(ctx, addresses.cast(), size_of::<[u64; STACK_DEPTH]>() as u32, 0);
        (*stack).count = if len > 0 { len as u32 / 8 } else { 0 };
        (*stack).header = header::<Stack>(kind::STACK, 0);
    }
}

/// Sends the call path of the running pass.
#[inline(always)]
pub(crate) fn send(state: *mut State) {
    let Some(stack) = STACK.get_ptr_mut(0) else { return };
    // SAFETY: this thread owns the episode, and has taken this call path on the way in; the element is a whole record.
    unsafe {
        (*stack).header.episode = (*state).episode;
        super::output((&raw mut (*stack).header).cast(), size_of::<Stack>(), state);
    }
}
