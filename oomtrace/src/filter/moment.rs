//! A moment that somebody asks for: exact, or as a clock on the wall of the captured host shows it.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nanoseconds since the Unix epoch.
    Unix(i128),
    /// Date and time where the recording was made, as text output shows them.
    There(DateTime),
}

/// Text that names no moment.
#[derive(Debug, thiserror::Error)]
#[error("expected a time as in 2026-10-03T14:00:00Z, as in \"2026-10-03 14:00\" (there), or as in -2h")]
pub struct NoMoment;

impl Moment {
    /// Reads RFC 3339 (an exact moment), a date and time without an offset (where the recording was made; a date alone is its
    /// beginning), or a distance from `now_unix_ns`: `-2h`, `-1h30m`.
    ///
    /// # Errors
    ///
    /// It is none of these.
    pub fn of(text: &str, now_unix_ns: i128) -> Result<Self, NoMoment> {
        if let Some(distance) = text.strip_prefix(['-', '+']).filter(|_| !text.contains(':')) {
            let distance: SignedDuration = distance.parse().map_err(|_| NoMoment)?;
            let distance = distance.as_nanos();
            if distance < 0 {
                return Err(NoMoment);
            }
            let back = text.starts_with('-');
            return Ok(Self::Unix(if back { now_unix_ns - distance } else { now_unix_ns + distance }));
        }
        if let Ok(exact) = text.parse::<Timestamp>() {
            return Ok(Self::Unix(exact.as_nanosecond()));
        }
        // What ends in an offset that was not understood is not a time without one.
        let there: DateTime = text.parse().map_err(|_| NoMoment)?;
        Ok(Self::There(there))
    }

    /// Nanoseconds since the Unix epoch, where clocks are `utc_offset_seconds` ahead of UTC.
    #[must_use]
    pub fn unix_ns(&self, utc_offset_seconds: i32) -> i128 {
        match self {
            Self::Unix(ns) => *ns,
            Self::There(there) => {
                let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
                there.duration_since(epoch).as_nanos() - i128::from(utc_offset_seconds) * 1_000_000_000
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_there_and_relative() {
        let unix = |text: &str| Moment::of(text, 10_000_000_000_000).map(|moment| moment.unix_ns(7200)).ok();
        assert_eq!(unix("1970-01-01T02:00:00Z"), Some(7_200_000_000_000));
        assert_eq!(unix("1970-01-01T02:00:00.5+02:00"), Some(500_000_000));
        assert_eq!(unix("1970-01-01 02:00"), Some(0));
        assert_eq!(unix("1970-01-01T02:00:01"), Some(1_000_000_000));
        assert_eq!(unix("1970-01-02"), Some((86_400 - 7200) * 1_000_000_000));
        assert_eq!(unix("-1h"), Some(6_400_000_000_000));
        assert_eq!(unix("-1h30m"), Some(4_600_000_000_000));
        assert_eq!(unix("+1s"), Some(10_001_000_000_000));
        for bad in ["", "soon", "-", "--1h", "2h", "14:00", "1970-13-01", "-2"] {
            assert_eq!(unix(bad), None, "{bad}");
        }
    }
}
