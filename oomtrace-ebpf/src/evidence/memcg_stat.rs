//! Counters of the limiting memcg, which its `memory.stat` is made of, raw.
//!
//! Three shapes, told apart by BTF: an array in `struct mem_cgroup` (5.10), `struct memcg_vmstats` in it, a pointer to one. From
//! 6.10 on only some items are kept, at the positions that `mem_cgroup_stats_index` has for them; it is sent along.

use oomtrace_common::{
    config::ABSENT,
    evidence::{MemcgStat, RAW_MOST},
    record::kind,
};

use super::{FIXED_MOST, RAW, place};
use crate::{
    emit::header,
    episode::State,
    globals::at,
    memcg,
    read::{Errors, copy_bytes, follow, pointer},
};

const _: () = assert!(size_of::<MemcgStat>() <= FIXED_MOST);

/// Sends the counters, if it is a memcg's limit that was hit.
#[inline(always)]
pub(super) fn send(state: *mut State) {
    let stats = place!(memcg_state_len);
    if place!(memcg_vmstats) == ABSENT || place!(memcg_state) == ABSENT || stats > RAW_MOST / 2 {
        return;
    }
    let index = if place!(stats_index) == 0 || place!(stats_index_len) > RAW_MOST / 2 {
        0
    } else {
        place!(stats_index_len)
    };
    let Some(raw) = RAW.get_ptr_mut(0) else { return };
    let mut errors = Errors::NONE;
    // SAFETY: this thread owns the episode, and with it the map's only element, which holds a fixed part and what was seen
    // to fit.
    unsafe {
        let memcg = follow(at!((*state).oc, oc_memcg));
        if memcg == 0 {
            return;
        }
        let mut base = memcg + u64::from(place!(memcg_vmstats));
        if place!(memcg_vmstats_pointer) != 0 {
            base = pointer(base, 0);
        }
        let record: *mut MemcgStat = raw.cast();
        (*record).header = header::<MemcgStat>(kind::MEMCG_STAT, (*state).episode);
        (*record).cgroup = memcg::id_of(memcg);
        (*record).stats = stats;
        (*record).index = index;
        (*record).reserved = 0;
        let counters = raw.cast::<u8>().add(size_of::<MemcgStat>());
        copy_bytes(counters, stats, base + u64::from(place!(memcg_state)), &mut errors);
        if index != 0 {
            copy_bytes(counters.add(stats as usize), index, place!(stats_index), &mut errors);
        }
        (*record).read_failed = u32::from(errors.any());
        if errors.any() {
            (*state).failed_reads += 1;
        }
        let len = size_of::<MemcgStat>() + (stats + index) as usize;
        super::output(&raw mut (*record).header, len, state);
    }
}
