//! The situation around a choice: the call path, the state of memory, settings.
//!
//! Sent once per pass, and never for an aborted scan. The programs here are separate from those that follow the decision: what the
//! verifier does for one is not multiplied by the other, and a kernel that refuses one of these loses its evidence only.
//! Records keep the headroom free, as candidates do: what explains the kill comes first.

mod memcg_stat;
mod nodes;
mod situation;
mod stack;

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use oomtrace_common::{
    evidence::{Places, RAW_MOST},
    record::Header,
};

pub(crate) use self::stack::{
    capture as capture_stack, capture_at_entry as capture_stack_at_entry, send as send_stack,
};
use crate::{
    emit::{leaves_headroom, wake_if_filling},
    episode::State,
    maps::RING,
};

// SAFETY: no other symbol of the object has this name.
#[unsafe(no_mangle)]
pub(crate) static PLACES: Places = Places::UNSET;

/// A member of [`PLACES`].
macro_rules! place {
    ($member:ident) => {
        $crate::globals::load(&$crate::evidence::PLACES.$member)
    };
}
use place;

/// What of [`State::evidence`] has been sent.
const SITUATION: u32 = 1 << 0;
const MEMCG_STAT: u32 = 1 << 1;

/// A record in the making: a fixed part of type `T`, and raw arrays behind it.
#[repr(C)]
struct Raw {
    bytes: [u8; RECORD_MOST],
}

/// The fixed part is not longer than this.
const FIXED_MOST: usize = 256;
const RECORD_MOST: usize = FIXED_MOST + RAW_MOST as usize;

/// Records with raw arrays are put together here. Only the owner of the episode touches it.
#[map]
static RAW: Array<Raw> = Array::with_max_entries(1, 0);

/// The choice is made, or nobody could be chosen and the kernel reports that: CPU, settings, masks. Whether the nodes are to follow.
#[inline(always)]
pub(crate) fn situation(state: *mut State) -> bool {
    // SAFETY: this thread owns the state.
    unsafe {
        if (*state).evidence & SITUATION != 0 {
            return false;
        }
        (*state).evidence |= SITUATION;
    }
    situation::send(state);
    true
}

pub(crate) use nodes::next as node;

/// The first kill of the pass begins: counters of the limiting memcg. The kernel has just brought them up to date for its
/// own report.
#[inline(always)]
pub(crate) fn memcg_stat(state: *mut State) {
    // SAFETY: this thread owns the state.
    unsafe {
        if (*state).evidence & MEMCG_STAT != 0 {
            return;
        }
        (*state).evidence |= MEMCG_STAT;
    }
    memcg_stat::send(state);
}

/// Puts `len` bytes from `record` on, whose header this completes, on the ring, if they leave the headroom free; counts them as
/// lost if not.
///
/// # Safety
/// `record` must begin a map element of at least `len` initialised bytes, and `state` be the episode's.
#[inline(always)]
unsafe fn output(record: *mut Header, len: usize, state: *mut State) {
    // SAFETY: the caller vouches for both.
    unsafe {
        (*record).len = len as u32;
        let bytes = core::slice::from_raw_parts(record.cast::<u8>().cast_const(), len);
        let sent = leaves_headroom(len as u64) && RING.output::<[u8]>(bytes, wake_if_filling()).is_ok();
        if !sent {
            (*state).lost_records += 1;
        }
    }
}

/// Where nobody can be killed the kernel reports without a choice. And programs for kernels without kprobes, which cannot have the
/// steps.
mod probes {
    use aya_ebpf::{
        macros::{fentry, kprobe},
        programs::{FEntryContext, ProbeContext},
    };
    use oomtrace_common::{evidence::NODES, step};

    use crate::{episode, globals::load, scan, steps};

    // SAFETY: no other symbol of the object has this name.
    #[unsafe(no_mangle)]
    static MOST_NODES: u32 = NODES;

    #[kprobe]
    fn dump_header_kprobe(ctx: ProbeContext) -> u32 {
        let Some(state) = episode::owned() else { return 0 };
        // SAFETY: this thread owns the state.
        if unsafe { (*state).evidence } & super::SITUATION == 0 {
            // Candidates come first.
            scan::over(state);
            steps::go(&ctx, step::SITUATION);
        }
        0
    }

    #[fentry(function = "oom_kill_process")]
    fn situation_fentry(_ctx: FEntryContext) -> u32 {
        let Some(state) = episode::owned() else { return 0 };
        // Candidates come first, whichever program of this function does.
        scan::over(state);
        if super::situation(state) {
            for _ in 0..load(&MOST_NODES) {
                if !super::node(state) {
                    break;
                }
            }
        }
        0
    }

    #[fentry(function = "__oom_kill_process")]
    fn memcg_stat_fentry(_ctx: FEntryContext) -> u32 {
        if let Some(state) = episode::owned() {
            super::memcg_stat(state);
        }
        0
    }
}
