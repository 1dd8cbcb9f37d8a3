//! The trigger's kernel call path.
//!
//! Taken at the entry of `out_of_memory()`, where the return addresses are still the kernel's own (kernels before 5.15 cannot unwind
//! past a return probe), kept here, and sent when the pass ends, unless it was an aborted scan. Addresses only: user space
//! has the names, and drops the probe's own frames.

#[cfg(not(bpf_target_arch = "aarch64"))]
use aya_ebpf::EbpfContext as _;
use aya_ebpf::{helpers::generated::bpf_get_stack, macros::map, maps::Array, programs::ProbeContext};
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

/// Takes the call path of a kprobe at the entry of a function.
#[cfg(not(bpf_target_arch = "aarch64"))]
#[inline(always)]
pub(crate) fn capture_at_entry(ctx: &ProbeContext) {
    capture(ctx.as_ptr());
}

/// Takes the call path of a kprobe at the entry of a function, whose return address is still in a register: the kernel follows the
/// frames that lie on the stack, and would leave the caller out.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn capture_at_entry(ctx: &ProbeContext) {
    /// `x30`, the link register.
    const LR: usize = 30;
    /// The place of the probe and the caller, which are put before the rest.
    const FIRST: usize = 2;
    let Some(stack) = STACK.get_ptr_mut(0) else { return };
    // SAFETY: as above; the rest has the size that is told, and the registers are those of the program's context.
    unsafe {
        let addresses = &raw mut (*stack).addresses;
        (*addresses)[0] = (*ctx.regs).pc;
        (*addresses)[1] = (*ctx.regs).regs[LR];
        let rest = (&raw mut (*addresses)[FIRST]).cast();
        // One frame is passed over: the place of the probe.
        let len = bpf_get_stack(ctx.regs.cast(), rest, (size_of::<u64>() * (STACK_DEPTH - FIRST)) as u32, 1);
        (*stack).count = FIRST as u32 + if len > 0 { len as u32 / 8 } else { 0 };
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
