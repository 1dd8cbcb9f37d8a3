//! Why the points that the kernel gave and those from the captured parts differ.

use crate::model::episode::Cause;

use super::engine::Kernel;

/// Counters that the formula sums: three kinds of RSS, and swap.
const COUNTERS: u64 = 4;
/// Events after which a thread adds what it has counted to its mm, before 6.2 (`TASK_RSS_EVENTS_THRESH`).
const TASK_LOCAL: u64 = 64;

/// The likely cause of a difference that is not 0, pages.
pub(super) fn likely(kernel: &Kernel, difference: i64) -> Cause {
    let per_cpu = match (kernel.percpu, kernel.release.has_percpu_counters()) {
        (true, true) => true,
        (false, false) => false,
        // Counters of another release than the numbers tell: nothing is known of this kernel's scorer.
        _ => return Cause::Unknown,
    };
    // A log has the numbers that the kernel itself read, only later.
    if !kernel.live {
        return Cause::Changed;
    }
    if per_cpu && !kernel.release.sums_exactly() {
        // Scorer and reader look at the same shared part.
        return Cause::Changed;
    }
    match slack(kernel, per_cpu) {
        (_, Some(most)) if difference.unsigned_abs() > most => Cause::Changed,
        (cause, _) => cause,
    }
}

/// How far two readings of the same counters can be apart because a part of them is kept elsewhere: what that is called, and
/// pages at most; `None` when the number of CPUs is not known.
pub(super) fn slack(kernel: &Kernel, per_cpu: bool) -> (Cause, Option<u64>) {
    let cpus = kernel.cpus.map(u64::from);
    let (cause, each) = if per_cpu {
        // A CPU keeps less than a batch to itself (`percpu_counter_batch`).
        (Cause::PerCpuCounters, cpus.map(|cpus| cpus.saturating_mul(2).max(32)))
    } else {
        (Cause::TaskLocalCounters, Some(TASK_LOCAL))
    };
    (cause, cpus.zip(each).map(|(cpus, each)| cpus.saturating_mul(each).saturating_mul(COUNTERS)))
}
