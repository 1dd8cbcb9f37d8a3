//! Cases made up of numbers rather than written down: what one consists of, and making it real.
//!
//! - [`spec`]: what a case consists of, the same on every kernel;
//! - [`stage`]: its cgroups and processes, and its OOM;
//! - [`pace`]: the kernel's rate limit of reports, which many cases in a row run into.

pub(super) mod pace;
pub(super) mod spec;
pub(super) mod stage;
