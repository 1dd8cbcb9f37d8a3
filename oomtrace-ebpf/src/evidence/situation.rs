//! CPU, settings, swap, node masks: what the kernel's report says beside its tables.

use aya_ebpf::helpers::{bpf_get_current_task, generated::bpf_get_smp_processor_id};
use oomtrace_common::{
    UNKNOWN_U32,
    config::ABSENT,
    evidence::{NODE_WORDS, Situation, variable},
    record::kind,
};

use super::{PLACES, place};
use crate::{
    emit::{emit, header, leaves_headroom, wake_if_filling},
    episode::State,
    globals::{at, load, off},
    memcg::kernfs_node,
    read::{Errors, copy, copy_bytes, copy_str, follow, pointer, zero},
};

/// How many variables there are; see [`crate::globals::THREADS`].
// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
static VARIABLES: u32 = variable::COUNT as u32;

/// Sends the situation.
#[inline(always)]
pub(super) fn send(state: *mut State) {
    let fits = leaves_headroom(size_of::<Situation>() as u64);
    let sent = fits
        && emit!(RING, record: Situation, wake_if_filling(), {
            let mut errors = Errors::NONE;
            // SAFETY: `record` is a whole reserved record, all of which is written; the helpers have no preconditions.
            unsafe {
                let task = bpf_get_current_task();
                (*record).header = header::<Situation>(kind::SITUATION, (*state).episode);
                let variables = (&raw mut (*record).variables).cast::<u64>();
                let addresses = &raw const PLACES.tainted_mask;
                let mut absent = 0;
                for i in 0..load(&VARIABLES) as usize {
                    let address = addresses.add(i).read_volatile();
                    if address == 0 {
                        absent |= 1 << i;
                        variables.add(i).write(0);
                    } else {
                        copy(variables.add(i), address, 0, 0, &mut errors);
                    }
                }
                (*record).absent = absent;
                (*record).cpu = bpf_get_smp_processor_id() as u32;
                (*record).reserved = 0;

                let nodemask = pointer((*state).oc, place!(oc_nodemask));
                let nodemask_known = place!(oc_nodemask) != ABSENT && place!(nodemask_len) != ABSENT;
                (*record).nodemask_set =
                    if nodemask_known { u32::from(nodemask != 0) } else { UNKNOWN_U32 };
                mask(&raw mut (*record).nodemask, nodemask, 0, &mut errors);
                (*record).mems_allowed_known = u32::from(
                    place!(task_mems_allowed) != ABSENT && place!(nodemask_len) != ABSENT,
                );
                mask(&raw mut (*record).mems_allowed, task, place!(task_mems_allowed), &mut errors);
                (*record).online_known = u32::from(place!(online) != 0 && place!(nodemask_len) != ABSENT);
                mask(&raw mut (*record).online, place!(online), 0, &mut errors);

                zero(&raw mut (*record).cpuset);
                let css = pointer(follow(at!(task, task_cgroups)), place!(css_set_cpuset));
                let kn = kernfs_node(css);
                (*record).cpuset_known = u32::from(kn != 0 && off!(kn_name) != ABSENT);
                copy_str(&raw mut (*record).cpuset, follow(at!(kn, kn_name)));
                (*record).read_failed = u32::from(errors.any());
                if errors.any() {
                    (*state).failed_reads += 1;
                }
            }
        });
    if !sent {
        // SAFETY: this thread owns the state.
        unsafe { (*state).lost_records += 1 };
    }
}

/// Copies the node mask at `base + offset`; no nodes without one.
///
/// # Safety
/// `out` must be valid for writes, and of a memory type that the verifier accepts as a helper's buffer.
#[inline(always)]
unsafe fn mask(out: *mut [u64; NODE_WORDS], base: u64, offset: u32, errors: &mut Errors) {
    // SAFETY: the caller vouches for `out`; no more than all of it is written.
    unsafe {
        zero(out);
        let len = place!(nodemask_len);
        if base != 0 && offset != ABSENT && len as usize <= size_of::<[u64; NODE_WORDS]>() {
            copy_bytes(out.cast(), len, base + u64::from(offset), errors);
        }
    }
}
