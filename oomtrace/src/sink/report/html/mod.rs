//! The page: one file, which loads nothing and sends nothing.
//!
//! - here: the shell around the episodes, their list, what is missing;
//! - [`episode`]: one of them, with its [`candidates`] and [`limits`]; [`bars`], [`lines`]: the charts;
//! - [`text`]: how anything from outside becomes part of it;
//! - [`policy`]: what the browser is told that it may do.
//!
//! The style and the script are files of their own, `../page/`.

mod bars;
mod candidates;
mod episode;
mod limits;
mod lines;
mod policy;
mod text;

use crate::explain::Explanation;
use crate::sink::listing::Row;
use crate::sink::terminal::text as words;

use super::{Gathered, Listed};
pub(super) use episode::Place;
use text::{Esc, Html, put};

/// The page's style.
const STYLE: &str = concat!(include_str!("../page/base.css"), include_str!("../page/parts.css"));
/// The page's script.
const SCRIPT: &str = concat!(
    include_str!("../page/begin.js"),
    include_str!("../page/words.js"),
    include_str!("../page/table.js"),
    include_str!("../page/main.js")
);

/// The section of one episode.
pub(super) fn section(explanation: &Explanation<'_>, place: Place<'_>) -> String {
    let mut html = Html::default();
    episode::write(&mut html, explanation, place);
    html.into_string()
}

/// What comes before the sections.
pub(super) fn head(gathered: &Gathered) -> String {
    let mut html = Html::default();
    let title = gathered.title();
    put!(html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    put!(html, "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n", policy::policy());
    put!(html, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    put!(
        html,
        "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
    );
    put!(html, "<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n", Esc(&title));
    put!(
        html,
        "<a class=\"skip\" href=\"#main\">To the report</a>\n<header class=\"page\"><p>oomtrace report</p>"
    );
    put!(html, "<button type=\"button\" id=\"theme\" class=\"scripted\" hidden>Dark</button></header>\n");
    put!(html, "<main id=\"main\" tabindex=\"-1\"><h1>{}</h1>", Esc(&title));
    patterns(&mut html);
    notes(&mut html, gathered);
    if gathered.listed.len() > 1 {
        overview(&mut html, &gathered.listed);
    }
    html.into_string()
}

/// What comes behind them.
pub(super) fn tail(gathered: &Gathered) -> String {
    let mut html = Html::default();
    put!(html, "</main>\n<footer><p>Made by oomtrace {} from what the kernel did", env!("CARGO_PKG_VERSION"));
    put!(html, "; {}. This page loads nothing and sends nothing.</p>", gathered.points());
    if let Some(ledger) = gathered.totals.as_ref().and_then(|totals| words::ledger(&totals.ledger)) {
        put!(html, "<p>{}</p>", Esc(ledger));
    }
    put!(html, "</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n");
    html.into_string()
}

/// Patterns of the parts, which differ without their colours too.
fn patterns(html: &mut Html) {
    put!(html, "<svg class=\"patterns\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs>");
    for (name, size, shape) in [
        ("file", 6, "<path d=\"M0 6L6 0\"/>"),
        ("shmem", 5, "<circle cx=\"2.5\" cy=\"2.5\" r=\"1\"/>"),
        ("swap", 5, "<path d=\"M0 2.5H5\"/>"),
        ("pgtab", 4, "<path d=\"M2 0V4\"/>"),
        ("rest", 6, "<path d=\"M0 0L6 6M0 6L6 0\"/>"),
        ("adj", 6, "<path d=\"M0 0L6 6\"/>"),
    ] {
        put!(
            html,
            "<pattern id=\"t-{name}\" width=\"{size}\" height=\"{size}\" patternUnits=\"userSpaceOnUse\"><rect class=\"f-{name}\" \
             width=\"{size}\" height=\"{size}\"/>{shape}</pattern>"
        );
    }
    put!(html, "</defs></svg>");
}

/// What whoever reads this has to know of its limits.
fn notes(html: &mut Html, gathered: &Gathered) {
    let notes = gathered.notes();
    if notes.is_empty() {
        return;
    }
    put!(html, "<section class=\"notes\" aria-label=\"Notes\"><ul>");
    for note in notes {
        put!(html, "<li>{}</li>", Esc(note));
    }
    put!(html, "</ul></section>");
}

/// The list of the episodes.
fn overview(html: &mut Html, listed: &[Listed]) {
    let several = listed.windows(2).any(|pair| pair[0].row.file != pair[1].row.file);
    put!(
        html,
        "<section id=\"overview\"><h2 id=\"episodes\">{} episodes</h2>",
        words::grouped(listed.len() as i128)
    );
    put!(
        html,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"episodes\"><table class=\"sortable\"><caption>"
    );
    put!(html, "In the order in which they were recorded</caption><thead><tr>");
    for heading in ["time", "episode", "what happened", "who died"] {
        put!(html, "<th scope=\"col\">{heading}</th>");
    }
    put!(html, "<th scope=\"col\" class=\"number\">resident</th>");
    if several {
        put!(html, "<th scope=\"col\">recording</th>");
    }
    put!(html, "</tr></thead><tbody>");
    for Listed { row, time, what, anchor } in listed {
        put!(html, "<tr><td data-by=\"{}\">{}</td><td>", order(row), Esc(time));
        let id = row.id.as_str();
        match anchor {
            Some(anchor) => put!(html, "<a href=\"#{anchor}\">{id}</a>"),
            None => put!(html, "{id} (not on this page)"),
        }
        put!(html, "</td><td>{}</td><td>{}</td>", Esc(what), Esc(words::listed(row)));
        let size = match (&row.victim, row.victim_bytes) {
            (None, _) => "-".to_owned(),
            (Some(_), None) => "?".to_owned(),
            (Some(_), Some(bytes)) => words::size(bytes),
        };
        let by = row.victim_bytes.map_or_else(String::new, |bytes| bytes.to_string());
        put!(html, "<td class=\"number\" data-by=\"{by}\">{size}</td>");
        if several {
            put!(html, "<td>{}</td>", Esc(&row.file));
        }
        put!(html, "</tr>");
    }
    put!(html, "</tbody></table></div></section>");
}

/// What sorts times; milliseconds, as a script has them exactly.
fn order(row: &Row) -> String {
    let ms = row.unix_ns.map(|ns| ns / 1_000_000).or(row.stamp_ns.map(|ns| i128::from(ns / 1_000_000)));
    ms.map_or_else(String::new, |ms| ms.to_string())
}
