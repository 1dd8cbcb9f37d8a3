//! Linux before 2.6.36: `badness()` weighed things that nobody writes down.
//!
//! It began with the size of the whole address space (`total_vm`, not what is resident), added half of that of each child with
//! memory of its own, divided by the square root of the CPU time and by the fourth root of the run time, doubled it for a
//! positive nice value, divided it by four for CAP_SYS_ADMIN or CAP_SYS_RESOURCE and again for CAP_SYS_RAWIO, by eight for
//! another cpuset, and shifted it by `oom_adj` (-16 to 15; -17 protects). Reports have neither the times nor the children nor
//! the capabilities, so nothing can be recomputed, and no point of it means a page or a share of anything.

/// Why points of these kernels are neither recomputed nor compared.
pub const NOT_COMPARABLE: &str = "before Linux 2.6.36 points were no measure of memory: address space, its children's too, \
    divided by roots of CPU time and age, weighed by nice value and privileges, shifted by oom_adj";
