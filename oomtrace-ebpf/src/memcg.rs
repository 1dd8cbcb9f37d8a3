//! Memory cgroups: ids, names, and the chain of limits from the one that fired up to the root.
//!
//! Names are sent once for each cgroup that a task or a limit is in, with those of its ancestors; user space joins them. The
//! ids are kernfs ids, which are not reused, unlike `mem_cgroup.id`.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use oomtrace_common::{
    UNKNOWN_U32, UNKNOWN_U64,
    config::ABSENT,
    record::{CGROUP_NAME_LEN, CGROUP_NAMES_LEN, CgroupNames, MAX_LEVELS, MemcgLevel, kind},
};

use crate::{
    emit::{emit, header, leaves_headroom, wake_if_filling},
    episode::State,
    globals::{LAYOUT, LEVELS, MEMCG_COUNTERS, at, load, off, wide},
    maps::{NAMED, NAMES, RING},
    read::{Errors, copy_run, follow, put, read, sign, zero},
};

/// A task's memory cgroup, as its css.
#[inline(always)]
pub(crate) fn css_of_task(task: u64) -> u64 {
    follow(at!(follow(at!(task, task_cgroups)), css_set_memory))
}

/// The kernfs id of a css's cgroup, whose name has been sent when this returns.
#[inline(always)]
pub(crate) fn of_css(css: u64, state: *mut State) -> u64 {
    let kn = kernfs_node(css);
    send_names(kn, state);
    id(kn)
}

/// The node of a css's cgroup, 0 if there is none.
#[inline(always)]
pub(crate) fn kernfs_node(css: u64) -> u64 {
    follow(at!(follow(at!(css, css_cgroup)), cgroup_kn))
}

/// A node's id. Ids are never 0.
#[inline(always)]
pub(crate) fn id(kn: u64) -> u64 {
    match follow(at!(kn, kn_id)) {
        0 => UNKNOWN_U64,
        id => id,
    }
}

/// Sends the names of `kn` and of its ancestors, unless that has been done.
///
/// The walk's numbers are read back from the map: to the verifier every way out of it is then the same.
#[inline(always)]
pub(crate) fn send_names(kn: u64, state: *mut State) {
    // Without one of these there would be half a path.
    if off!(kn_id) == ABSENT || off!(kn_parent) == ABSENT || off!(kn_name) == ABSENT {
        return;
    }
    let leaf = follow(at!(kn, kn_id));
    if leaf == 0 || NAMED.get_ptr(leaf).is_some() {
        return;
    }
    let Some(names) = NAMES.get_ptr_mut(0) else { return };
    // SAFETY: this thread owns the episode, and with it the only element of the map. Writes stay within it: `i` is below
    // `LEVELS`, which the verifier sees, and `end` is masked to less than `CGROUP_NAMES_LEN`, after which there is room for one more name.
    unsafe {
        let ids = (&raw mut (*names).fixed.ids).cast::<u64>();
        let bytes = (&raw mut (*names).bytes).cast::<u8>();
        zero(&raw mut (*names).fixed);
        let mut kn = kn;
        for i in 0..load(&LEVELS) {
            if kn == 0 {
                break;
            }
            put(ids.add(i as usize), at!(kn, kn_id), &mut { Errors::NONE });
            let start = (&raw const (*names).fixed.len).read_volatile() as usize & (CGROUP_NAMES_LEN - 1);
            let name = follow(at!(kn, kn_name)) as *const core::ffi::c_void;
            let taken = bpf_probe_read_kernel_str(bytes.add(start).cast(), CGROUP_NAME_LEN as u32, name);
            // A name that cannot be read leaves zeros: an empty name of one byte. Calculated, not branched on: the verifier would
            // follow both ways at each level.
            let failed = sign(taken);
            let taken = (taken & !failed) - failed;
            (&raw mut (*names).fixed.len).write_volatile(start as u32 + taken as u32);
            (&raw mut (*names).fixed.count).write_volatile(i + 1);
            kn = follow(at!(kn, kn_parent));
        }
        let len = (&raw const (*names).fixed.len).read_volatile() as usize & (CGROUP_NAMES_LEN - 1);
        let whole = size_of::<CgroupNames>() + len;
        (*names).fixed.header = header::<CgroupNames>(kind::CGROUP, 0);
        (*names).fixed.header.len = whole as u32;
        let record = core::slice::from_raw_parts(names.cast::<u8>().cast_const(), whole);
        let taken = leaves_headroom(whole as u64) && RING.output::<[u8]>(record, wake_if_filling()).is_ok();
        if !taken {
            (*state).lost_records += 1;
            return;
        }
    }
    // If this fails, the names are sent again next time, which does no harm.
    let _again = NAMED.insert(leaf, 1, 0);
}

/// The kernfs id of a memcg.
#[inline(always)]
pub(crate) fn id_of(memcg: u64) -> u64 {
    if off!(memcg_css) == ABSENT {
        return UNKNOWN_U64;
    }
    id(kernfs_node(at!(memcg, memcg_css)))
}

/// The css of a memcg, 0 for none.
#[inline(always)]
pub(crate) fn css(memcg: u64) -> u64 {
    // A kernel address has the highest bit set; it is calculated, not branched on, for the verifier's sake.
    at!(memcg, memcg_css) & sign(memcg as i64) as u64
}

/// Sends one level of the limiter chain, that of `(*state).css`, and makes its parent the next one. False when that was the last.
#[inline(always)]
pub(crate) fn send_level(state: *mut State) -> bool {
    // SAFETY: this thread owns the state.
    let (css, level, episode) = unsafe { ((*state).css, (*state).level, (*state).episode) };
    if css == 0 || level >= MAX_LEVELS {
        return false;
    }
    let memcg = css - wide!(memcg_css);
    let sent = emit!(RING, record: MemcgLevel, wake_if_filling(), {
        // SAFETY: `record` is a whole reserved record; all of it is written, the type has no padding.
        unsafe {
            let mut errors = Errors::NONE;
            (*record).header = header::<MemcgLevel>(kind::MEMCG_LEVEL, episode);
            (*record).cgroup = id(kernfs_node(css));
            let first = &raw const LAYOUT.memcg_usage;
            copy_run(&raw mut (*record).usage, memcg, first, load(&MEMCG_COUNTERS), &mut errors);
            (*record).oom_group = if off!(memcg_oom_group) == ABSENT {
                UNKNOWN_U32
            } else {
                u32::from(read::<u8>(memcg, off!(memcg_oom_group), 0, &mut errors))
            };
            (*record).reserved = 0;
            (*record).level = level;
            (*record).read_failed = u32::from(errors.any());
        }
    });
    if !sent {
        // SAFETY: `state` is the episode's state.
        unsafe { (*state).lost_records += 1 };
    }
    // SAFETY: this thread owns the state.
    unsafe {
        (*state).css = follow(at!(css, css_parent));
        (*state).level = level + 1;
    }
    true
}
