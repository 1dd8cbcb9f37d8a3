//! Who is chosen among those scored: the scan's own rule (`select_bad_process()`, `oom_evaluate_task()`, `mm/oom_kill.c`).

use super::era::Ties;

/// The one with the most points, and its points; of equals the one that the scan comes to last, as in the kernel since 5.3.
/// `scored` is in scan order, without those that may not be killed. `None`: nobody may be.
#[must_use]
pub fn choose<T>(scored: impl IntoIterator<Item = (T, i64)>) -> Option<(T, i64)> {
    select(Ties::Last, scored.into_iter().map(|(who, points)| (who, points, true)))
}

/// The same by any kernel's rule for equals. The third of each says whether the thread that was scored leads its group.
#[must_use]
pub fn select<T>(ties: Ties, scored: impl IntoIterator<Item = (T, i64, bool)>) -> Option<(T, i64)> {
    let chosen = scored.into_iter().reduce(|best, next| {
        let wins_equal = match ties {
            Ties::First => false,
            Ties::FirstLeader => !best.2,
            Ties::Last => true,
        };
        if next.1 > best.1 || (next.1 == best.1 && wins_equal) { next } else { best }
    });
    chosen.map(|(who, points, _)| (who, points))
}

#[cfg(test)]
mod tests {
    use super::{Ties, choose, select};

    #[test]
    fn the_highest_wins_and_of_equals_the_last() {
        assert_eq!(choose([("a", 5), ("b", 7), ("c", 7), ("d", -3)]), Some(("c", 7)));
        assert_eq!(choose([("a", -5), ("b", -3), ("c", -9)]), Some(("b", -3)));
        assert_eq!(choose([("a", i64::MIN + 1)]), Some(("a", i64::MIN + 1)));
        assert_eq!(choose::<()>([]), None);
    }

    #[test]
    fn older_kernels_keep_the_first() {
        let scored = [("a", 5, true), ("b", 7, true), ("c", 7, true)];
        assert_eq!(select(Ties::First, scored), Some(("b", 7)));
        assert_eq!(select(Ties::FirstLeader, scored), Some(("b", 7)));
        assert_eq!(select(Ties::Last, scored), Some(("c", 7)));
        // A thread that leads no group gives way to any equal, also to one that leads none either.
        let threads = [("b", 7, false), ("c", 7, false), ("d", 7, true), ("e", 7, false)];
        assert_eq!(select(Ties::First, threads), Some(("b", 7)));
        assert_eq!(select(Ties::FirstLeader, threads), Some(("d", 7)));
        assert_eq!(select(Ties::Last, threads), Some(("e", 7)));
    }
}
