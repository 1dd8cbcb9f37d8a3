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

pub(crate) use self::stack::{capture as capture_stack, send as send_stack};
use crate::{
    emit::{leaves_headroom, wake_if_filling},
    episode::{self, State},
    maps::RING,
    scan,
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

/// The choice is made, or nobody could be chosen and the kernel reports that: CPU, settings, masks, nodes, zones.
#[inline(always)]
fn situation() {
    let Some(state) = episode::owned() else { return };
    // SAFETY: this thread owns the state.
    unsafe {
        if (*state).evidence & SITUATION != 0 {
            return;
        }
        (*state).evidence |= SITUATION;
    }
    // Candidates come first, whichever program of this function does.
    scan::over(state);
    situation::send(state);
    nodes::send(state);
}

/// The first kill of the pass begins: counters of the limiting memcg. The kernel has just brought them up to date for its
/// own report.
#[inline(always)]
fn memcg() {
    let Some(state) = episode::owned() else { return };
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

/// Names of programs are `<evidence>_<how>`. Each is attached by a kprobe in both flavours, where there are kprobes: one
/// program then serves every function, and is verified once.
mod probes {
    use aya_ebpf::{
        macros::{fentry, kprobe},
        programs::{FEntryContext, ProbeContext},
    };

    #[kprobe]
    fn situation_kprobe(_ctx: ProbeContext) -> u32 {
        super::situation();
        0
    }

    #[fentry(function = "oom_kill_process")]
    fn situation_fentry(_ctx: FEntryContext) -> u32 {
        super::situation();
        0
    }

    #[kprobe]
    fn memcg_stat_kprobe(_ctx: ProbeContext) -> u32 {
        super::memcg();
        0
    }

    #[fentry(function = "__oom_kill_process")]
    fn memcg_stat_fentry(_ctx: FEntryContext) -> u32 {
        super::memcg();
        0
    }
}
