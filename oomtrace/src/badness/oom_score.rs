//! Scores as the kernel tells them to user space: `/proc/PID/oom_score` (`proc_oom_score()`, `fs/proc/base.c`), and the
//! `score N` that kernels up to 5.0 log with a kill.

use super::Release;
use super::clamp;
use super::engine::Scored;
use super::era::Era;

/// `/proc/PID/oom_score`, from points that were scored with `ram_and_swap` (pages) as `totalpages`. `None` where the score is
/// not comparable, or the machine has no memory.
#[must_use]
pub fn oom_score(release: Release, scored: Scored, ram_and_swap: u64) -> Option<i64> {
    let points = match scored {
        Scored::Points(points) => points,
        Scored::Unkillable => return Some(0),
        Scored::NotComparable => return None,
    };
    match release.era() {
        Era::Heuristic => None,
        Era::Thousandths => Some(points),
        Era::BonusOfTotal | Era::BonusOfOwn | Era::Floored => thousandths(points, ram_and_swap).map(clamp),
        // Negative points had to fit a file that never had a minus sign: -1000 to 1000 becomes 0 to 1333.
        Era::Signed => thousandths(points, ram_and_swap).map(|share| clamp((1000 + share) * 2 / 3)),
    }
}

/// The `score N` of a `Kill process` line: thousandths of what was allowed. `None` for kernels that log none (5.1 and later), or
/// points that are no measure.
#[must_use]
pub fn logged_score(release: Release, points: i64, totalpages: u64) -> Option<i64> {
    if release >= Release::new(5, 1, 0) {
        return None;
    }
    match release.era() {
        Era::Heuristic => None,
        Era::Thousandths => Some(points),
        _ => thousandths(points, totalpages).map(clamp),
    }
}

fn thousandths(points: i64, totalpages: u64) -> Option<i128> {
    (i128::from(points) * 1000).checked_div(i128::from(totalpages))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: u64 = 131_072;

    fn of(release: &str, scored: Scored) -> Option<i64> {
        oom_score(Release::parse(release)?, scored, TOTAL)
    }

    #[test]
    fn an_idle_process_of_5_9_and_later_has_666() {
        assert_eq!(of("6.1.0", Scored::Points(0)), Some(666));
        assert_eq!(of("6.1.0", Scored::Points(131)), Some(666));
        assert_eq!(of("6.1.0", Scored::Points(132)), Some(667));
        assert_eq!(of("6.1.0", Scored::Points(-131)), Some(666));
        assert_eq!(of("6.1.0", Scored::Points(-999 * 131)), Some(1));
        assert_eq!(of("6.1.0", Scored::Points(1000 * 131)), Some(1332));
        assert_eq!(of("6.1.0", Scored::Unkillable), Some(0));
    }

    #[test]
    fn before_it_is_a_share() {
        for release in ["3.7.0", "4.4.0", "4.19.0", "5.8.0"] {
            assert_eq!(of(release, Scored::Points(65_536)), Some(500), "{release}");
            assert_eq!(of(release, Scored::Points(1)), Some(0), "{release}");
            assert_eq!(of(release, Scored::Unkillable), Some(0), "{release}");
        }
        assert_eq!(of("3.2.0", Scored::Points(470)), Some(470));
        assert_eq!(of("2.6.27", Scored::NotComparable), None);
    }

    #[test]
    fn logs_have_shares_up_to_5_0() {
        let of = |release, points| logged_score(Release::parse(release)?, points, 5120);
        assert_eq!(of("4.19.0", 5289), Some(1033));
        assert_eq!(of("5.0.21", 5289), Some(1033));
        assert_eq!(of("3.2.0", 900), Some(900));
        assert_eq!(of("5.1.0", 5289), None);
        assert_eq!(of("2.6.27", 5289), None);
    }

    #[test]
    fn without_memory_there_is_no_share() {
        let release = Release::new(6, 1, 0);
        assert_eq!(oom_score(release, Scored::Points(5), 0), None);
        assert_eq!(oom_score(release, Scored::Points(i64::MAX), 1), Some(i64::MAX));
        assert_eq!(oom_score(release, Scored::Points(i64::MIN), 1), Some(i64::MIN));
    }
}
