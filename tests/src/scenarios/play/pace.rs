//! The kernel's rate limit of reports: at most 10 in 5 seconds, counted in windows that begin with a report.
//!
//! There is no knob for it, and a case without reports would prove less; so a case waits until there is room.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The kernel's window; a little is added for its coarse clock.
const WINDOW: Duration = Duration::from_millis(5_500);
/// Reports in a window.
const BURST: usize = 10;
/// Reports that most cases stay within.
const FEW: usize = 4;

/// When reports were made.
#[derive(Debug, Default)]
pub(in crate::scenarios) struct Pace(VecDeque<Instant>);

impl Pace {
    /// Sleeps until another case can make its reports: all that the window holds when it may make `many`.
    pub(in crate::scenarios) fn wait_for_room(&mut self, many: bool) {
        let wanted = if many { BURST } else { FEW };
        loop {
            let now = Instant::now();
            while self.0.front().is_some_and(|at| now - *at > WINDOW) {
                self.0.pop_front();
            }
            let surplus = (self.0.len() + wanted).saturating_sub(BURST);
            // Nothing tells when the window is over; it is a matter of time by definition.
            match surplus.checked_sub(1).and_then(|last| self.0.get(last.min(self.0.len().saturating_sub(1))))
            {
                Some(at) => {
                    std::thread::sleep((WINDOW + Duration::from_millis(10)).saturating_sub(now - *at));
                }
                None => return,
            }
        }
    }

    /// That many were made by now.
    pub(in crate::scenarios) fn reported(&mut self, count: usize) {
        self.0.extend(std::iter::repeat_n(Instant::now(), count));
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn there_is_room_at_first() {
        let mut pace = Pace::default();
        let started = std::time::Instant::now();
        pace.wait_for_room(true);
        pace.reported(6);
        pace.wait_for_room(false);
        assert!(started.elapsed() < super::WINDOW / 2);
    }
}
