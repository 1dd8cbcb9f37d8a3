//! Shows why the Linux OOM killer chose its victim: live, recorded, replayed.
//!
//! The folders follow the data: a source gives observations, `assemble` makes episodes of them, sinks show them; the
//! session file keeps observations. `ARCHITECTURE.md` has the map and the rules of who may depend on whom.

pub mod assemble;
pub mod badness;
pub mod cli;
pub mod decode;
pub mod deliver;
pub mod exit;
pub mod explain;
pub mod filter;
pub mod ledger;
pub mod model;
pub mod pipeline;
pub mod privileges;
pub mod rank;
pub mod record;
pub mod serve;
pub mod session;
pub mod sink;
pub mod source;
#[cfg(feature = "tui")]
pub mod tui;

// Made-up sessions are shared with the integration tests, which know the crate by its name.
#[cfg(test)]
extern crate self as oomtrace;
#[cfg(test)]
#[path = "../tests/support/made_up.rs"]
mod made_up;
