//! Linux 2.6.36 to 3.4: points are thousandths of what is allowed (`oom_badness()`, `mm/oom_kill.c`).
//!
//! The releases before 2.6.39 did not count page tables, and 2.6.36 itself could score a killable task 0; neither is told apart
//! here: the logs of these kernels do not print page tables either.

/// What CAP_SYS_ADMIN is worth, thousandths.
const BONUS: i128 = 30;

/// Points from 1 to 1000.
pub(super) fn points(memory: i64, adj: i16, sys_admin: bool, totalpages: u64) -> i64 {
    // The kernel takes 1 for a limit of nothing, too.
    let share = i128::from(memory) * 1000 / i128::from(totalpages.max(1));
    let points = share - if sys_admin { BONUS } else { 0 } + i128::from(adj);
    i64::try_from(points.clamp(1, 1000)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::points;

    #[test]
    fn thousandths_are_cut_at_both_ends() {
        assert_eq!(points(65_536, 0, false, 131_072), 500);
        assert_eq!(points(65_536, 0, true, 131_072), 470);
        assert_eq!(points(65_536, 600, false, 131_072), 1000);
        assert_eq!(points(65_536, -600, false, 131_072), 1);
        assert_eq!(points(131, 0, false, 131_072), 1);
        assert_eq!(points(3000, 0, true, 131_072), 1);
        assert_eq!(points(5, 0, false, 0), 1000);
        assert_eq!(points(i64::MAX, i16::MAX, false, 1), 1000);
        assert_eq!(points(i64::MIN, i16::MIN, true, u64::MAX), 1);
    }
}
