//! Linux 3.5 to 5.8: points in pages, cut off at 1, with or without a bonus for CAP_SYS_ADMIN (`oom_badness()`,
//! `mm/oom_kill.c`). 0 stands for "not killable", so that whoever may be killed has at least 1.

use super::clamp;

/// What CAP_SYS_ADMIN is worth from 3.5 to 3.13, as an adjustment.
const BONUS_ADJ: i64 = 30;
/// How much of its memory does not count for a task with CAP_SYS_ADMIN from 3.14 to 4.16, per cent.
const BONUS_PERCENT: i128 = 3;

/// 3.5 to 3.13: the bonus is 30 adjustments, 3 % of everything that is allowed.
pub(super) fn bonus_of_total(memory: i64, adj: i16, sys_admin: bool, totalpages: u64) -> i64 {
    let adj = i64::from(adj) - if sys_admin { BONUS_ADJ } else { 0 };
    floored(i128::from(memory) + weight(adj, totalpages))
}

/// 3.14 to 4.16: the bonus is 3 % of the task's own memory, cut to whole pages.
pub(super) fn bonus_of_own(memory: i64, adj: i16, sys_admin: bool, totalpages: u64) -> i64 {
    let memory = i128::from(memory);
    let bonus = if sys_admin { memory * BONUS_PERCENT / 100 } else { 0 };
    floored(memory - bonus + weight(adj.into(), totalpages))
}

/// 4.17 to 5.8: no bonus.
pub(super) fn no_bonus(memory: i64, adj: i16, totalpages: u64) -> i64 {
    floored(i128::from(memory) + weight(adj.into(), totalpages))
}

fn weight(adj: i64, totalpages: u64) -> i128 {
    i128::from(adj) * i128::from(totalpages / 1000)
}

fn floored(points: i128) -> i64 {
    clamp(points.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_on_3_7_is_spared_3_percent_of_everything() {
        // 512 MiB: one adjustment is 131 pages.
        assert_eq!(bonus_of_total(10_000, 0, false, 131_072), 10_000);
        assert_eq!(bonus_of_total(10_000, 0, true, 131_072), 10_000 - 30 * 131);
        assert_eq!(bonus_of_total(10_000, 100, true, 131_072), 10_000 + 70 * 131);
        assert_eq!(bonus_of_total(3000, 0, true, 131_072), 1);
        // In less than 1000 pages neither adjustment nor bonus weigh anything.
        assert_eq!(bonus_of_total(500, 1000, true, 999), 500);
    }

    #[test]
    fn root_on_4_4_is_spared_3_percent_of_its_own() {
        assert_eq!(bonus_of_own(10_000, 0, true, 131_072), 9700);
        assert_eq!(bonus_of_own(33, 0, true, 131_072), 33);
        assert_eq!(bonus_of_own(34, 0, true, 131_072), 33);
        assert_eq!(bonus_of_own(10_000, -10, true, 131_072), 9700 - 1310);
        assert_eq!(bonus_of_own(10_000, 0, false, 131_072), 10_000);
    }

    #[test]
    fn whoever_may_be_killed_has_a_point() {
        for points in [bonus_of_total(0, -999, true, 131_072), bonus_of_own(0, -999, true, 131_072)] {
            assert_eq!(points, 1);
        }
        assert_eq!(no_bonus(0, 0, 131_072), 1);
        assert_eq!(no_bonus(100, -1, 131_072), 1);
        assert_eq!(no_bonus(131, -1, 131_072), 1);
        assert_eq!(no_bonus(133, -1, 131_072), 2);
        assert_eq!(no_bonus(0, 1000, 131_072), 131_000);
    }

    #[test]
    fn the_largest_numbers_do_not_wrap() {
        assert_eq!(bonus_of_total(i64::MAX, i16::MAX, false, u64::MAX), i64::MAX);
        assert_eq!(bonus_of_total(i64::MIN, i16::MIN, true, u64::MAX), 1);
        assert_eq!(bonus_of_own(i64::MAX, 1000, true, u64::MAX), i64::MAX);
        assert_eq!(no_bonus(i64::MAX, 1, 1000), i64::MAX);
    }
}
