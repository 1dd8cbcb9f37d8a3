//! Shows why the Linux OOM killer chose its victim: live, recorded, replayed.
pub mod assemble;
pub mod badness;
pub mod model;
pub mod session;
