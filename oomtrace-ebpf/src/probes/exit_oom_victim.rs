//! `void exit_oom_victim(void)`, mm/oom_kill.c, 4.2 to 7.3: called from `exit_mm()` for a marked thread.
//!
//! The marked thread has dropped its reference to the address space; if it was the last one, the memory is back.

use aya_ebpf::{
    macros::{fentry, kprobe},
    programs::{FEntryContext, ProbeContext},
};

use crate::kill;

#[fentry(function = "exit_oom_victim")]
fn exit_oom_victim_fentry(_ctx: FEntryContext) -> u32 {
    kill::released();
    0
}

#[kprobe]
fn exit_oom_victim_kprobe(_ctx: ProbeContext) -> u32 {
    kill::released();
    0
}
