//! oomtrace's eBPF program: follows one pass through `out_of_memory()` at a time and reports it over a ring.
//!
//! The same functions serve both attach flavours: each file below `probes/` has a hook's fentry/fexit programs and its
//! kprobe/kretprobe programs, which only fetch arguments; what is done with them is in [`episode`], [`candidate`] and
//! [`kill`]. Policy (what to call an outcome, what to fold) belongs to user space.
//!
//! State is keyed by thread: `oom_lock` admits one episode at a time, and [`episode::State::owner`] names its thread.
//! Hooks that run on any other thread, such as readers of `/proc/PID/oom_score`, find that they are not the owner and do
//! nothing.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod adjust;
mod candidate;
mod emit;
mod episode;
mod evidence;
mod globals;
mod group;
mod kill;
mod load;
mod maps;
mod memcg;
mod probes;
mod read;
mod reaping;
mod scan;
mod steps;
mod subject;
mod task;
mod top;
mod unscored;
mod victim;

/// Needed by `no_std`; the verifier would refuse a program that could reach it.
#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// SAFETY: the section holds only this licence string, which the loader reads; no other symbol has its name.
#[unsafe(link_section = "license")]
// SAFETY: as above.
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
