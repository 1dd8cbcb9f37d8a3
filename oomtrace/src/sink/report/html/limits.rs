//! Whose limit it was: the chain of cgroups up to the root, and what there was left.

use crate::explain::Explanation;
use crate::model::episode::{MemcgLimit, Scope};
use crate::sink::terminal::text::{self, Said};

use super::bars;
use super::episode::said;
use super::text::{Esc, Html, put};

/// The limits from the one that was met up to the root, and the room there was.
pub(super) fn write(html: &mut Html, explanation: &Explanation<'_>, room: &[Said], anchor: &str) {
    let Explanation { episode, session: info, .. } = explanation;
    if episode.memcg.is_empty() && room.is_empty() {
        return;
    }
    let heading = if episode.scope == Some(Scope::Global) { "What the machine had" } else { "Whose limit" };
    put!(html, "<section><h3 id=\"{anchor}-limits\">{heading}</h3>");
    if !episode.memcg.is_empty() {
        put!(
            html,
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"{anchor}-limits\"><table class=\"limits\"><caption>"
        );
        put!(
            html,
            "From the limit that was met up to the root</caption><thead><tr><th scope=\"col\">cgroup</th>"
        );
        put!(
            html,
            "<th scope=\"col\" class=\"bars\">in use</th><th scope=\"col\" class=\"number\">usage</th>"
        );
        let swap = if info.cgroup_version == Some(1) { "memory+swap" } else { "swap" };
        put!(
            html,
            "<th scope=\"col\" class=\"number\">limit</th><th scope=\"col\" class=\"number\">{swap}</th>"
        );
        put!(
            html,
            "<th scope=\"col\" class=\"number\">high</th><th scope=\"col\">more</th></tr></thead><tbody>"
        );
        for level in &episode.memcg {
            level_row(html, level, explanation);
        }
        put!(html, "</tbody></table></div>");
    }
    said(html, room, "");
    put!(html, "</section>");
}

fn level_row(html: &mut Html, level: &MemcgLimit, explanation: &Explanation<'_>) {
    let info = explanation.session;
    let size = |pages: Option<u64>| pages.map(|pages| text::size(info.bytes(pages)));
    // No limit, unless nothing of this level was captured.
    let limit = |usage: Option<u64>, max: Option<u64>| match (usage, size(max)) {
        (_, Some(size)) => size,
        (Some(_), None) => "max".to_owned(),
        (None, None) => "?".to_owned(),
    };
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    let class = if level.limiting { " class=\"victim\"" } else { "" };
    put!(html, "<tr{class}><th scope=\"row\">");
    match &level.path {
        Some(path) => {
            put!(html, "<code>{}</code>", Esc(path));
            if let Some(called) = text::called(explanation.episode, path) {
                put!(html, "<br>{}", Esc(called));
            }
        }
        None => put!(html, "?"),
    }
    if level.limiting {
        put!(html, " <span class=\"tag\">this limit was met</span>");
    }
    put!(html, "</th><td class=\"bars\">");
    if let (Some(usage), Some(max)) = (level.usage_pages, level.max_pages) {
        bars::full(html, usage, max);
    }
    put!(
        html,
        "</td><td class=\"number\">{}</td><td class=\"number\">{}</td>",
        or_unknown(size(level.usage_pages)),
        limit(level.usage_pages, level.max_pages)
    );
    let swap = match (level.swap_usage_pages, level.swap_max_pages) {
        (None, None) => if level.usage_pages.is_some() { "-" } else { "?" }.to_owned(),
        (usage, max) => format!("{} of {}", or_unknown(size(usage)), limit(usage, max)),
    };
    let high = size(level.high_pages)
        .unwrap_or_else(|| if level.usage_pages.is_some() { "-" } else { "?" }.to_owned());
    put!(html, "<td class=\"number\">{swap}</td><td class=\"number\">{high}</td>");
    put!(html, "<td>{}</td></tr>", Esc(text::level(level, info)));
}
