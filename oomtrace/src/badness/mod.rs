//! The kernel's scoring formulas, for checking and explaining its points. They never replace what the kernel said.
//!
//! Pure arithmetic: no clock, no I/O, no panics on any input. By file:
//!
//! - [`era`]: which formula a kernel release has;
//! - [`signed`], [`paged`], [`thousandths`], [`heuristic`]: one formula each, newest first;
//! - [`engine`]: a kernel, and what it makes of a process;
//! - [`cause`]: why the kernel's points may differ from ours;
//! - [`oom_score`]: the score as `/proc/PID/oom_score` and old kernel logs show it;
//! - [`select`]: who is chosen among those scored.
//!
//! `docs/badness.md` has the formulas with their sources, and what is assumed of backports.

mod cause;
mod engine;
mod era;
mod heuristic;
mod oom_score;
mod paged;
mod select;
mod signed;
#[cfg(test)]
mod tests;
mod thousandths;

pub use engine::{Kernel, Scored, Subject};
pub use era::{Era, Release, Ties};
pub use heuristic::NOT_COMPARABLE;
pub use oom_score::{logged_score, oom_score};
pub use select::{choose, select};
pub use signed::{adj_pages, explain, highest_adj_within, memory_pages, memory_part, points, share};

/// Whether the kernel with that release (`uname -r`) has the formula of 5.9 and later, which [`points`], [`memory_part`] and
/// [`highest_adj_within`] are for.
#[must_use]
pub fn applies_to(kernel_release: &str) -> bool {
    Release::parse(kernel_release).is_some_and(|release| release.era() == Era::Signed)
}

/// Sums beyond what the kernel's `long` holds do not occur on real machines; a damaged number must not wrap either.
fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
