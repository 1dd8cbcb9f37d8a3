//! Which of its formulas a kernel has, by its release.
//!
//! The release is all that is known of a recorded or logged kernel. Stable series and vendors have taken some of the changes
//! back to older releases, which no number tells; the mainline's history is assumed.

/// A kernel release: the numbers that mainline counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u32,
    minor: u32,
    patch: u32,
}

/// A formula of `oom_badness()`, and the releases that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// Before 2.6.36: address space, weighed by age, nice value, privileges and `oom_adj`.
    Heuristic,
    /// 2.6.36 to 3.4: thousandths of what is allowed, 0 to 1000; 30 less for CAP_SYS_ADMIN.
    Thousandths,
    /// 3.5 to 3.13: pages, at least 1; CAP_SYS_ADMIN is worth an adjustment of -30.
    BonusOfTotal,
    /// 3.14 to 4.16: pages, at least 1; with CAP_SYS_ADMIN 3 % of the memory does not count.
    BonusOfOwn,
    /// 4.17 to 5.8: pages, at least 1.
    Floored,
    /// 5.9 and later: pages, signed.
    Signed,
}

/// Who stays chosen when points are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// Before 3.14: the one that the scan came to first.
    First,
    /// 3.14 to 5.2: the first, unless its thread is not the leader of its group.
    FirstLeader,
    /// 5.3 and later: the last.
    Last,
}

impl Release {
    /// From numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// From `uname -r`: the numbers it begins with. `None` when it does not begin with two, or with one that is not a series of
    /// its own (`6`, not `2` or `5`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut number = || {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            rest = after.strip_prefix('.').unwrap_or_default();
            digits.parse::<u32>().ok()
        };
        let (major, minor, patch) = (number()?, number(), number());
        match minor {
            Some(minor) => Some(Self::new(major, minor, patch.unwrap_or(0))),
            // All of a later series has one formula.
            None => (major > 5).then_some(Self::new(major, 0, 0)),
        }
    }

    /// Its formula.
    #[must_use]
    pub fn era(self) -> Era {
        if self >= Self::new(5, 9, 0) {
            Era::Signed
        } else if self >= Self::new(4, 17, 0) {
            Era::Floored
        } else if self >= Self::new(3, 14, 0) {
            Era::BonusOfOwn
        } else if self >= Self::new(3, 5, 0) {
            Era::BonusOfTotal
        } else if self >= Self::new(2, 6, 36) {
            Era::Thousandths
        } else {
            Era::Heuristic
        }
    }

    /// Its rule for equals.
    #[must_use]
    pub fn ties(self) -> Ties {
        if self >= Self::new(5, 3, 0) {
            Ties::Last
        } else if self >= Self::new(3, 14, 0) {
            Ties::FirstLeader
        } else {
            Ties::First
        }
    }

    /// Whether the RSS counters are per-CPU counters (`struct percpu_counter`); before, threads keep what they have not added
    /// yet to themselves.
    #[must_use]
    pub fn has_percpu_counters(self) -> bool {
        self >= Self::new(6, 2, 0)
    }

    /// Whether the scorer sums the per-CPU counters exactly, instead of reading their shared part.
    #[must_use]
    pub fn sums_exactly(self) -> bool {
        self >= Self::new(7, 0, 0)
    }
}

impl Era {
    /// Whether CAP_SYS_ADMIN lowers the score.
    #[must_use]
    pub fn has_root_bonus(self) -> bool {
        matches!(self, Self::Thousandths | Self::BonusOfTotal | Self::BonusOfOwn)
    }

    /// The releases that have it.
    #[must_use]
    pub fn releases(self) -> &'static str {
        match self {
            Self::Heuristic => "before 2.6.36",
            Self::Thousandths => "2.6.36 to 3.4",
            Self::BonusOfTotal => "3.5 to 3.13",
            Self::BonusOfOwn => "3.14 to 4.16",
            Self::Floored => "4.17 to 5.8",
            Self::Signed => "5.9 and later",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_border_is_where_it_belongs() {
        for (release, era, ties) in [
            ("2.6.9-5.EL", Era::Heuristic, Ties::First),
            ("2.6.35.14", Era::Heuristic, Ties::First),
            ("2.6.36", Era::Thousandths, Ties::First),
            ("3.4.113", Era::Thousandths, Ties::First),
            ("3.5.0-23-generic", Era::BonusOfTotal, Ties::First),
            ("3.7.0", Era::BonusOfTotal, Ties::First),
            ("3.13.11", Era::BonusOfTotal, Ties::First),
            ("3.14.0-rc1", Era::BonusOfOwn, Ties::FirstLeader),
            ("4.16.18", Era::BonusOfOwn, Ties::FirstLeader),
            ("4.17", Era::Floored, Ties::FirstLeader),
            ("5.2.21", Era::Floored, Ties::FirstLeader),
            ("5.3.0", Era::Floored, Ties::Last),
            ("5.8.18", Era::Floored, Ties::Last),
            ("5.9-rc1", Era::Signed, Ties::Last),
            ("5.10.0-45-cloud-amd64", Era::Signed, Ties::Last),
            ("6", Era::Signed, Ties::Last),
            ("7.3.4+deb13-cloud-amd64", Era::Signed, Ties::Last),
        ] {
            let parsed = Release::parse(release).unwrap_or_else(|| panic!("{release} is a release"));
            assert_eq!((parsed.era(), parsed.ties()), (era, ties), "{release}");
        }
    }

    #[test]
    fn what_is_no_release_has_no_era() {
        for text in ["", "5", "2", "rolling", "v6.1", "99999999999.1", ".5.9", "-5.9"] {
            assert_eq!(Release::parse(text), None, "{text}");
        }
    }

    #[test]
    fn counters_changed_twice() {
        let of = |text| Release::parse(text).map(|r| (r.has_percpu_counters(), r.sums_exactly()));
        assert_eq!(of("6.1.192"), Some((false, false)));
        assert_eq!(of("6.2.0"), Some((true, false)));
        assert_eq!(of("6.19.14"), Some((true, false)));
        assert_eq!(of("7.0.0"), Some((true, true)));
    }
}
