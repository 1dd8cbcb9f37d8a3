//! Names of the files of a directory: `oomtrace-00000012-20261123T105500Z.oomtrace`. In the order of names they are in the order of
//! recording, also when the clock was wrong: the number goes up, the time is for people.

use jiff::Timestamp;

/// The name of file `number`, begun at `unix_seconds`.
pub(super) fn of(number: u64, unix_seconds: i64) -> String {
    let time = Timestamp::from_second(unix_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("oomtrace-{number:08}-{}.oomtrace", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// The number of a file of that name; `None` for any other name.
pub(super) fn number(name: &str) -> Option<u64> {
    let middle = name.strip_prefix("oomtrace-")?.strip_suffix("Z.oomtrace")?;
    let (number, time) = middle.split_once('-')?;
    let (day, clock) = time.split_once('T')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_time = day.len() == 8 && clock.len() == 6 && digits(day) && digits(clock);
    (is_time && number.len() >= 8 && digits(number)).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_again() {
        assert_eq!(of(12, 1_795_431_300), "oomtrace-00000012-20261123T105500Z.oomtrace");
        for (number_of, seconds) in
            [(0, 0), (12, 1_795_431_300), (99_999_999, -1), (123_456_789_012, i64::MAX)]
        {
            assert_eq!(number(&of(number_of, seconds)), Some(number_of));
        }
        for other in [
            "",
            "oomtrace-00000012-20261123T105500Z.oomtrace.1",
            "oomtrace-00000012-20261123T105500.oomtrace",
            "oomtrace-12-20261123T105500Z.oomtrace",
            "oomtrace-0000+012-20261123T105500Z.oomtrace",
            "oomtrace-00000012-2026112 T105500Z.oomtrace",
            "incident.oomtrace",
            "oomtrace-99999999999999999999999-20261123T105500Z.oomtrace",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
