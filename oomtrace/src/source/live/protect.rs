//! Being alive at the moment it matters: not a candidate, and not waiting for memory.

use std::{fs, hint::black_box, io};

use rustix::mm::{MlockAllFlags, mlockall, munlock};
use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};

const ADJ: &str = "/proc/self/oom_score_adj";
/// The lowest there is: no candidate.
const NEVER: &str = "-1000";
/// Room on the heap that is there from the start: what some thousand candidates take on their way.
const HEAP: usize = 1 << 20;
/// Of the stack that is touched before the memory is locked. What a capture uses is a small part of it.
const STACK: usize = 256 << 10;

/// Makes this process no candidate (`oom_score_adj` -1000). Needs CAP_SYS_RESOURCE, if whoever started it has not done so.
#[must_use]
pub fn from_the_oom_killer() -> Option<String> {
    if fs::read_to_string(ADJ).is_ok_and(|now| now.trim() == NEVER) {
        return None;
    }
    // A program that gets capabilities from its file is not dumpable, and its files in /proc are then root's.
    let guarded = dumpable_behavior().is_ok_and(|now| now != DumpableBehavior::Dumpable);
    if guarded {
        let _ = set_dumpable_behavior(DumpableBehavior::Dumpable);
    }
    let written = fs::write(ADJ, NEVER);
    if guarded {
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    written.err().map(|error| denied(&error, "CAP_SYS_RESOURCE"))
}

/// Makes the heap keep what it has, for all threads together; to be called before any is started.
pub fn heap() {
    #[cfg(target_env = "gnu")]
    for (what, value) in [
        (libc::M_ARENA_MAX, 1),
        // What is freed comes back to the heap, and not to the kernel.
        (libc::M_MMAP_THRESHOLD, HEAP),
        (libc::M_TRIM_THRESHOLD, 4 * HEAP),
    ] {
        // SAFETY: takes numbers only.
        unsafe { libc::mallopt(what, libc::c_int::try_from(value).unwrap_or(libc::c_int::MAX)) };
    }
}

/// Gives back what start-up took and freed (the kernel's types are parsed once), then locks what is mapped, and pre-faults it: code,
/// heap with some room, ring, and a part of the stack. Needs CAP_IPC_LOCK or a high enough `RLIMIT_MEMLOCK`.
///
/// What is mapped later is not locked: the limit would make such a mapping fail, and an episode's memory comes from what
/// earlier ones left. `more`: bytes of heap that others than the capture take now and then.
#[must_use]
pub fn memory(more: usize) -> Option<String> {
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
    touch_heap(more);
    touch_stack();
    match mlockall(MlockAllFlags::CURRENT) {
        Ok(()) => {
            stack_may_grow();
            None
        }
        Err(error) => Some(denied(&io::Error::from(error), "CAP_IPC_LOCK")),
    }
}

/// Makes the kernel give pages to room on the heap.
fn touch_heap(more: usize) {
    // Larger pieces are no part of the heap.
    let piece = || {
        let mut room = vec![0u8; HEAP - 4096];
        room.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        room
    };
    let mut pieces: Vec<_> = (0..1 + more.div_ceil(HEAP)).map(|_| piece()).collect();
    black_box(&mut pieces);
}

/// Makes the kernel give pages to a part of the stack.
#[inline(never)]
fn touch_stack() {
    let mut pages = [0u8; STACK];
    black_box(&mut pages);
}

/// Unlocks the lowest page of the stack. A locked stack that grows is held against `RLIMIT_MEMLOCK`, and beyond it the process is
/// killed; what grows below an unlocked page is not.
fn stack_may_grow() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    let lowest = maps.lines().find(|line| line.ends_with("[stack]")).and_then(|line| line.split('-').next());
    let Some(lowest) = lowest.and_then(|address| usize::from_str_radix(address, 16).ok()) else { return };
    // SAFETY: unlocking changes nothing that the program can see.
    let _ = unsafe { munlock(std::ptr::without_provenance_mut(lowest), rustix::param::page_size()) };
}

fn denied(error: &io::Error, capability: &str) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(libc::ENOMEM) {
        format!("needs {capability}")
    } else {
        error.to_string()
    }
}
