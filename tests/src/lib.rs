//! Tests of the built oomtrace on real kernels, and the programs that run inside the guests.
//!
//! Everything here runs as root in a throw-away virtual machine and makes real OOMs. The reference is never oomtrace: it is
//! the kernel's own log, `memory.events` and `/proc/vmstat` ([`oracle`]).
//!
//! - [`guest`]: the program they are all part of, and the guest's process 1;
//! - [`programs`]: `guest NAME …`, the processes that an OOM is made of;
//! - [`oracle`]: what the kernel says about it;
//! - [`harness`]: cgroups, processes, a running `oomtrace watch`, the comparison, the runner;
//! - [`scenarios`]: one file each, what is proved;
//! - [`bench`]: what oomtrace and its peers cost, beside each other.
//!
//! # Adding a scenario
//!
//! 1. Make `scenarios/NAME.rs` with `pub(super) fn run(stage: &Stage) -> Result<()>` and a header that says what it proves.
//! 2. Add a line to [`scenarios::SCENARIOS`]. `each` runs it once per way of hooking functions, `by_log` by the kernel's log.
//! 3. Inside: make a [`harness::cgroup::Cgroup`], start programs with [`harness::process::Launch`] and wait for their word
//!    (`start_ready`), only then `stage.watch(…)`, then let the OOM happen, `watch.await_episode(…)`, and compare it with
//!    `stage.report(…)` by [`harness::compare::with_report`]. End with `watch.end_json(0)` and check that no other episode
//!    came and that nothing was lost.
//! 4. What cannot be tested on this kernel ends with `skip!(…)` and the reason; it never passes in silence.
//!
//! Cases that are made from seeds are in the group `seeded`, which has guests of its own; `--group seeded --filter NAME --seed N` runs
//! one of them again.
//!
//! The kernel logs at most 10 reports in 5 seconds: a scenario that needs one should make few OOMs; the runner waits after
//! one that made many. Never `sleep` for something that can be waited for, and make no verdict depend on how long it took.
//!
//! Try one: `cargo xtask vm --kernel 6.12 -- guest test --filter NAME`.

pub mod bench;
pub mod guest;
pub mod harness;
pub mod oracle;
pub mod programs;
pub mod scenarios;
