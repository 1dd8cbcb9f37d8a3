//! `/proc/PID/oom_score` held against ours: the same formula, run by the kernel, over the whole machine.

use crate::badness::{self, Kernel, Scored};
use crate::model::Name;
use crate::model::episode::Cause;

use super::{Process, score};

/// How far kernel and engine agree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    /// Processes whose score could be read and computed.
    pub checked: u64,
    /// Those of them whose scores are the same.
    pub agreed: u64,
    /// The others, in scan order.
    pub differing: Vec<Differing>,
}

/// A process of which the kernel has another score.
#[derive(Clone, Debug, PartialEq)]
pub struct Differing {
    /// Process id.
    pub pid: i32,
    /// Name.
    pub comm: Name,
    /// What the kernel says.
    pub oom_score: i64,
    /// What the engine says.
    pub computed: i64,
    /// Why, most likely.
    pub cause: Cause,
}

/// Compares the scores of those processes that have one. `ram_and_swap` is in pages.
#[must_use]
pub fn verify(kernel: &Kernel, ram_and_swap: u64, processes: &[Process]) -> Verification {
    let mut found = Verification::default();
    for process in processes {
        let scored = if process.init || process.kthread || process.memory.is_none() {
            Some(Scored::Unkillable)
        } else {
            score(kernel, process, ram_and_swap)
        };
        let Some(scored) = scored else { continue };
        let computed = badness::oom_score(kernel.release, scored, ram_and_swap);
        let (Some(oom_score), Some(computed)) = (process.oom_score, computed) else { continue };
        found.checked += 1;
        if oom_score == computed {
            found.agreed += 1;
            continue;
        }
        found.differing.push(Differing {
            pid: process.pid,
            comm: process.comm.clone(),
            oom_score,
            computed,
            cause: cause(kernel, scored, oom_score, ram_and_swap),
        });
    }
    found
}

/// Counters that are kept in parts explain as much as the parts can hold; the rest has changed since the memory was read.
fn cause(kernel: &Kernel, scored: Scored, oom_score: i64, ram_and_swap: u64) -> Cause {
    let (Scored::Points(points), Some((cause, most))) = (scored, kernel.counter_slack()) else {
        return Cause::Changed;
    };
    let of = |points| badness::oom_score(kernel.release, Scored::Points(points), ram_and_swap);
    match (of(points.saturating_sub(most)), of(points.saturating_add(most))) {
        (Some(least), Some(highest)) if (least..=highest).contains(&oom_score) => cause,
        _ => Cause::Changed,
    }
}
