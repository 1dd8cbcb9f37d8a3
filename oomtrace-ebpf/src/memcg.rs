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
    read::{read, read_ptr, read_str, zero},
};

/// The kernfs id of a task's memory cgroup, whose name has been sent when this returns.
#[inline(always)]
pub(crate) fn of_task(task: u64, state: *mut State) -> u64 {
    let css_set = read_ptr(task, off!(task_cgroups));
    let css = read_ptr(css_set, off!(css_set_memory));
    if css == 0 {
        return UNKNOWN_U64;
    }
    // SAFETY: `state` points to the episode's state, a map element of which the verifier knows the size.
    unsafe {
        // The memcg scan goes cgroup by cgroup, so that the last one asked for is the likely answer. The cache lives as
        // long as the episode; its css cannot go away while a task of the scan is in it.
        if (*state).last_css == css {
            return (*state).last_css_id;
        }
        let id = of_css(css, state);
        (*state).last_css = css;
        (*state).last_css_id = id;
        id
    }
}

/// The kernfs id of a css's cgroup, whose name has been sent when this returns.
#[inline(always)]
fn of_css(css: u64, state: *mut State) -> u64 {
    let cgroup = read_ptr(css, off!(css_cgroup));
    let kn = read_ptr(cgroup, off!(cgroup_kn));
    let Some(id) = read::<u64>(kn, off!(kn_id)) else { return UNKNOWN_U64 };
    if NAMED.get_ptr(id).is_none() {
        send_names(kn, state);
    }
    id
}

/// Sends the name of `kn` and of those ancestors that have not been named yet. Out of line: it is rare, and the verifier
/// then checks it once.
#[inline(never)]
fn send_names(kn: u64, state: *mut State) {
    let mut kn = kn;
    for _ in 0..MAX_LEVELS {
        let Some(id) = read::<u64>(kn, off!(kn_id)) else { return };
        if NAMED.get_ptr(id).is_some() {
            return;
        }
        let parent = read_ptr(kn, off!(kn_parent));
        let parent_id = read::<u64>(parent, off!(kn_id)).unwrap_or(0);
        let name = read_ptr(kn, off!(kn_name));
        let sent = emit::<CgroupNode>(NO_WAKEUP, |node| {
            // SAFETY: `node` is a whole reserved record; all of it is written.
            unsafe {
                (*node).header = header::<CgroupNode>(kind::CGROUP, 0);
                (*node).id = id;
                (*node).parent = parent_id;
                zero(&raw mut (*node).name);
                read_str(&raw mut (*node).name, name);
            }
        });
        if !sent {
            if !state.is_null() {
                // SAFETY: not null, so the episode's state.
                unsafe { (*state).lost_records += 1 };
            }
            return;
        }
        // If this fails, the name is sent again next time, which does no harm.
        let _again = NAMED.insert(id, 1, 0);
        if parent == 0 {
            return;
        }
        kn = parent;
    }
}

/// The kernfs id of a memcg, whose name has been sent when this returns.
#[inline(always)]
pub(crate) fn id(memcg: u64, state: *mut State) -> u64 {
    if off!(memcg_css) == ABSENT {
        return UNKNOWN_U64;
    }
    of_css(memcg + u64::from(off!(memcg_css)), state)
}

/// Sends the limiter chain from `memcg` up.
#[inline(always)]
pub(crate) fn send_chain(memcg: u64, episode: u64, state: *mut State) {
    if off!(memcg_css) == ABSENT {
        return;
    }
    let mut css = memcg + u64::from(off!(memcg_css));
    for level in 0..MAX_LEVELS {
        let id = of_css(css, state);
        let memcg = css - u64::from(off!(memcg_css));
        let sent = emit::<MemcgLevel>(NO_WAKEUP, |record| {
            // SAFETY: `record` is a whole reserved record; all of it is written, the type has no padding.
            unsafe {
                (*record).header = header::<MemcgLevel>(kind::MEMCG_LEVEL, episode);
                (*record).cgroup = id;
                (*record).usage = pages(memcg, off!(memcg_usage));
                (*record).max = pages(memcg, off!(memcg_max));
                (*record).high = pages(memcg, off!(memcg_high));
                (*record).swap_usage = pages(memcg, off!(memcg_swap_usage));
                (*record).swap_max = pages(memcg, off!(memcg_swap_max));
                (*record).level = level;
                (*record).reserved = 0;
            }
        });
        if !sent {
            // SAFETY: `state` is the episode's state.
            unsafe { (*state).lost_records += 1 };
        }
        css = read_ptr(css, off!(css_parent));
        if css == 0 {
            break;
        }
    }
}

/// A page counter's member; a counter can be negative for a moment.
#[inline(always)]
fn pages(memcg: u64, offset: u32) -> u64 {
    match read::<i64>(memcg, offset) {
        Some(n) if n < 0 => 0,
        Some(n) => n as u64,
        None => UNKNOWN_U64,
    }
}
