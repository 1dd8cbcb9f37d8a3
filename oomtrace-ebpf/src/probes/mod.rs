//! The hooks, one file each. Names of programs are `<function>_<how>`; the loader builds them from its table.
//!
//! In an fexit program the return value follows the arguments in the context, on every kernel that has fexit; the helper
//! `bpf_get_func_ret` came only with 5.17.

mod exit_oom_victim;
mod log;
mod mark_oom_victim;
mod mem_cgroup_print_oom_group;
mod oom_badness;
mod oom_evaluate_task;
mod oom_kill_process;
mod oom_kill_process_inner;
mod oom_reap_task_mm;
mod oom_score_adj_update;
mod out_of_memory;
mod reaper;
mod sched_process_exit;
mod signal_generate;
mod victim;
