//! How much room there is for what waits to be read: rings for records, the log for candidates.
//!
//! User space may not run before a scan is over, so that a whole one has to fit, and an earlier one may not have been read yet.

use oomtrace_common::record::Task;

use super::{LiveError, host};

/// The least that holds what explains a kill, and candidates beside it.
pub const LEAST: u64 = 128 << 10;
/// Sizes of maps are `u32`s.
pub const MOST: u64 = 1 << 31;

const ENTRY: u64 = size_of::<Task>() as u64;
/// Bytes of the ring a task: half of what the names of a container's cgroup take, and the quarter that is kept for
/// what explains the kill.
const RING_EACH: u64 = 300;
/// The least ring: the evidence of an episode, and the names of some cgroups.
const RING_LEAST: u64 = 64 << 10;
/// What is chosen for the ring if nothing is asked for.
const RING_DEFAULT_LEAST: u64 = 512 << 10;
const RING_DEFAULT_MOST: u64 = 16 << 20;
/// The other ring's share of the first: half of it is for the ends of victims, 64 bytes or so each, half for adjustments.
const AFTERMATH_SHARE: u64 = 4;
/// Entries of the log that are chosen if nothing is asked for: bounds around twice the tasks at the start.
const LOG_DEFAULT_LEAST: u64 = 1 << 13;
const LOG_DEFAULT_MOST: u64 = 1 << 19;

/// The sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Bytes of the ring of what is told of episodes: a power of two.
    pub ring: u64,
    /// Bytes of the ring of what comes at other times, the same.
    pub aftermath: u64,
    /// Entries of the candidate log: a power of two.
    pub log: u64,
}

impl Buffer {
    /// As asked for in bytes, else by the number of tasks that there are now.
    ///
    /// # Errors
    /// [`LiveError::Buffer`].
    pub fn of(asked: Option<u64>) -> Result<Self, LiveError> {
        match asked {
            Some(asked) if (LEAST..=MOST).contains(&asked) => Ok(Self::within(asked)),
            Some(asked) => Err(LiveError::Buffer { asked, least: LEAST, most: MOST }),
            None => Ok(Self::for_tasks(host::threads().unwrap_or(0))),
        }
    }

    /// Of both rings, bytes.
    #[must_use]
    pub fn rings(self) -> u64 {
        self.ring + self.aftermath
    }

    /// Of all, bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.rings() + self.log * ENTRY
    }

    /// No more than `bytes`: a quarter for the ring, if that is enough for it, a quarter of that for the other one, the rest for the log.
    fn within(bytes: u64) -> Self {
        let ring = floor_power(bytes / 4).max(RING_LEAST);
        let aftermath = ring / AFTERMATH_SHARE;
        Self { ring, aftermath, log: floor_power((bytes - ring - aftermath) / ENTRY) }
    }

    fn for_tasks(tasks: u64) -> Self {
        let ring = tasks.saturating_mul(RING_EACH).clamp(RING_DEFAULT_LEAST, RING_DEFAULT_MOST);
        let log = tasks.saturating_mul(2).clamp(LOG_DEFAULT_LEAST, LOG_DEFAULT_MOST);
        let ring = ring.next_power_of_two();
        Self { ring, aftermath: ring / AFTERMATH_SHARE, log: log.next_power_of_two() }
    }
}

/// The largest power of two that is not larger.
fn floor_power(n: u64) -> u64 {
    1 << n.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_a_bound() {
        for bytes in [LEAST, LEAST + 1, 200_000, 1 << 20, 5_000_000, 64 << 20, MOST] {
            let buffer = Buffer::within(bytes);
            assert!(buffer.bytes() <= bytes && buffer.bytes() > bytes * 2 / 5, "{bytes}: {buffer:?}");
            for power in [buffer.ring, buffer.aftermath, buffer.log] {
                assert!(power.is_power_of_two(), "{bytes}: {buffer:?}");
            }
            assert!(buffer.aftermath >= 4 << 10, "a ring is pages: {buffer:?}");
            assert!(u32::try_from(buffer.ring).is_ok() && u32::try_from(buffer.log + 1).is_ok());
        }
    }

    #[test]
    fn two_scans_fit_by_default() {
        for tasks in [0, 80, 5_000, 20_000, 50_000, 200_000] {
            assert!(Buffer::for_tasks(tasks).log >= 2 * tasks, "{tasks}");
        }
        let most = Buffer::for_tasks(u64::MAX);
        assert_eq!((most.ring, most.log), (RING_DEFAULT_MOST, LOG_DEFAULT_MOST));
    }
}
