//! What is kept and what goes. Pure: numbers in, numbers out.
//!
//! The last file, which is being written, and the newest one with an episode always stay. Of the others, those without any episode (samples
//! alone) go first, then the oldest: however much there is between two OOMs, it pushes none of them out. When another file is to be
//! begun, the last one is being left: it may go as the others do.

/// A file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// When its newest record was written, ns since the Unix epoch.
    pub(super) newest_ns: i128,
    /// It has an episode.
    pub(super) episodes: bool,
    /// It could not be removed: others go in its place.
    pub(super) stuck: bool,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// Age beyond the newest record of the last file, ns. Those that claim to be newer have none: their clock was wrong.
    pub(super) age_ns: Option<i128>,
}

/// Positions in `files` (oldest first, the last one being written) of those that go, so that `files` and `bytes` more can be added.
pub(super) fn to_go(files: &[Kept], bounds: Bounds, more_files: usize, more_bytes: u64) -> Vec<usize> {
    let Some(last) = files.len().checked_sub(1) else { return Vec::new() };
    let newest_episodes = files.iter().rposition(|file| file.episodes);
    let may_go = |position: usize| {
        !files[position].stuck && Some(position) != newest_episodes && (position != last || more_files > 0)
    };
    // Not from the newest of all: one file with a time in the future would make all others too old.
    let newest_ns = files[last].newest_ns;
    let too_old = |file: &Kept| bounds.age_ns.is_some_and(|age| newest_ns - file.newest_ns > age);
    let mut going: Vec<usize> = (0..last).filter(|&n| may_go(n) && too_old(&files[n])).collect();

    let mut candidates: Vec<usize> = (0..=last).filter(|&n| may_go(n) && !going.contains(&n)).collect();
    // Stable: in each half the oldest stays first.
    candidates.sort_by_key(|&n| files[n].episodes);
    let mut candidates = candidates.into_iter();
    loop {
        let left = (0..files.len()).filter(|n| !going.contains(n));
        let (count, bytes) = left.fold((0, 0_u64), |(count, bytes), n| (count + 1, bytes + files[n].bytes));
        if count + more_files <= bounds.files && bytes.saturating_add(more_bytes) <= bounds.bytes {
            break;
        }
        let Some(next) = candidates.next() else { break };
        going.push(next);
    }
    going.sort_unstable();
    going
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(number: u64, bytes: u64, newest: i128, episodes: bool) -> Kept {
        Kept { number, bytes, newest_ns: newest, episodes, stuck: false }
    }

    const NO_AGE: Bounds = Bounds { files: 3, bytes: 300, age_ns: None };

    #[test]
    fn the_oldest_go_and_those_without_episodes_first() {
        let files = [kept(1, 100, 1, true), kept(2, 100, 2, true), kept(3, 100, 3, true)];
        assert_eq!(to_go(&files, NO_AGE, 0, 0), [0usize; 0]);
        assert_eq!(to_go(&files, NO_AGE, 1, 0), [0]);
        assert_eq!(to_go(&files, NO_AGE, 0, 1), [0]);
        let quiet = [kept(1, 100, 1, true), kept(2, 100, 2, false), kept(3, 100, 3, true)];
        assert_eq!(to_go(&quiet, NO_AGE, 1, 0), [1]);
    }

    #[test]
    fn a_quiet_file_that_is_left_goes_before_any_episode() {
        let files = [kept(1, 100, 1, true), kept(2, 100, 2, true), kept(3, 100, 3, false)];
        assert_eq!(to_go(&files, NO_AGE, 1, 0), [2]);
        // While it is written it stays.
        assert_eq!(to_go(&files, NO_AGE, 0, 1), [0]);
    }

    #[test]
    fn what_cannot_be_removed_is_counted_and_others_go() {
        let mut files = [kept(1, 100, 1, true), kept(2, 100, 2, true), kept(3, 100, 3, true)];
        files[0].stuck = true;
        assert_eq!(to_go(&files, NO_AGE, 1, 0), [1]);
    }

    #[test]
    fn a_file_of_the_future_makes_no_other_one_old() {
        let files = [kept(1, 1, 10, true), kept(2, 1, 1_000_000, true), kept(3, 1, 20, true)];
        let bounds = |age| Bounds { files: 9, bytes: 900, age_ns: Some(age) };
        assert_eq!(to_go(&files, bounds(15), 0, 0), [0usize; 0]);
        assert_eq!(to_go(&files, bounds(9), 0, 0), [0]);
    }

    #[test]
    fn the_newest_episodes_stay_behind_whatever_came_since() {
        let mut files = vec![kept(1, 100, 1, true), kept(2, 100, 2, true)];
        files.extend((3..20).map(|n| kept(n, 100, i128::from(n), false)));
        let bounds = Bounds { files: 2, ..NO_AGE };
        let left: Vec<usize> = (0..19).filter(|n| !to_go(&files, bounds, 0, 0).contains(n)).collect();
        assert_eq!(left, [1, 18]);
        // Nor does age count against them.
        let bounds = Bounds { files: 20, bytes: u64::MAX, age_ns: Some(1) };
        let left: Vec<usize> = (0..19).filter(|n| !to_go(&files, bounds, 0, 0).contains(n)).collect();
        assert_eq!(left, [1, 17, 18]);
    }

    #[test]
    fn age_is_counted_from_the_newest_record() {
        let files = [kept(1, 1, 10, true), kept(2, 1, 20, true), kept(3, 1, 25, true)];
        let bounds = |age| Bounds { files: 9, bytes: 900, age_ns: Some(age) };
        assert_eq!(to_go(&files, bounds(15), 0, 0), [0usize; 0]);
        assert_eq!(to_go(&files, bounds(14), 0, 0), [0]);
        assert_eq!(to_go(&files, bounds(4), 0, 0), [0, 1]);
        assert_eq!(to_go(&[], bounds(4), 1, 1), [0usize; 0]);
    }

    proptest! {
        /// Files come one after the other, each no longer than its share.
        #[test]
        fn the_bound_holds_and_the_newest_episodes_are_there(
            come in prop::collection::vec((1u64..=100, any::<bool>(), 0i128..1000), 1..60),
            max_files in 2usize..6,
            age in prop::option::of(0i128..2000),
        ) {
            let bounds = Bounds { files: max_files, bytes: 100 * max_files as u64, age_ns: age };
            let mut files: Vec<Kept> = Vec::new();
            let mut newest_with_episodes = None;
            for (number, (bytes, episodes, ns)) in (0u64..).zip(come) {
                let before = files.len();
                let going = to_go(&files, bounds, 1, 0);
                // No quiet file is left while one with episodes has gone for want of room.
                let room: Vec<_> = going.iter().filter(|&&n| age.is_none() && files[n].episodes).collect();
                let quiet_left = (0..before).any(|n| !files[n].episodes && !going.contains(&n));
                prop_assert!(room.is_empty() || !quiet_left);
                let mut position = 0;
                files.retain(|_| { position += 1; !going.contains(&(position - 1)) });
                files.push(kept(number, bytes, ns, episodes));
                // The one before is not written any more.
                let going = to_go(&files, bounds, 0, 0);
                position = 0;
                files.retain(|_| {
                    position += 1;
                    !going.contains(&(position - 1))
                });
                if episodes { newest_with_episodes = Some(number); }
                prop_assert!(files.len() <= max_files);
                prop_assert!(files.iter().map(|file| file.bytes).sum::<u64>() <= bounds.bytes);
                prop_assert_eq!(files.last().map(|file| file.number), Some(number));
                if let Some(newest) = newest_with_episodes {
                    prop_assert!(files.iter().any(|file| file.number == newest));
                }
            }
        }
    }
}
