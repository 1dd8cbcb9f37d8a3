//! The candidates with the most points of those that the log has no room for.
//!
//! A table without an order, in eight groups of eight, each with the least points in it: what leaves the table is found by looking
//! at sixteen entries, not at all. The comparisons do not branch: the verifier would follow each combination.

use aya_ebpf::{macros::map, maps::Array};
use oomtrace_common::record::{self as wire, TOP, Task, flag, kind};

use crate::{
    emit::{header, wake_if_filling},
    maps::{LOG, RING},
    scan::{self, Scan},
};

const GROUP: usize = 8;

/// The table, and what it is kept with.
#[repr(C)]
struct Table {
    /// The record in the making.
    record: wire::Top,
    /// Points of the candidates in it.
    points: [i64; TOP],
    /// The least points of each group, and where they are.
    least: [i64; GROUP],
    at: [u64; GROUP],
}

/// The table. Only the owner of the episode touches it.
#[map]
static TABLE: Array<Table> = Array::with_max_entries(1, 0);

/// The least of eight numbers, and which one it is.
///
/// # Safety
/// Eight numbers must lie at `from`.
#[inline(always)]
unsafe fn least_of_group(from: *const i64) -> (i64, u64) {
    // SAFETY: the caller vouches for it.
    unsafe {
        let mut least = from.read_volatile();
        let mut at = 0_u64;
        for i in 1..GROUP {
            let this = from.add(i).read_volatile();
            // All ones where this one is less. Points are far from the ends of their range.
            let less = this.wrapping_sub(least) >> 63;
            least = (this & less) | (least & !less);
            at = (i as u64 & less as u64) | (at & !less as u64);
        }
        (least, at)
    }
}

/// The scorer has reported on the candidate in the log's last place, beyond its room: keeps it if it has more points than the least
/// of the table.
///
/// # Safety
/// `scan` must be the one that this thread owns.
#[inline(always)]
pub(crate) unsafe fn enter(scan: *mut Scan) {
    // SAFETY: the caller vouches for the scan; indexes are masked to less than the table has.
    unsafe {
        // Read back: a number that the verifier knows nothing about.
        let given = (&raw const (*scan).points).read_volatile();
        if given <= (*scan).top_least {
            return;
        }
        let Some(table) = TABLE.get_ptr_mut(0) else { return };
        let Some(task) = LOG.get_ptr_mut((*scan).mask as u32 + 1) else { return };
        (*task).points = given;
        (*task).flags |= flag::SCORED;
        let task = task.cast_const();
        let count = (*scan).tops;
        let filling = count < TOP as u64;
        let place = if filling { count } else { (*scan).top_at } as usize & (TOP - 1);
        let to = (&raw mut (*table).record.tasks).cast::<Task>().add(place).cast::<u64>();
        for word in 0..size_of::<Task>() / 8 {
            to.add(word).write_volatile(task.cast::<u64>().add(word).read_volatile());
        }
        let positions = (&raw mut (*table).record.positions).cast::<u32>();
        positions.add(place).write_volatile((scan::evaluated() - 1) as u32);
        let points = (&raw mut (*table).points).cast::<i64>();
        points.add(place).write_volatile((&raw const (*task).points).read_volatile());

        let group = place / GROUP;
        let (least, at) = least_of_group(points.add(group * GROUP));
        (&raw mut (*table).least).cast::<i64>().add(group).write_volatile(least);
        (&raw mut (*table).at).cast::<u64>().add(group).write_volatile(at);
        let (least, group) = least_of_group((&raw const (*table).least).cast());
        let group = group as usize & (GROUP - 1);
        (*scan).top_at =
            group as u64 * GROUP as u64 + (&raw const (*table).at).cast::<u64>().add(group).read();
        // Until the table is full, groups hold what earlier scans left there, and everybody gets in.
        if filling {
            (*scan).tops = count + 1;
        }
        (*scan).top_least = if count + 1 < TOP as u64 { i64::MIN } else { least };
    }
}

/// Puts the table on the ring, in the reserve too: these are candidates that matter. False: there was no room.
///
/// # Safety
/// `scan` must be the one that this thread owns.
#[inline(always)]
pub(crate) unsafe fn send(scan: *mut Scan, episode: u64) -> bool {
    let Some(table) = TABLE.get_ptr_mut(0) else { return false };
    // SAFETY: the caller vouches for `scan`; the record is the beginning of a map element, all of which is initialised.
    unsafe {
        (*table).record.header = header::<wire::Top>(kind::TOP, episode);
        (*table).record.count = (*scan).tops as u32;
        (*table).record.reserved = 0;
        let bytes = core::slice::from_raw_parts(table.cast::<u8>().cast_const(), size_of::<wire::Top>());
        RING.output::<[u8]>(bytes, wake_if_filling()).is_ok()
    }
}
