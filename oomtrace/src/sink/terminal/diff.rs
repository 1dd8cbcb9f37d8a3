//! Two episodes beside each other.

use unicode_width::UnicodeWidthStr;

use crate::explain::diff::{Difference, Row, Share, Side};
use crate::model::ShortId;
use crate::model::episode::Scope;

use super::Options;
use super::page::Page;
use super::words;

/// Rows of each list that are shown.
const SHOWN: usize = 15;
/// Columns of the numbers behind a name.
const NUMBERS: usize = 3 * 14;

/// The whole text.
#[must_use]
pub fn difference(difference: &Difference<'_>, options: Options) -> String {
    let Difference { before, after, names, cgroups } = difference;
    let mut page = Page::new(options);
    page.headline(&format!("before  {}", head(*before)), 8);
    page.headline(&format!("after   {}", head(*after)), 8);
    let limiting = |side: &Side<'_>| side.episode.memcg.iter().find(|level| level.limiting).cloned();
    let (from, to) = (limiting(before), limiting(after));
    let bytes = |side: &Side<'_>, pages: Option<u64>| pages.map(|pages| side.info.bytes(pages));
    let mut fact = |label: &str, from: Option<String>, to: Option<String>| {
        if from.is_some() || to.is_some() {
            let word = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
            let (from, to) = (word(from), word(to));
            let text = if from == to { format!("{from} in both") } else { format!("{from} → {to}") };
            page.labelled(label, &text);
        }
    };
    fact(
        "usage",
        bytes(before, from.as_ref().and_then(|level| level.usage_pages)).map(words::size),
        bytes(after, to.as_ref().and_then(|level| level.usage_pages)).map(words::size),
    );
    fact(
        "limit",
        bytes(before, from.as_ref().and_then(|level| level.max_pages)).map(words::size),
        bytes(after, to.as_ref().and_then(|level| level.max_pages)).map(words::size),
    );
    fact(
        "allowed",
        bytes(before, before.episode.totalpages).map(words::size),
        bytes(after, after.episode.totalpages).map(words::size),
    );
    let victim = |side: &Side<'_>| side.episode.victims.first().map(|victim| words::task(&victim.task));
    fact("victim", victim(before), victim(after));
    let settings = |side: &Side<'_>| {
        side.episode.situation.as_ref().map_or(side.info.settings, |situation| situation.settings)
    };
    let (from, to) = (settings(before), settings(after));
    for (name, from, to) in [
        ("panic_on_oom", from.panic_on_oom, to.panic_on_oom),
        ("oom_kill_allocating_task", from.oom_kill_allocating_task, to.oom_kill_allocating_task),
        ("overcommit_memory", from.overcommit_memory, to.overcommit_memory),
        ("swappiness", from.swappiness, to.swappiness),
    ] {
        if from != to {
            let (from, to) = (words::or_unknown(from), words::or_unknown(to));
            page.labelled("settings", &format!("vm.{name} {from} → {to}"));
        }
    }
    for (side, label) in [(before, "before"), (after, "after")] {
        if side.episode.lost.candidates > 0 {
            let lost = words::count(side.episode.lost.candidates, "candidate");
            page.labelled_warning("unknown", &format!("{lost} of the one {label} were lost"));
        }
    }
    if before.episode.scope != after.episode.scope {
        page.labelled("note", "a scan of the whole machine looks at other processes than one of a cgroup");
    }
    let mut text = page.into_string();
    list(&mut text, "process", names, options.width);
    list(&mut text, "cgroup", cgroups, options.width);
    text
}

/// `lklvsfrv  2026-08-14 14:03:22.418 +02:00  memcg OOM of /kubepods/…`
fn head(side: Side<'_>) -> String {
    let Side { episode, info } = side;
    let time = episode.opened_ns.or(episode.closed_ns).map(|ns| words::date_time(info, ns));
    let limiting = episode.memcg.iter().find(|level| level.limiting).and_then(|level| level.path.as_ref());
    let what = match (episode.scope, limiting) {
        (Some(Scope::Global), _) => "global OOM".to_owned(),
        (Some(Scope::Memcg), Some(path)) => format!("memcg OOM of {path}"),
        (Some(Scope::Memcg), None) => "memcg OOM".to_owned(),
        (None, _) => "OOM".to_owned(),
    };
    let host = info.host.as_deref().map(|host| format!(" on {}", words::plain(host))).unwrap_or_default();
    format!("{}  {}  {what}{host}", ShortId::of(episode, info), words::or_unknown(time))
}

fn list(text: &mut String, what: &str, rows: &[Row], width: usize) {
    // What nobody changed is no difference.
    let changed: Vec<&Row> = rows.iter().filter(|row| row.before != row.after).collect();
    if changed.is_empty() {
        text.push_str(&format!("    no {what} changed\n"));
        return;
    }
    let room = width.saturating_sub(4 + NUMBERS + 6).max(16);
    let name = |row: &Row| words::path(&row.name.to_string(), room);
    let widest = changed.iter().take(SHOWN).map(|row| name(row).width()).fold(what.len(), usize::max);
    let mut line = |name: &str, before: &str, after: &str, change: &str, note: &str| {
        let gap = " ".repeat(widest.saturating_sub(name.width()));
        let line = format!("    {name}{gap}{before:>14}{after:>14}{change:>14}  {note}");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(what, "before", "after", "change", "");
    for row in changed.iter().take(SHOWN) {
        let note = match (row.before.processes, row.after.processes) {
            (0, _) => "new",
            (_, 0) => "gone",
            _ => "",
        };
        let change = row.change().map_or_else(
            || "?".to_owned(),
            |bytes| format!("{}{}", if bytes < 0 { "-" } else { "+" }, words::size(bytes.unsigned_abs())),
        );
        line(&name(row), &share(row.before), &share(row.after), &change, note);
    }
    let more = changed.len().saturating_sub(SHOWN);
    if more > 0 {
        text.push_str(&format!("    … {more} more\n"));
    }
}

/// `3: 1.2G` of three processes together.
fn share(share: Share) -> String {
    match share.processes {
        0 => "-".to_owned(),
        1 => words::size_or_unknown(share.bytes),
        many => format!("{many}: {}", words::size_or_unknown(share.bytes)),
    }
}
