//! What scenarios are made with: cgroups, processes, a running oomtrace, and the runner that counts the verdicts.

pub mod bytes;
pub mod call_path;
pub mod cgroup;
pub mod compare;
pub mod credentials;
pub mod evidence;
pub mod explain;
pub mod held;
pub mod line_reader;
pub mod overdue;
pub mod process;
#[path = "../../../oomtrace/tests/support/pty.rs"]
pub mod pty;
pub mod release;
pub mod runner;
pub mod stage;
pub mod stream;
pub mod swap;
pub mod switches;
pub mod sysctl;
pub mod view;
pub mod watch;

use std::fmt;
use std::time::Duration;

/// How long anything may take before the test gives up. An emulated guest on a busy machine is slow; nothing passes or fails
/// by being quicker than this.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Why a scenario cannot be run here. Carried as an error, reported as `SKIP`.
#[derive(Debug)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends a scenario as skipped.
#[macro_export]
macro_rules! skip {
    ($($words:tt)*) => {
        return Err(::anyhow::Error::new($crate::harness::Skip(format!($($words)*))))
    };
}
