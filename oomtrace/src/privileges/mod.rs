//! What this process may do: the capabilities that features need ([`capabilities`]), and giving up what a running capture does not
//! need ([`confine`]): capabilities, new privileges by exec, system calls ([`syscalls`]).
//!
//! `docs/privileges.md` has the table for people. Not being a candidate of the OOM killer, and memory that stays, are of
//! [`crate::source::live::protect`].

pub mod capabilities;
pub mod confine;
pub mod syscalls;

pub use capabilities::drop_unless_root;
pub use confine::{Confined, Sandbox, confine_thread};
pub use syscalls::Features;
