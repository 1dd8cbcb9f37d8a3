//! Episodes as numbers for a monitoring system: counted here, named in [`families`], encoded in [`text`].
//!
//! The sink counts in numbers of its own, and after each episode hands a copy on, which whoever wants to encode takes a reference of: the
//! lock between the two is held for as long as it takes to move a pointer, so that a reader that waits for memory never makes a capture wait for it. The
//! heap is one for both: [`Options::room`] of it is to be there from the start.
//!
//! - [`numbers`]: what is counted, and from what of an episode;
//! - [`cgroups`]: the same by cgroup, when that was asked for;
//! - [`ages`]: which of those are shown, and from when on;
//! - [`accept`]: which format a reader wants.

mod accept;
mod ages;
mod cgroups;
mod families;
mod numbers;
#[cfg(test)]
mod tests;
mod text;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::observation::Lost;
use crate::model::{Episode, SessionInfo};

use self::ages::Ages;
use self::cgroups::Cgroups;
use self::numbers::Numbers;
use super::{Sink, Totals};

pub use accept::Format;
pub use families::{Family, Kind, Sample, Unit, Value};
pub use numbers::Histogram;

/// What is shown beyond what everybody gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Show cgroups, this many at the most.
    pub cgroups: Option<usize>,
    /// Show containers under the name that cAdvisor has for it, this many at the most.
    pub containers: Option<usize>,
    /// How long a cgroup is shown after its last episode.
    pub keep: Duration,
}

impl Options {
    /// Bytes of heap that a reader of the text and a copy of the numbers take at most, together.
    #[must_use]
    pub fn room(&self) -> usize {
        (64 << 10) + self.cgroups.max(self.containers).unwrap_or(0) * CGROUP_ROOM
    }
}

/// What one cgroup takes: a test has the sum.
const CGROUP_ROOM: usize = 4 << 10;

/// Cgroups when nobody says how many.
pub const CGROUPS: usize = 100;

/// The numbers as of the last episode.
type Shared = Arc<Mutex<Arc<Numbers>>>;

/// Counts episodes.
#[derive(Debug)]
pub struct Metrics {
    numbers: Numbers,
    shared: Shared,
}

/// What readers of the numbers are given.
#[derive(Debug)]
pub struct Exposition {
    shared: Shared,
    ages: Mutex<Ages>,
    options: Options,
}

/// A sink, and what its numbers are read from. All series that are known before the first episode are there, with 0.
#[must_use]
pub fn new(options: Options) -> (Metrics, Exposition) {
    let most = options.cgroups.max(options.containers);
    let numbers = Numbers::new(most.map(|most| Cgroups::new(most, options.keep)));
    let shared = Arc::new(Mutex::new(Arc::new(numbers.clone())));
    let exposition =
        Exposition { shared: Arc::clone(&shared), ages: Mutex::new(Ages::new(options.keep)), options };
    (Metrics { numbers, shared }, exposition)
}

impl Exposition {
    /// All that there is to show at this moment.
    #[must_use]
    pub fn families(&self, now: Instant) -> Vec<Family> {
        let numbers = Arc::clone(&self.shared.lock().unwrap_or_else(PoisonError::into_inner));
        let mut ages = self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        families::of(&numbers, &self.options, &mut ages, now)
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self, format: Format, now: Instant) -> String {
        text::encode(self.families(now), format)
    }
}

impl Metrics {
    fn publish(&self) {
        let numbers = Arc::new(self.numbers.clone());
        let before =
            std::mem::replace(&mut *self.shared.lock().unwrap_or_else(PoisonError::into_inner), numbers);
        // Behind the lock.
        drop(before);
    }
}

impl Sink for Metrics {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.numbers.session(info);
        self.publish();
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        self.numbers.episode(episode);
        self.publish();
        Ok(())
    }

    fn lost(&mut self, lost: &Lost) -> io::Result<()> {
        if self.numbers.told(lost) {
            self.publish();
        }
        Ok(())
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.lost(&totals.lost)
    }
}
