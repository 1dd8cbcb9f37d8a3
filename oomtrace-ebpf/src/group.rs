//! `memory.oom.group`: which cgroup is killed as a whole.

use oomtrace_common::{
    record::{OomGroup, kind},
    step,
};

use crate::{
    emit::{emit, header, wake_if_filling},
    episode::{self, State},
    globals::at,
    memcg,
};

/// `mem_cgroup_print_oom_group(memcg)` was entered: all of `memcg` is to be killed.
#[inline(always)]
pub(crate) fn found(memcg: u64) -> Option<*mut State> {
    let state = episode::owned()?;
    // Never null; and by fentry it comes as a pointer with a type, which may be added to and nothing else.
    let kn = memcg::kernfs_node(at!(memcg, memcg_css));
    // SAFETY: this thread owns the state.
    let episode = unsafe {
        // The group may lie below the limit that was hit, and nobody asked for its name yet.
        (*state).kn = kn;
        (*state).kn_next = 0;
        (*state).then = step::NONE;
        (*state).episode
    };
    let sent = emit!(RING, record: OomGroup, wake_if_filling(), {
        // SAFETY: `record` is a whole reserved record, all of which is written.
        unsafe {
            (*record).header = header::<OomGroup>(kind::OOM_GROUP, episode);
            (*record).cgroup = memcg::id(kn);
        }
    });
    if !sent {
        // SAFETY: this thread owns the state.
        unsafe { (*state).lost_records += 1 };
    }
    Some(state)
}
