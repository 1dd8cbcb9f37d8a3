//! Markdown for a ticket: what happened, who died and why, whose limit, the best of the candidates, how to look further.
//!
//! Written for GitHub and GitLab, and to be read as it is. Whatever comes from outside is escaped: it can neither be markup nor
//! mention anybody.

use std::fmt::Write;

use crate::explain::Explanation;
use crate::explain::contest::Contest;
use crate::model::ShortId;
use crate::model::episode::Verdict;
use crate::sink::terminal::text::{self, Said};

use super::parts::Makeup;
use super::{Gathered, Listed};

/// Candidates in the table.
const ROWS: usize = 8;

/// One episode.
pub(super) fn section(explanation: &Explanation<'_>, file: &str) -> String {
    let Explanation { episode, session: info, .. } = explanation;
    let words = text::words(explanation);
    let id = ShortId::of(episode, info);
    let mut md = String::new();
    let when = episode.opened_ns.or(episode.closed_ns).map(|ns| text::date_time(info, ns));
    let when = when.unwrap_or_else(|| "at a time that is not known".to_owned());
    let _ = writeln!(
        md,
        "## {}\n\n{} · episode {} · id `{id}`\n",
        escaped(&words.what),
        escaped(&when),
        episode.id
    );
    let _ = writeln!(md, "{}\n", escaped(&text::session(info)));
    for said in [&words.short, &words.asked] {
        list(&mut md, said);
    }
    // The rest of the sentences is in the page, and one command away.
    let room: Vec<Said> = words.room.into_iter().filter(|said| said.label == "room").collect();
    list(&mut md, &room);
    list(&mut md, &words.before);
    limits(&mut md, explanation);
    best(&mut md, explanation);
    blank(&mut md);
    list(&mut md, &words.unknown);
    let file = super::quoted(file);
    let _ = writeln!(
        md,
        "\nTo look further:\n\n```\noomtrace explain {file} {id}\noomtrace replay {file} --episode {id} --verbose\n```\n"
    );
    md
}

/// What comes before the episodes.
pub(super) fn head(gathered: &Gathered) -> String {
    let mut md = format!("# {}\n\n", escaped(&gathered.title()));
    for note in gathered.notes() {
        let _ = writeln!(md, "> **Note:** {}\n", escaped(&note));
    }
    if gathered.listed.len() > 1 {
        md.push_str("| time | episode | what happened | who died |\n|---|---|---|---|\n");
        for Listed { row, time, what, .. } in &gathered.listed {
            let who = text::listed(row);
            let _ =
                writeln!(md, "| {} | `{}` | {} | {} |", escaped(time), row.id, escaped(what), escaped(&who));
        }
        md.push('\n');
    }
    md
}

/// What comes behind them.
pub(super) fn tail(gathered: &Gathered) -> String {
    let mut md = format!("---\n\nMade by oomtrace {}; {}.", env!("CARGO_PKG_VERSION"), gathered.points());
    if let Some(ledger) = gathered.totals.as_ref().and_then(|totals| text::ledger(&totals.ledger)) {
        let _ = write!(md, " {}.", escaped(&ledger));
    }
    md.push('\n');
    md
}

/// Labels and what is said under them.
fn list(md: &mut String, all: &[Said]) {
    for Said { label, texts, warning } in all {
        let mark = if *warning { "⚠ " } else { "" };
        let _ = writeln!(md, "- {mark}**{}**: {}", escaped(label), escaped(&texts.join("; ")));
    }
}

fn limits(md: &mut String, explanation: &Explanation<'_>) {
    let Explanation { episode, session: info, .. } = explanation;
    if episode.memcg.is_empty() {
        return;
    }
    let size = |pages: Option<u64>| pages.map(|pages| text::size(info.bytes(pages)));
    blank(md);
    md.push_str("| limits | usage | limit |\n|---|--:|--:|\n");
    for level in &episode.memcg {
        let path = level.path.as_ref().map_or_else(
            || "?".to_owned(),
            |path| match text::called(episode, path) {
                Some(called) => format!("{path} ({called})"),
                None => path.to_string(),
            },
        );
        let met = if level.limiting { " **(met)**" } else { "" };
        let limit = match (size(level.max_pages), level.usage_pages) {
            (Some(limit), _) => limit,
            (None, Some(_)) => "max".to_owned(),
            (None, None) => "?".to_owned(),
        };
        let usage = size(level.usage_pages).unwrap_or_else(|| "?".to_owned());
        let _ = writeln!(md, "| {}{met} | {usage} | {limit} |", escaped(&path));
    }
    md.push('\n');
}

