//! What the kernel itself says about an OOM: the reference that oomtrace is compared with.
//!
//! Three sources, none of which oomtrace takes part in: the kernel log ([`kmsg`], parsed by [`report`]), the event counters
//! of cgroups and `/proc/vmstat` ([`counters`]). [`formula`] repeats the kernel's scoring on the numbers of its report.

pub mod counters;
pub mod details;
pub mod formula;
pub mod kmsg;
pub mod report;
