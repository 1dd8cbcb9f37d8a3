//! Episodes of several recordings, a line each.

use jiff::Timestamp;
use jiff::tz::Offset;
use unicode_width::UnicodeWidthStr;

use crate::model::episode::{Outcome, Scope};
use crate::sink::listing::Row;

use super::Options;
use super::words;

/// Columns of a date and time.
const TIME: usize = 19;
/// Columns of a name of a file at least.
const FILE: usize = 16;

/// The whole text.
#[must_use]
pub fn list(rows: &[Row], options: Options) -> String {
    let mut offsets = rows.iter().filter(|row| row.unix_ns.is_some()).map(|row| row.utc_offset_seconds);
    let first = offsets.next();
    // Hosts of several offsets have none in common.
    let common = first.filter(|first| offsets.all(|other| other == *first));
    let zone = common.map_or_else(|| "UTC".to_owned(), zone);
    let times: Vec<String> = rows.iter().map(|row| time(row, common.unwrap_or(0))).collect();
    let victims: Vec<String> = rows.iter().map(victim).collect();
    let files: Vec<String> = rows.iter().map(|row| file(&row.file)).collect();
    let several = files.windows(2).any(|pair| pair[0] != pair[1]);
    let widest =
        |texts: &[String], heading: usize| texts.iter().map(|text| text.width()).fold(heading, usize::max);

    let time_width = widest(&times, TIME);
    let fixed = time_width + 2 + crate::model::short_id::LEN + 2 + "global".len() + 2 + "100.0M".len() + 2;
    let room = options.width.saturating_sub(fixed);
    let victim_room = if several { room.saturating_sub(2 + FILE) } else { room };
    let victim_width = widest(&victims, "victim".len()).min(victim_room.max(12));
    let file_room = room.saturating_sub(victim_width + 2).max(8);

    let mut text = String::new();
    let mut line = |time: &str, id: &str, scope: &str, size: &str, victim: &str, file: &str| {
        let victim = cut(victim, victim_width);
        let gap = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.width()));
        let mut line = format!("{time}{}  {id:8}  {scope:6}  {size:>6}  {victim}", gap(time, time_width));
        if several {
            line.push_str(&gap(&victim, victim_width));
            line.push_str("  ");
            line.push_str(&cut_front(file, file_room));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    if !rows.is_empty() {
        line(&format!("time {zone}"), "id", "scope", "size", "victim", "file");
    }
    for (((row, time), victim), file) in rows.iter().zip(&times).zip(&victims).zip(&files) {
        let scope = match row.scope {
            Some(Scope::Global) => "global",
            Some(Scope::Memcg) => "memcg",
            None => "?",
        };
        let size = match (&row.victim, row.victim_bytes) {
            (None, _) => String::new(),
            (Some(_), bytes) => words::size_or_unknown(bytes),
        };
        line(time, row.id.as_str(), scope, &size, victim, file);
    }
    let killed = rows.iter().map(|row| row.victims).sum();
    text.push_str(&format!(
        "{}, {}\n",
        words::count(rows.len() as u64, "episode"),
        words::count(killed, "victim")
    ));
    text
}

fn time(row: &Row, utc_offset_seconds: i32) -> String {
    let local = row.unix_ns.and_then(|ns| {
        let offset = Offset::from_seconds(utc_offset_seconds).ok()?;
        Some(offset.to_datetime(Timestamp::from_nanosecond(ns).ok()?))
    });
    match (local, row.stamp_ns) {
        (Some(local), _) => {
            let t = local.time();
            format!("{} {:02}:{:02}:{:02}", local.date(), t.hour(), t.minute(), t.second())
        }
        (None, Some(ns)) => format!("boot+{}.{:03}s", ns / 1_000_000_000, ns / 1_000_000 % 1000),
        (None, None) => "?".to_owned(),
    }
}

fn zone(seconds: i32) -> String {
    let minutes = seconds / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// `gunicorn[48121] +2`; where nobody was killed, why.
pub(crate) fn victim(row: &Row) -> String {
    match &row.victim {
        Some(victim) if row.victims > 1 => format!("{} +{}", words::task(victim), row.victims - 1),
        Some(victim) => words::task(victim),
        None => match row.outcome {
            Outcome::Killed | Outcome::GroupKilled => "(not known)",
            Outcome::AlreadyExiting => "(already exiting)",
            Outcome::Freed => "(memory was freed)",
            Outcome::NoneKillable => "(none killable)",
            Outcome::Skipped => "(skipped)",
            Outcome::Incomplete => "(incomplete)",
        }
        .to_owned(),
    }
}

/// The name without the folders, and without what all end in.
fn file(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    words::plain(name.strip_suffix(".oomtrace").unwrap_or(name))
}

fn cut(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    format!("{}…", words::columns(text, room.saturating_sub(1)))
}

fn cut_front(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    format!("…{}", words::columns_from_end(text, room.saturating_sub(1)))
}
