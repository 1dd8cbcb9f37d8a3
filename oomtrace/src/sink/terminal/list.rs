//! Episodes of several recordings, a line each.

use jiff::Timestamp;
use jiff::tz::Offset;
use unicode_width::UnicodeWidthStr;

use crate::model::episode::{Outcome, Scope};
use crate::model::names::Called;
use crate::sink::listing::{CalledRow, Row};

use super::Options;
use super::words;

/// Columns of a date and time.
const TIME: usize = 19;
/// Columns of a name of a file at least.
const FILE: usize = 16;

/// The whole text.
#[must_use]
pub fn list(rows: &[Row], options: Options) -> String {
    let mut layout = Layout::default();
    rows.iter().for_each(|row| layout.add(row));
    let mut text = String::new();
    if !rows.is_empty() {
        text.push_str(&layout.heading(options.width));
        text.push('\n');
    }
    for row in rows {
        text.push_str(&layout.line(row, options.width));
        text.push('\n');
    }
    let killed = rows.iter().map(|row| row.victims).sum();
    text.push_str(&format!(
        "{}, {}\n",
        words::count(rows.len() as u64, "episode"),
        words::count(killed, "victim")
    ));
    text
}

/// Where the columns of a list are. It knows all rows, so that any of them can be written without the others.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The offset from UTC of the first row that has a time.
    offset: Option<i32>,
    /// Not all have it.
    offsets: bool,
    /// The file of the first row.
    file: Option<String>,
    /// Not all are in it.
    files: bool,
    /// Widths of the widest, columns.
    time: usize,
    victim: usize,
}

impl Layout {
    /// There is this row too.
    pub fn add(&mut self, row: &Row) {
        if row.unix_ns.is_some() {
            self.offsets |= *self.offset.get_or_insert(row.utc_offset_seconds) != row.utc_offset_seconds;
        }
        let name = file(&row.file);
        self.files |= *self.file.get_or_insert_with(|| name.clone()) != name;
        // Every time on a clock is as wide as another, wherever the clock is.
        self.time = self.time.max(time(row, 0).width());
        self.victim = self.victim.max(victim(row).width());
    }

    /// The line over all others.
    #[must_use]
    pub fn heading(&self, width: usize) -> String {
        let zone = self.common().map_or_else(|| "UTC".to_owned(), zone);
        self.laid_out([&format!("time {zone}"), "id", "scope", "size", "victim", "file"], "victim", width)
    }

    /// The line of a row that was added.
    #[must_use]
    pub fn line(&self, row: &Row, width: usize) -> String {
        let scope = match row.scope {
            Some(Scope::Global) => "global",
            Some(Scope::Memcg) => "memcg",
            None => "?",
        };
        let size = match (&row.victim, row.victim_bytes) {
            (None, _) => String::new(),
            (Some(_), bytes) => words::size_or_unknown(bytes),
        };
        let (time, victim) = (time(row, self.common().unwrap_or(0)), victim(row));
        self.laid_out([&time, row.id.as_str(), scope, &size, &victim, &file(&row.file)], &alone(row), width)
    }

    /// Hosts of several offsets have none in common.
    fn common(&self) -> Option<i32> {
        self.offset.filter(|_| !self.offsets)
    }

    /// `alone`: the victim where there is no room for the names too.
    fn laid_out(&self, cells: [&str; 6], alone: &str, width: usize) -> String {
        let [time, id, scope, size, victim, file] = cells;
        let time_width = self.time.max(TIME);
        let fixed =
            time_width + 2 + crate::model::short_id::LEN + 2 + "global".len() + 2 + "100.0M".len() + 2;
        let room = width.saturating_sub(fixed);
        let victim_room = if self.files { room.saturating_sub(2 + FILE) } else { room };
        let victim_width = self.victim.max("victim".len()).min(victim_room.max(12));
        let victim = cut(if victim.width() <= victim_width { victim } else { alone }, victim_width);
        let gap = |text: &str, width: usize| " ".repeat(width.saturating_sub(text.width()));
        let mut line = format!("{time}{}  {id:8}  {scope:6}  {size:>6}  {victim}", gap(time, time_width));
        if self.files {
            line.push_str(&gap(&victim, victim_width));
            line.push_str("  ");
            line.push_str(&cut_front(file, room.saturating_sub(victim_width + 2).max(8)));
        }
        line.truncate(line.trim_end().len());
        line
    }
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

/// `gunicorn[48121] +2 in shop/checkout-7d9c`; where nobody was killed, why.
pub(crate) fn victim(row: &Row) -> String {
    match &row.victim {
        Some(_) => {
            let CalledRow { namespace, pod, container } = &row.called;
            let called = Called { namespace: namespace.as_ref(), pod: pod.as_ref(), container: None };
            let place = called.pod_in_namespace().or_else(|| container.as_ref().map(ToString::to_string));
            let place = place.map_or_else(String::new, |place| format!(" in {}", words::plain(&place)));
            format!("{}{place}", alone(row))
        }
        None => alone(row),
    }
}

/// The same without the names.
fn alone(row: &Row) -> String {
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
