//! What happened when: every moment of an episode that was seen, in order.

use crate::model::episode::{Episode, Outcome, Reaped};
use crate::model::observation::Memory;

/// One moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since boot.
    pub at_ns: u64,
    /// Nanoseconds after the entry; `None` when the entry was not seen.
    pub delay_ns: Option<u64>,
    /// What happened then.
    pub event: Event,
}

/// What can happen. Victims are told by their position in [`Episode::victims`]. The order is that of the kernel, for what
/// happened in the same nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// `out_of_memory()` was entered.
    Entered,
    /// The first line of the report in the kernel's log.
    Reported,
    /// The first candidate had been looked at.
    FirstCandidate,
    /// The scan was over and the choice made (`oom_kill_process()` was entered): the kernel goes from one to the other
    /// without a step between.
    Chosen,
    /// A victim was sent SIGKILL.
    Signalled {
        /// Who.
        victim: usize,
    },
    /// A victim was given access to the memory reserves (`mark_oom_victim()`).
    Marked {
        /// Who.
        victim: usize,
    },
    /// `out_of_memory()` returned.
    Returned,
    /// The first of the passes that are counted on this episode was entered.
    Folded {
        /// From then to the return of the last of them, ns.
        span_ns: u64,
    },
    /// The reaper began with a victim's memory.
    ReaperStarted {
        /// Whose.
        victim: usize,
    },
    /// The reaper was done with it.
    ReaperFinished {
        /// Whose.
        victim: usize,
        /// What it took back, pages; `None` when not captured.
        freed_pages: Option<u64>,
    },
    /// The last thread of a victim was exiting.
    Exited {
        /// Who.
        victim: usize,
    },
    /// A victim's marked thread had let go of its address space: the memory is back.
    Released {
        /// Who.
        victim: usize,
    },
}

/// All moments of an episode that were seen, earliest first.
#[must_use]
pub fn timeline(episode: &Episode) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(6 + episode.victims.len() * 4);
    let mut add = |at_ns: Option<u64>, event: Event| {
        if let Some(at_ns) = at_ns {
            let delay_ns = episode.opened_ns.map(|opened_ns| at_ns.saturating_sub(opened_ns));
            moments.push(Moment { at_ns, delay_ns, event });
        }
    };
    let first = if episode.report.is_some() { Event::Reported } else { Event::Entered };
    add(episode.opened_ns, first);
    add(episode.scan_ns.map(|(first, _)| first), Event::FirstCandidate);
    let scanned = episode.scan_ns.map(|(_, last)| last).filter(|_| episode.outcome != Outcome::NoneKillable);
    add(episode.chosen_ns.or(scanned), Event::Chosen);
    add(episode.closed_ns, Event::Returned);
    if let Some((first_ns, last_ns)) = episode.folded.span_ns {
        add(Some(first_ns), Event::Folded { span_ns: last_ns.saturating_sub(first_ns) });
    }
    for (victim, person) in episode.victims.iter().enumerate() {
        add(person.killed_ns, Event::Signalled { victim });
        add(person.marked_ns, Event::Marked { victim });
        add(person.exited_ns, Event::Exited { victim });
        add(person.released_ns, Event::Released { victim });
        if let Some(reaped) = &person.reaped {
            add(reaped.started_ns, Event::ReaperStarted { victim });
            let freed_pages = freed_pages(reaped);
            add(reaped.finished_ns, Event::ReaperFinished { victim, freed_pages });
        }
    }
    moments.sort_by_key(|moment| (moment.at_ns, moment.event));
    moments
}

/// Resident memory that the reaper took back, pages: what there was before less what was left. `None` when one of them was
/// not captured.
#[must_use]
pub fn freed_pages(reaped: &Reaped) -> Option<u64> {
    let resident = |memory: Memory| {
        let parts = [memory.rss_anon_pages?, memory.rss_file_pages?, memory.rss_shmem_pages?];
        Some(parts.into_iter().fold(0, u64::saturating_add))
    };
    Some(resident(reaped.before?)?.saturating_sub(resident(reaped.after?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

    fn events(observations: &[crate::model::Observation]) -> Vec<(Option<u64>, Event)> {
        let episode = made_up::assemble(&made_up::info(), observations).remove(0);
        timeline(&episode).iter().map(|moment| (moment.delay_ns, moment.event)).collect()
    }

    #[test]
    fn moments_come_in_the_order_in_which_they_happened() {
        let victim = 0;
        let step = made_up::MS / 20;
        assert_eq!(
            events(&made_up::one_kill()),
            [
                (Some(0), Event::Entered),
                (Some(step), Event::FirstCandidate),
                (Some(step * 3), Event::Chosen),
                (Some(step * 5), Event::Signalled { victim }),
                (Some(step * 6), Event::Marked { victim }),
                (Some(step * 7), Event::Returned),
                (Some(9 * made_up::MS + step), Event::Released { victim }),
                (Some(9 * made_up::MS + step * 2), Event::Exited { victim }),
            ]
        );
    }

    #[test]
    fn a_search_that_finds_nobody_chooses_nobody() {
        let events = events(&made_up::none_killable());
        assert!(events.iter().any(|(_, event)| *event == Event::FirstCandidate), "{events:?}");
        assert!(events.iter().all(|(_, event)| *event != Event::Chosen), "{events:?}");
    }

    #[test]
    fn folded_passes_have_a_moment_and_a_span() {
        let storm = events(&made_up::storm());
        let folded = storm.iter().find(|(_, event)| matches!(event, Event::Folded { .. }));
        let span_ns = 11 * made_up::MS + made_up::MS / 20 * 2;
        assert_eq!(folded, Some(&(Some(2 * made_up::MS), Event::Folded { span_ns })));
    }

    #[test]
    fn what_the_reaper_took_is_a_difference_of_known_numbers() {
        let memory = |anon, file| Some(made_up::memory(anon, file));
        let reaped = Reaped { before: memory(900, 100), after: memory(0, 90), ..Reaped::default() };
        assert_eq!(freed_pages(&reaped), Some(910));
        assert_eq!(freed_pages(&Reaped { after: None, ..reaped }), None);
        assert_eq!(freed_pages(&Reaped { before: memory(1, 1), after: memory(5, 5), ..reaped }), Some(0));
    }
}
