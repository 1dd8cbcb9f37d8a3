//! Shared by the tests and the programs that run inside guests.

pub mod guest;
