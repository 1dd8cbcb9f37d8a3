//! The vocabulary: observations (what was seen), episodes (what it means), and what a session says of itself.
//!
//! Pure data: no I/O, no clock, no terminal. Depends on no other folder of the crate.

pub mod cgroup_path;
pub mod episode;
pub mod evidence;
pub mod gap;
pub mod gfp;
pub mod ledger;
pub mod meminfo;
pub mod name;
pub mod names;
pub mod observation;
pub mod report;
pub mod sample;
pub mod session;
pub mod short_id;
pub mod stats;

pub use episode::Episode;
pub use gap::Gap;
pub use ledger::Ledger;
pub use name::Name;
pub use observation::Observation;
pub use session::{SessionEnd, SessionInfo, SourceKind};
pub use short_id::ShortId;
pub use stats::Stats;
