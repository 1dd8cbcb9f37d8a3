//! Dates and times of the wall clock, as `dmesg`, `journalctl` and syslog write them.

use std::borrow::Cow;

use super::super::bytes::Cursor;
use super::Framed;
use super::stamp::fraction_ns;

/// A time of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::klog) struct Wall {
    /// Since the Unix epoch, ns.
    pub(in crate::source::klog) unix_ns: i64,
    /// The log told its offset from UTC, seconds east; else that of [`Calendar`] was taken.
    pub(in crate::source::klog) offset: Option<i32>,
    /// The log told the year.
    pub(in crate::source::klog) year: bool,
    /// It told parts of seconds.
    pub(in crate::source::klog) fraction: bool,
}

/// What is taken for granted where a log does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::klog) struct Calendar {
    /// Seconds east of UTC.
    pub(in crate::source::klog) utc_offset: i32,
    /// The latest that a time without a year can be, seconds since the Unix epoch: it is of that year, or of the one before.
    pub(in crate::source::klog) latest: i64,
}

/// A time at the front of a line.
pub(super) struct Leading {
    pub(super) time: Wall,
    /// Not in brackets: a host and a tag follow.
    pub(super) bare: bool,
}

/// Takes the time at the front of a line.
pub(super) fn leading(cursor: &mut Cursor<'_>, calendar: &Calendar) -> Option<Leading> {
    let mut ahead = *cursor;
    // `[Tue Nov  3 14:03:22 2026] `
    if ahead.tag(b"[").is_some() {
        let _weekday = ahead.run(|byte| byte.is_ascii_alphabetic());
        ahead.tag(b" ")?;
        let (month, day) = month_and_day(&mut ahead)?;
        let (clock, fraction) = clock(&mut ahead)?;
        ahead.tag(b" ")?;
        let year = ahead.number()?;
        ahead.tag(b"]")?;
        ahead.tag(b" ");
        let time = Time { year: Some(year), month, day, clock, fraction, offset: None };
        *cursor = ahead;
        return time.wall(calendar).map(|time| Leading { time, bare: false });
    }
    let time = if ahead.0.first()?.is_ascii_digit() {
        iso(&mut ahead)?
    } else {
        // `Nov  3 14:03:22[.123456] `
        let (month, day) = month_and_day(&mut ahead)?;
        let (clock, fraction) = clock(&mut ahead)?;
        Time { year: None, month, day, clock, fraction, offset: None }
    };
    // `dmesg --time-format iso` is the only one with a comma, and has no tag.
    let bare = !cursor.0[..cursor.0.len() - ahead.0.len()].contains(&b',');
    ahead.tag(b" ")?;
    *cursor = ahead;
    time.wall(calendar).map(|time| Leading { time, bare })
}

/// Takes the head of RFC 5424, `1 2026-11-03T14:03:22.123Z host kernel - - - `; whether it is the kernel's.
pub(super) fn syslog_5424<'a>(cursor: &mut Cursor<'a>, framed: &mut Framed<'a>) -> Option<bool> {
    let mut ahead = *cursor;
    ahead.tag(b"1 ")?;
    let time = iso(&mut ahead).filter(|time| time.offset.is_some())?;
    ahead.tag(b" ")?;
    let host = ahead.until(b" ")?;
    let name = ahead.until(b" ")?;
    let (_process, _message) = (ahead.until(b" ")?, ahead.until(b" ")?);
    // Structured data: `-`, or `[…]`.
    if ahead.tag(b"[").is_some() {
        ahead.until(b"]")?;
    } else {
        ahead.tag(b"-")?;
    }
    ahead.tag(b" ");
    framed.wall = time.wall(&Calendar { utc_offset: 0, latest: i64::MAX });
    framed.host = Some(Cow::Borrowed(host));
    *cursor = ahead;
    Some(name == b"kernel")
}

