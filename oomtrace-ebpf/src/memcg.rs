//! Memory cgroups: ids, names, and the chain of limits from the one that fired up to the root.
//!
//! A name is sent once for each cgroup, as single path components with the parent's id; user space joins them. The ids are
//! kernfs ids, which are not reused, unlike `mem_cgroup.id`.

use oomtrace_common::{
    UNKNOWN_U64,
    config::ABSENT,
    record::{CgroupNode, MAX_LEVELS, MemcgLevel, kind},
};

use crate::{
    emit::{NO_WAKEUP, emit, header},
    episode::State,
    globals::off,
    maps::NAMED,
    read::{Errors, copy, copy_str, pointer, zero},
};

/// The kernfs id of a task's memory cgroup, whose name has been sent when this returns.
#[inline(always)]
pub(crate) fn of_task(task: u64, state: *mut State) -> u64 {
    let css_set = pointer(task, off!(task_cgroups));
    let css = pointer(css_set, off!(css_set_memory));
    // SAFETY: `state` points to the episode's state, a map element of which the verifier knows the size.
    unsafe {
        // The memcg scan goes cgroup by cgroup, so that the last one asked for is the likely answer. The cache lives as
        // long as the episode; its css cannot go away while a task of the scan is in it.
        if (*state).last_css == css {
            return (*state).last_css_id;
        }
        let kn = kernfs_node(css);
        let id = id(kn);
        send_names(kn, state);
        (*state).last_css = css;
        (*state).last_css_id = id;
        id
    }
}

/// The node of a css's cgroup, 0 if there is none.
#[inline(always)]
fn kernfs_node(css: u64) -> u64 {
    pointer(pointer(css, off!(css_cgroup)), off!(cgroup_kn))
}

/// A node's id. Ids are never 0.
#[inline(always)]
fn id(kn: u64) -> u64 {
    match pointer(kn, off!(kn_id)) {
        0 => UNKNOWN_U64,
        id => id,
    }
}

/// Sends the name of `kn` and of those ancestors that have not been named yet.
#[inline(always)]
fn send_names(kn: u64, state: *mut State) {
    let mut kn = kn;
    for _ in 0..MAX_LEVELS {
        let id = pointer(kn, off!(kn_id));
        if id == 0 || NAMED.get_ptr(id).is_some() {
            return;
        }
        let parent = pointer(kn, off!(kn_parent));
        let sent = emit!(node: CgroupNode, NO_WAKEUP, {
            // SAFETY: `node` is a whole reserved record; all of it is written.
            unsafe {
                (*node).header = header::<CgroupNode>(kind::CGROUP, 0);
                (*node).id = id;
                (*node).parent = pointer(parent, off!(kn_id));
                zero(&raw mut (*node).name);
                copy_str(&raw mut (*node).name, pointer(kn, off!(kn_name)));
            }
        });
        if !sent {
            // SAFETY: the episode's state.
            unsafe { (*state).lost_records += 1 };
            return;
        }
        // If this fails, the name is sent again next time, which does no harm.
        let _again = NAMED.insert(id, 1, 0);
        kn = parent;
    }
}

/// The kernfs id of a memcg, whose name and whose ancestors' names have been sent when this returns.
#[inline(always)]
pub(crate) fn named_id(memcg: u64, state: *mut State) -> u64 {
    if off!(memcg_css) == ABSENT {
        return UNKNOWN_U64;
    }
    let kn = kernfs_node(memcg + u64::from(off!(memcg_css)));
    send_names(kn, state);
    id(kn)
}

/// Sends the limiter chain from `memcg` up. Names have been sent by [`named_id`].
#[inline(always)]
pub(crate) fn send_chain(memcg: u64, episode: u64, state: *mut State) {
    if off!(memcg_css) == ABSENT {
        return;
    }
    let mut css = memcg + u64::from(off!(memcg_css));
    for level in 0..MAX_LEVELS {
        let memcg = css - u64::from(off!(memcg_css));
        let sent = emit!(record: MemcgLevel, NO_WAKEUP, {
            // SAFETY: `record` is a whole reserved record; all of it is written, the type has no padding.
            unsafe {
                let mut errors = Errors::NONE;
                (*record).header = header::<MemcgLevel>(kind::MEMCG_LEVEL, episode);
                (*record).cgroup = id(kernfs_node(css));
                copy(&raw mut (*record).usage, memcg, off!(memcg_usage), UNKNOWN_U64, &mut errors);
                copy(&raw mut (*record).max, memcg, off!(memcg_max), UNKNOWN_U64, &mut errors);
                copy(&raw mut (*record).high, memcg, off!(memcg_high), UNKNOWN_U64, &mut errors);
                copy(&raw mut (*record).swap_usage, memcg, off!(memcg_swap_usage), UNKNOWN_U64, &mut errors);
                copy(&raw mut (*record).swap_max, memcg, off!(memcg_swap_max), UNKNOWN_U64, &mut errors);
                (*record).level = level;
                (*record).read_failed = u32::from(errors.any());
            }
        });
        if !sent {
            // SAFETY: `state` is the episode's state.
            unsafe { (*state).lost_records += 1 };
        }
        css = pointer(css, off!(css_parent));
        if css == 0 {
            break;
        }
    }
}
