//! Gathers results from all kinds of tests, prints each as it comes, and the failures again at the end.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// With the reason.
    Failed(String),
    /// With the reason: a test that cannot run never counts as passed.
    Skipped(String),
}

/// All results so far. Shared by the threads that watch guests.
#[derive(Default)]
pub(super) struct Report(Mutex<Vec<(String, Verdict)>>);

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Report {
    /// Takes a result and prints it, with `note` (a duration) behind it.
    pub(super) fn add(&self, name: &str, verdict: Verdict, note: &str) {
        match &verdict {
            Verdict::Passed => println!("passed   {name}{note}"),
            Verdict::Failed(reason) => println!("FAILED   {name}{note}: {reason}"),
            Verdict::Skipped(reason) => println!("skipped  {name}: {reason}"),
        }
        self.count(name, verdict);
    }

    /// Takes a result that somebody else printed.
    pub(super) fn count(&self, name: &str, verdict: Verdict) {
        self.results().push((name.to_owned(), verdict));
    }

    /// The sums.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for (_, verdict) in self.results().iter() {
            match verdict {
                Verdict::Passed => totals.passed += 1,
                Verdict::Failed(_) => totals.failed += 1,
                Verdict::Skipped(_) => totals.skipped += 1,
            }
        }
        totals
    }

    /// Prints skipped tests and failures once more, then the sums on a line of their own.
    pub(super) fn conclude(&self) -> Totals {
        let results = self.results().clone();
        println!();
        for (name, verdict) in &results {
            if let Verdict::Skipped(reason) = verdict {
                println!("skipped  {name}: {reason}");
            }
        }
        for (name, verdict) in &results {
            if let Verdict::Failed(reason) = verdict {
                println!("FAILED   {name}: {reason}");
            }
        }
        let totals = self.totals();
        println!("{totals}");
        totals
    }

    fn results(&self) -> MutexGuard<'_, Vec<(String, Verdict)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_verdict() {
        let report = Report::default();
        report.count("a", Verdict::Passed);
        report.count("b", Verdict::Failed("x".to_owned()));
        report.count("c", Verdict::Skipped("y".to_owned()));
        report.count("d", Verdict::Passed);
        assert_eq!(report.totals().to_string(), "2 passed, 1 failed, 1 skipped");
    }
}