/// `2026-11-03T14:03:22,123456+0200`, with `T` or a blank, a dot or a comma, and a zone, `Z` or nothing.
fn iso(cursor: &mut Cursor<'_>) -> Option<Time> {
    let mut ahead = *cursor;
    let year = four(&mut ahead)?;
    ahead.tag(b"-")?;
    let month = two(&mut ahead)?;
    ahead.tag(b"-")?;
    let day = two(&mut ahead)?;
    ahead.tag(b"T").or_else(|| ahead.tag(b" "))?;
    let (clock, fraction) = clock(&mut ahead)?;
    let offset = if ahead.tag(b"Z").is_some() {
        Some(0)
    } else if let Some(sign) = ahead.tag(b"+").map(|()| 1).or_else(|| ahead.tag(b"-").map(|()| -1)) {
        let hours = two(&mut ahead)?;
        ahead.tag(b":");
        let minutes = two(&mut ahead)?;
        Some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
    } else {
        None
    };
    *cursor = ahead;
    Some(Time { year: Some(year), month, day, clock, fraction, offset })
}

/// `Nov  3 `.
fn month_and_day(cursor: &mut Cursor<'_>) -> Option<(u8, u8)> {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let name = cursor.run(|byte| byte.is_ascii_alphabetic());
    let month = MONTHS.chunks_exact(3).position(|month| month == name)?;
    cursor.tag(b" ")?;
    cursor.blanks();
    let day = cursor.number()?;
    cursor.tag(b" ")?;
    Some((u8::try_from(month).ok()? + 1, day))
}

/// `14:03:22[.123456]` as seconds of the day and ns.
fn clock(cursor: &mut Cursor<'_>) -> Option<(u32, Option<u64>)> {
    let hour = two(cursor)?;
    cursor.tag(b":")?;
    let minute = two(cursor)?;
    cursor.tag(b":")?;
    let second = two(cursor)?;
    let fraction = match cursor.tag(b".").or_else(|| cursor.tag(b",")) {
        Some(()) => Some(fraction_ns(cursor.run(|byte| byte.is_ascii_digit()))?),
        None => None,
    };
    let fits = hour < 24 && minute < 60 && second < 61;
    fits.then_some((u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second), fraction))
}

fn two(cursor: &mut Cursor<'_>) -> Option<u8> {
    let digits = cursor.0.get(..2)?;
    cursor.0 = &cursor.0[2..];
    u8::try_from(super::super::bytes::decimal(digits)?).ok()
}

fn four(cursor: &mut Cursor<'_>) -> Option<i16> {
    let digits = cursor.0.get(..4)?;
    cursor.0 = &cursor.0[4..];
    i16::try_from(super::super::bytes::decimal(digits)?).ok()
}

/// A time, taken apart.
struct Time {
    year: Option<i16>,
    month: u8,
    day: u8,
    /// Second of the day.
    clock: u32,
    fraction: Option<u64>,
    offset: Option<i32>,
}

impl Time {
    fn wall(&self, calendar: &Calendar) -> Option<Wall> {
        let offset = self.offset.unwrap_or(calendar.utc_offset);
        let in_year = |year: i16| {
            let days = days_since_1970(year, self.month, self.day)?;
            Some(days * 86_400 + i64::from(self.clock) - i64::from(offset))
        };
        let seconds = match self.year {
            Some(year) => in_year(year)?,
            None => {
                // Of the year of the latest time, or of one before: a leap day may need four.
                let latest = jiff::Timestamp::from_second(calendar.latest.clamp(0, 253_402_300_799)).ok()?;
                let latest_year = jiff::tz::Offset::UTC.to_datetime(latest).year();
                // A day of grace: clocks and zones differ.
                let grace = calendar.latest.saturating_add(86_400);
                (0..8).find_map(|back| in_year(latest_year - back).filter(|&seconds| seconds <= grace))?
            }
        };
        let unix_ns = seconds
            .checked_mul(1_000_000_000)?
            .checked_add(i64::try_from(self.fraction.unwrap_or(0)).ok()?)?;
        Some(Wall {
            unix_ns,
            offset: self.offset,
            year: self.year.is_some(),
            fraction: self.fraction.is_some(),
        })
    }
}

/// Days from 1970-01-01; `None` for a day that is none.
fn days_since_1970(year: i16, month: u8, day: u8) -> Option<i64> {
    let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    Some(i64::from((date - epoch).get_days()))
}

/// A zone such as `+02:00`, for the command line; seconds east.
pub(in crate::source::klog) fn utc_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.as_bytes().split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        (b'Z', []) => return Some(0),
        _ => return None,
    };
    let mut cursor = Cursor(rest);
    let hours = two(&mut cursor)?;
    cursor.tag(b":");
    let minutes = if cursor.is_done() { 0 } else { two(&mut cursor)? };
    (cursor.is_done() && hours <= 14 && minutes < 60)
        .then_some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}
