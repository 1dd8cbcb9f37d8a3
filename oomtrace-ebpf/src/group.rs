//! `memory.oom.group`: which cgroup is killed as a whole.

use oomtrace_common::record::{OomGroup, kind};

use crate::{
    emit::{emit, header, wake_if_filling},
    episode, memcg,
};

/// `mem_cgroup_print_oom_group(memcg)` was entered: all of `memcg` is to be killed.
#[inline(always)]
pub(crate) fn found(memcg: u64) {
    let Some(state) = episode::owned() else { return };
    // The group may lie below the limit that was hit, and nobody asked for its name yet.
    let id = memcg::named_id(memcg, state);
    // SAFETY: this thread owns the state.
    let episode = unsafe { (*state).episode };
    let sent = emit!(record: OomGroup, wake_if_filling(), {
        // SAFETY: `record` is a whole reserved record, all of which is written.
        unsafe {
            (*record).header = header::<OomGroup>(kind::OOM_GROUP, episode);
            (*record).cgroup = id;
        }
    });
    if !sent {
        // SAFETY: this thread owns the state.
        unsafe { (*state).lost_records += 1 };
    }
}
