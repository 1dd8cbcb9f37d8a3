//! Numbers, sizes, times and names as text.

use bytesize::ByteSize;
use jiff::Timestamp;
use jiff::tz::Offset;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::episode::{Person, Reason};
use crate::model::observation::Lost;
use crate::model::{Gap, Name, SessionInfo};

/// `411.2M`; zero is `0`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        1..1024 => format!("{bytes}B"),
        _ => ByteSize::b(bytes).display().iec_short().to_string(),
    }
}

/// A size that may be unknown: `?`.
pub(super) fn size_or_unknown(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "?".to_owned(), size)
}

/// A number that may be unknown: `?`.
pub(super) fn or_unknown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// `1 victim`, `2 victims`.
pub(super) fn count(number: u64, thing: &str) -> String {
    counted(number, thing, &format!("{thing}s"))
}

/// The same for words with another plural.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(i128::from(number)), if number == 1 { one } else { many })
}

/// `97,767`.
pub(crate) fn grouped(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { String::from("-") } else { String::new() };
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.4 ms`.
pub(super) fn duration(ns: u64) -> String {
    let ms = ns as f64 / 1e6;
    match ns {
        0..100_000 => format!("{:.0} µs", ns as f64 / 1e3),
        100_000..10_000_000 => format!("{ms:.1} ms"),
        10_000_000..1_000_000_000 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1e3),
    }
}

/// The same for spans of hours and days: `18.4 s`, `12 min`, `5 h`, `3 days`.
pub(crate) fn long_duration(ns: u64) -> String {
    const MINUTE: u64 = 60_000_000_000;
    const HOUR: u64 = 60 * MINUTE;
    match ns {
        0..MINUTE => duration(ns),
        MINUTE..HOUR => format!("{} min", ns / MINUTE),
        HOUR..172_800_000_000_000 => format!("{} h", ns / HOUR),
        _ => format!("{} days", ns / (24 * HOUR)),
    }
}

/// `gunicorn[48121]`.
pub(crate) fn task(person: &Person) -> String {
    let comm = if person.comm.is_empty() { "\"\"".to_owned() } else { person.comm.to_string() };
    match person.pid {
        // Not told, by some old logs.
        0 if person.comm.is_empty() => "somebody".to_owned(),
        0 => comm,
        pid => format!("{comm}[{pid}]"),
    }
}

/// Text from outside, made harmless for a terminal.
pub(super) fn plain(text: &str) -> String {
    Name::from(text).to_string()
}

/// Date and time of day on the captured host; without a wall clock, seconds since boot.
pub(super) fn time(info: &SessionInfo, boot_ns: u64) -> (Option<jiff::civil::Date>, String) {
    let local = info.unix_ns(boot_ns).and_then(|ns| {
        let offset = Offset::from_seconds(info.utc_offset_seconds).ok()?;
        Some(offset.to_datetime(Timestamp::from_nanosecond(ns).ok()?))
    });
    match local {
        // Cut off, not rounded: a time must not show before it has come.
        Some(local) => {
            let t = local.time();
            let text = format!("{:02}:{:02}:{:02}.{:03}", t.hour(), t.minute(), t.second(), t.millisecond());
            (Some(local.date()), text)
        }
        None => (None, format!("boot+{}.{:03}s", boot_ns / 1_000_000_000, boot_ns / 1_000_000 % 1000)),
    }
}

/// Date and time on the captured host, with its offset from UTC; without a wall clock, seconds since boot.
pub(crate) fn date_time(info: &SessionInfo, boot_ns: u64) -> String {
    match time(info, boot_ns) {
        (Some(date), time) => format!("{date} {time} {}", zone(info)),
        (None, time) => time,
    }
}

/// The captured host's offset from UTC: `+02:00`.
pub(super) fn zone(info: &SessionInfo) -> String {
    let minutes = info.utc_offset_seconds / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// A path cut in its middle to fit `room` columns: the end says which one it is, the beginning where to look. Whole names
/// where they fit; of container ids the beginning, which people know them by.
pub(crate) fn path(path: &str, room: usize) -> String {
    if path.width() <= room {
        return path.to_owned();
    }
    let shorter = with_short_ids(path);
    let path = shorter.as_str();
    if path.width() <= room {
        return shorter;
    }
    let room = room.saturating_sub(1);
    let last = path.rfind('/').map_or(path, |slash| &path[slash..]);
    let tail = if last.width() <= room {
        // As many more names as leave a third to the beginning.
        let longer = columns_from_end(path, room - room / 3);
        let names = longer.find('/').map_or("", |slash| &longer[slash..]);
        if names.width() > last.width() { names } else { last }
    } else {
        columns_from_end(path, room - room / 3)
    };
    let mut head = columns(path, room.saturating_sub(tail.width()));
    if let Some(slash) = head.rfind('/') {
        head = if slash > 0 { &head[..=slash] } else { "" };
    }
    format!("{head}…{tail}")
}

/// Runs of 64 hex digits cut to their first 12.
pub(super) fn with_short_ids(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for piece in path.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let end = piece.len()
            - piece.chars().next_back().filter(|c| !c.is_ascii_hexdigit()).map_or(0, char::len_utf8);
        let (digits, after) = piece.split_at(end);
        if digits.len() == 64 {
            out.push_str(&digits[..12]);
            out.push('…');
        } else {
            out.push_str(digits);
        }
        out.push_str(after);
    }
    out
}

/// The longest beginning of `text` that fits `room` columns.
pub(super) fn columns(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room {
            return &text[..at];
        }
    }
    text
}

/// The longest end of `text` that fits `room` columns.
pub(crate) fn columns_from_end(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > room {
            return &text[at + c.len_utf8()..];
        }
    }
    text
}

/// Why some were not scored, as in "2 protected by -1000".
pub(super) fn reason(reason: Reason, number: u64) -> String {
    match reason {
        Reason::AdjMin => "protected by -1000".into(),
        Reason::Init => "init".into(),
        Reason::Kthread if number == 1 => "kernel thread".into(),
        Reason::Kthread => "kernel threads".into(),
        Reason::Vfork => "between vfork and exec".into(),
        Reason::Reaped => "reaped already".into(),
        Reason::NoMm => "without memory".into(),
        Reason::NotEligible => "outside the cpuset or memory policy".into(),
        Reason::Unknown => "for a reason not seen".into(),
    }
}

/// What is missing in a recording, and when it was.
pub(crate) fn gap(gap: &Gap, info: Option<&SessionInfo>) -> String {
    let mut text = format!("gap: {}", gap.why());
    if let Some(error) = &gap.error {
        text.push_str(&format!(" ({})", plain(error)));
    }
    if let (Some(records), Some(episodes)) = (gap.records, gap.episodes) {
        let passes = counted(episodes, "pass through the OOM killer", "passes through the OOM killer");
        text.push_str(&format!("; missing here: {} of {passes}", count(records, "record")));
    }
    if let (Some(info), Some(first), Some(last)) = (info, gap.first_boot_ns, gap.last_boot_ns) {
        text.push_str(&format!(", {} to {}", date_time(info, first), date_time(info, last)));
    }
    text
}

/// Losses by cause, the zeros left out.
pub(crate) fn losses(lost: &Lost) -> String {
    let Lost {
        candidates,
        records,
        reads,
        victims,
        rejected,
        unclosed,
        missed_runs,
        lines,
        reports,
        log_records,
    } = *lost;
    [
        (candidates, "candidate", "the ring was full"),
        (records, "other record", "the ring was full"),
        (reads, "field", "reading kernel memory failed"),
        (victims, "victim", "not followed to the exit, the table was full"),
        (rejected, "record", "could not be decoded"),
        (unclosed, "return", "not seen"),
        (missed_runs.unwrap_or(0), "probe run", "skipped by the kernel"),
        (lines, "line of a report", "could not be read"),
        (reports, "report", "cut off, or not printed, in the log"),
        (log_records, "log record", "overwritten before they were read"),
    ]
    .into_iter()
    .filter(|(number, _, _)| *number > 0)
    .map(|(number, what, why)| {
        let text = match what {
            "line of a report" => counted(number, what, "lines of a report"),
            _ => count(number, what),
        };
        format!("{text} ({why})")
    })
    .collect::<Vec<_>>()
    .join(", ")
}
