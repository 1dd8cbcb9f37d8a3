//! Programs that others jump to: their places in the `STEPS` map, and their names.

/// The task that a hook is about.
pub const SUBJECT: u32 = 0;
/// The names of a cgroup.
pub const NAMES: u32 = 1;
/// A level of the limiter chain.
pub const LEVEL: u32 = 2;
/// The situation around a choice.
pub const SITUATION: u32 = 3;
/// A node's memory.
pub const NODE: u32 = 4;
/// Counters of the limiting memcg.
pub const MEMCG_STAT: u32 = 5;
/// How many there are.
pub const COUNT: u32 = 6;
/// None: a jump to it does nothing.
pub const NONE: u32 = COUNT;

/// The program of each, in their order.
pub const PROGRAMS: [&str; COUNT as usize] =
    ["subject_step", "names_step", "level_step", "situation_step", "node_step", "memcg_stat_step"];
