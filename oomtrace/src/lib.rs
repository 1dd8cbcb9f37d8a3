//! Shows why the Linux OOM killer chose its victim: live, recorded, replayed.
//!
//! The folders follow the data: a source gives observations, `assemble` makes episodes of them, sinks show them; the
//! session file keeps observations. `ARCHITECTURE.md` has the map and the rules of who may depend on whom.

pub mod assemble;
pub mod badness;
pub mod model;
pub mod session;
pub mod sink;
