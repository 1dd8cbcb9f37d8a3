//! Values of arguments, from their text.

use std::time::Duration;

use crate::filter::{Moment, Which};

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Without waiting.
    Max,
    /// This many times as fast as it happened; positive and finite.
    Times(f64),
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    crate::explain::change::size(text).ok_or_else(|| "it is no size; 512M, 512MiB or 512MB are".to_owned())
}

pub(super) fn utc_offset(text: &str) -> Result<i32, String> {
    crate::source::klog::utc_offset(text)
        .ok_or_else(|| "expected an offset from UTC, as in +02:00".to_owned())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let time: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    Duration::try_from(time)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "it must be longer than nothing".to_owned())
}

pub(super) fn which(text: &str) -> Result<Which, String> {
    Which::of(text).ok_or_else(|| "expected the number of an episode, as in 4 or #4, or its id".to_owned())
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    Moment::of(text, jiff::Timestamp::now().as_nanosecond()).map_err(|error| error.to_string())
}

pub(super) fn speed(text: &str) -> Result<Speed, String> {
    match text {
        "max" => return Ok(Speed::Max),
        "realtime" => return Ok(Speed::Times(1.0)),
        _ => {}
    }
    let factor = text.strip_suffix('x').and_then(|number| number.parse::<f64>().ok());
    match factor.filter(|factor| factor.is_finite() && *factor >= 0.001) {
        Some(factor) => Ok(Speed::Times(factor)),
        None => Err("expected `realtime`, `max`, or a factor as in 10x".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_speeds() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "10", "-5s", "0s", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(speed("realtime"), Ok(Speed::Times(1.0)));
        assert_eq!(speed("10x"), Ok(Speed::Times(10.0)));
        for bad in ["", "x", "10", "0x", "-1x", "NaNx", "infx"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }
}
