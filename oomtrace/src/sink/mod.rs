//! Where episodes go. A sink is given the session's description, each finished episode and the totals, and writes to a
//! writer it was given; it never asks for the time, the environment, or anything of the system.

pub mod export;
pub mod json;
pub mod listing;
pub mod metrics;
pub mod report;
mod several;
pub mod terminal;

use std::io;

use crate::model::observation::Lost;
use crate::model::{Episode, Gap, Ledger, SessionInfo, Stats, sample};

pub use json::Json;
pub use report::Report;
pub use several::Several;
pub use terminal::Terminal;

/// Takes what there is to show.
pub trait Sink {
    /// The session begins. Called once, first.
    ///
    /// # Errors
    ///
    /// What the writer says. The sink is not called again then; the same goes for the other methods.
    fn start(&mut self, info: &SessionInfo) -> io::Result<()>;

    /// The session goes on with another boot, or another machine ([`Observation::Origin`](crate::model::Observation::Origin)):
    /// the episodes that follow are described by `info`.
    ///
    /// # Errors
    ///
    /// As [`Sink::start`].
    fn origin(&mut self, info: &SessionInfo) -> io::Result<()>;

    /// Something is missing in the recording, here.
    ///
    /// # Errors
    ///
    /// As [`Sink::start`].
    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let _ = gap;
        Ok(())
    }

    /// The session has lost this much until now, whatever its episodes have told. Comes while a capture runs, and only if somebody
    /// asked for it ([`Pipeline::also_to`](crate::pipeline::Pipeline::also_to)).
    ///
    /// # Errors
    ///
    /// As [`Sink::start`].
    fn lost(&mut self, lost: &Lost) -> io::Result<()> {
        let _ = lost;
        Ok(())
    }

    /// An episode is finished.
    ///
    /// # Errors
    ///
    /// As [`Sink::start`].
    fn episode(&mut self, episode: &Episode) -> io::Result<()>;

    /// The session ended. Called once, last.
    ///
    /// # Errors
    ///
    /// As [`Sink::start`].
    fn end(&mut self, totals: &Totals) -> io::Result<()>;
}

/// The whole session in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The session has its end; false when it was cut off.
    pub complete: bool,
    /// Episodes given to the sinks.
    pub episodes: u64,
    /// Victims in them.
    pub victims: u64,
    /// Episodes that filters kept from them.
    pub hidden: u64,
    /// Boot clock at the end, ns; `None` when the end is missing.
    pub boot_ns: Option<u64>,
    /// Gaps that were in the recording.
    pub gaps: u64,
    /// Losses of the whole session; without an end, those of the episodes.
    pub lost: Lost,
    /// Kills of the whole session, whatever was shown, against the kernel's counters.
    pub ledger: Ledger,
    /// The memory samples of the whole session.
    pub samples: sample::Span,
    /// What the capture cost, when that was asked for.
    pub stats: Option<Stats>,
}

impl Totals {
    /// Adds those of a session that comes after.
    pub fn add(&mut self, next: &Self) {
        let Self { complete, episodes, victims, hidden, boot_ns, gaps, lost, ledger, samples, stats } = next;
        self.complete &= complete;
        self.episodes += episodes;
        self.victims += victims;
        self.hidden += hidden;
        self.gaps += gaps;
        self.boot_ns = *boot_ns;
        self.lost.add(*lost);
        self.ledger.add(ledger);
        self.samples.add(*samples);
        // What each cost is no cost of both.
        self.stats.clone_from(stats);
    }
}

/// Several sinks as one. One that fails is left out from then on, the others go on.
#[derive(Default)]
pub struct FanOut {
    slots: Vec<Slot>,
}

struct Slot {
    name: &'static str,
    sink: Box<dyn Sink + Send>,
}

/// A sink that had to be left out.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}: {source}")]
pub struct Failure {
    /// Which sink.
    pub name: &'static str,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Failure {
    /// The reader has gone away (`| head`), which is no fault.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}

impl FanOut {
    /// Adds a sink; `name` says in messages what could not be written, as in "the text output".
    pub fn add(&mut self, name: &'static str, sink: Box<dyn Sink + Send>) {
        self.slots.push(Slot { name, sink });
    }

    /// Whether no sink is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// [`Sink::start`] of all; returns those that failed.
    pub fn start(&mut self, info: &SessionInfo) -> Vec<Failure> {
        self.each(|sink| sink.start(info))
    }

    /// [`Sink::origin`] of all; returns those that failed.
    pub fn origin(&mut self, info: &SessionInfo) -> Vec<Failure> {
        self.each(|sink| sink.origin(info))
    }

    /// [`Sink::gap`] of all; returns those that failed.
    pub fn gap(&mut self, gap: &Gap) -> Vec<Failure> {
        self.each(|sink| sink.gap(gap))
    }

    /// [`Sink::lost`] of all; returns those that failed.
    pub fn lost(&mut self, lost: &Lost) -> Vec<Failure> {
        self.each(|sink| sink.lost(lost))
    }

    /// [`Sink::episode`] of all; returns those that failed.
    pub fn episode(&mut self, episode: &Episode) -> Vec<Failure> {
        self.each(|sink| sink.episode(episode))
    }

    /// [`Sink::end`] of all; returns those that failed.
    pub fn end(&mut self, totals: &Totals) -> Vec<Failure> {
        self.each(|sink| sink.end(totals))
    }

    fn each(&mut self, mut call: impl FnMut(&mut dyn Sink) -> io::Result<()>) -> Vec<Failure> {
        let mut failures = Vec::new();
        self.slots.retain_mut(|slot| match call(slot.sink.as_mut()) {
            Ok(()) => true,
            Err(source) => {
                failures.push(Failure { name: slot.name, source });
                false
            }
        });
        failures
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Fails(io::ErrorKind);

    impl Sink for Fails {
        fn start(&mut self, _: &SessionInfo) -> io::Result<()> {
            Ok(())
        }
        fn origin(&mut self, _: &SessionInfo) -> io::Result<()> {
            Ok(())
        }
        fn episode(&mut self, _: &Episode) -> io::Result<()> {
            Err(self.0.into())
        }
        fn end(&mut self, _: &Totals) -> io::Result<()> {
            unreachable!("a sink that failed is not called again")
        }
    }

    struct Counts(Arc<Mutex<u32>>);

    impl Sink for Counts {
        fn start(&mut self, _: &SessionInfo) -> io::Result<()> {
            Ok(())
        }
        fn origin(&mut self, _: &SessionInfo) -> io::Result<()> {
            Ok(())
        }
        fn episode(&mut self, _: &Episode) -> io::Result<()> {
            *self.0.lock().expect("nobody panics") += 1;
            Ok(())
        }
        fn end(&mut self, _: &Totals) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_fails_does_not_silence_the_others() {
        let count = Arc::new(Mutex::new(0));
        let mut all = FanOut::default();
        all.add("the full disk", Box::new(Fails(io::ErrorKind::StorageFull)));
        all.add("the pipe", Box::new(Fails(io::ErrorKind::BrokenPipe)));
        all.add("the count", Box::new(Counts(Arc::clone(&count))));
        let episode =
            crate::made_up::assemble(&crate::made_up::info(), &crate::made_up::one_kill()).remove(0);
        let failures = all.episode(&episode);
        assert_eq!(failures.iter().map(Failure::is_closed_pipe).collect::<Vec<_>>(), [false, true]);
        assert!(all.episode(&episode).is_empty());
        assert!(all.end(&Totals::default()).is_empty());
        assert_eq!(*count.lock().expect("nobody panics"), 2);
        assert!(!all.is_empty());
    }
}