fn best(md: &mut String, explanation: &Explanation<'_>) {
    if explanation.top.is_empty() {
        return;
    }
    let Explanation { episode, session: info, .. } = explanation;
    let contest = Contest::new(episode, info);
    blank(md);
    md.push_str("| process | points | adj | memory | resident | anon | swap | page tables |\n");
    md.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
    let looks = text::Candidates::of(explanation);
    for row in explanation.top.iter().take(ROWS) {
        let candidate = row.candidate;
        let about = if looks.approximate(candidate) { "≈" } else { "" };
        let parts = candidate.memory.unwrap_or_default();
        let size = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), text::size);
        let kind = |pages: Option<u64>| match pages {
            Some(pages) => format!("{about}{}", text::size(info.bytes(pages))),
            None => "?".to_owned(),
        };
        let points = match (candidate.points(), candidate.verdict) {
            (Some(points), _) => text::grouped(points.into()),
            (None, Verdict::Unkillable(_) | Verdict::PassedOver(_)) => "-".to_owned(),
            (None, _) => "?".to_owned(),
        };
        let memory =
            Makeup::of(candidate, &contest, info).memory.and_then(|memory| u64::try_from(memory).ok());
        let _ = writeln!(
            md,
            "| {}{} | {points} | {} | {} | {} | {} | {} | {} |",
            escaped(&text::task(&candidate.task)),
            if row.victim { " **(died)**" } else { "" },
            candidate.task.oom_score_adj.map_or_else(|| "?".to_owned(), |adj| adj.to_string()),
            size(memory),
            kind(parts.resident_pages()),
            kind(parts.rss_anon_pages),
            kind(parts.swap_entries),
            size(parts.pgtables_bytes),
        );
    }
    let more = explanation.more as usize + explanation.top.len().saturating_sub(ROWS);
    if more > 0 {
        let _ = writeln!(md, "\n… {} more", text::grouped(more as i128));
    }
    md.push('\n');
}

/// One empty line, and no more.
fn blank(md: &mut String) {
    if !md.ends_with("\n\n") {
        md.push('\n');
    }
}

/// Text from outside as text. Characters that mean something are escaped; behind one that would make a mention, a reference or a
/// link of what follows, an empty comment keeps them apart.
fn escaped(text: &str) -> String {
    const APART: &str = "<!-- -->";
    let mut out = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let word_follows = rest.peek().is_some_and(|next| next.is_alphanumeric());
        match c {
            // Between blanks it is only itself.
            '<' if before != ' ' || rest.peek() != Some(&' ') => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' | '#' | '!' | '$' | '%' | '~' if word_follows && !before.is_alphanumeric() => {
                if matches!(c, '$' | '~') {
                    out.push('\\');
                }
                out.push(c);
                out.push_str(APART);
            }
            // `http://…`, `www.…`
            ':' if rest.peek() == Some(&'/') => {
                out.push(':');
                out.push_str(APART);
            }
            '.' if before == 'w' || before == 'W' => {
                out.push('.');
                out.push_str(APART);
            }
            // Inside of a word it means nothing: `oom_score_adj`.
            '_' if word_follows && before.is_alphanumeric() => out.push('_'),
            '[' if matches!(rest.peek(), Some('[' | '^' | '!')) => out.push_str("\\["),
            // What is before it is no link then.
            ']' if matches!(rest.peek(), Some('(' | '[')) => out.push_str("\\]"),
            '\\' | '`' | '*' | '_' | '#' | '|' | '~' | '$' | '^' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::escaped;

    /// What a reader of Markdown makes of a list's item and a cell of a table with this text.
    fn read(text: &str) -> [String; 2] {
        let escaped = escaped(text);
        [format!("- **a**: x{escaped}x"), format!("| a | b |\n|---|--:|\n| x{escaped}x | y |\n")].map(
            |source| {
                let mut found = String::new();
                let mut strong = 0;
                for event in Parser::new_ext(&source, Options::all()) {
                    match event {
                        Event::Start(Tag::Strong) => strong += 1,
                        Event::End(pulldown_cmark::TagEnd::Strong) => strong -= 1,
                        Event::Text(_) if strong > 0 => {}
                        Event::Text(text) => found.push_str(&text),
                        Event::Start(
                            Tag::List(_) | Tag::Item | Tag::Table(_) | Tag::TableHead | Tag::TableRow,
                        )
                        | Event::Start(Tag::TableCell)
                        | Event::End(_) => {}
                        // What keeps characters apart.
                        Event::InlineHtml(html) => assert_eq!(&*html, "<!-- -->", "{source}"),
                        other => panic!("{source}: {other:?}"),
                    }
                }
                found
            },
        )
    }

    proptest! {
        /// Names have no line breaks or control characters by then, and what stands at an end is not cut.
        #[test]
        fn text_stays_text(text in r"([!-~ é]|[*_`~<>\[\]()|\\&#!$:=^{}-]|@a|www\.|http://|&lt;|\]\(){0,24}") {
            let [item, cell] = read(&text);
            // The parser makes typographic quotes of others.
            let plain = |text: &str| text.replace(['‘', '’'], "'").replace(['“', '”'], "\"").replace('–', "--").replace('—', "---").replace('…', "...");
            prop_assert_eq!(plain(&item), format!(": x{}x", plain(&text)));
            prop_assert_eq!(plain(&cell), format!("abx{}xy", plain(&text)));
        }
    }

    #[test]
    fn names_are_neither_markup_nor_mentions() {
        for (text, expected) in [
            ("a|b", "a\\|b"),
            ("`x`*_y_* a_b", "\\`x\\`\\*\\_y\\_\\* a_b"),
            ("<img src=x>&lt;", "&lt;img src=x&gt;&amp;lt;"),
            ("@root", "@<!-- -->root"),
            ("user@1000.service", "user@1000.service"),
            ("#12 and !3", "#<!-- -->12 and !<!-- -->3"),
            ("http://x www.x", "http:<!-- -->//x www.<!-- -->x"),
            ("[a](b) c[1]", "[a\\](b) c[1]"),
            ("a < b <c", "a < b &lt;c"),
            ("a\nb", "a\u{fffd}b"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
