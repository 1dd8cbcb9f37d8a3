//! The candidates of an episode: the best as bars, all of them as a table, which the page's script fills.

use crate::explain::Explanation;
use crate::explain::contest::Contest;
use crate::model::episode::Verdict;
use crate::sink::terminal::text;

use super::super::parts::Makeup;
use super::super::table;
use super::bars::{self, Scale};
use super::episode::Place;
use super::text::{Esc, Html, json, put};

/// The best of the candidates, with the bar of each.
pub(super) fn best(
    html: &mut Html,
    explanation: &Explanation<'_>,
    contest: &Contest<'_>,
    turns: &[String],
    anchor: &str,
) {
    if explanation.top.is_empty() {
        return;
    }
    let info = explanation.session;
    let makeups: Vec<Makeup> =
        explanation.top.iter().map(|row| Makeup::of(row.candidate, contest, info)).collect();
    let scale = Scale::of(makeups.iter());
    let (left, right) = scale.ends();
    put!(html, "<section><h3 id=\"{anchor}-points\">What their points are made of</h3>");
    bars::legend(html, &makeups);
    put!(
        html,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"{anchor}-points\"><table class=\"best\"><caption>"
    );
    put!(
        html,
        "Those with the most points; the highest dies. Bars go from {} to {}",
        Esc(bars::signed(left)),
        Esc(bars::signed(right))
    );
    put!(
        html,
        "</caption><thead><tr><th scope=\"col\">process</th><th scope=\"col\" class=\"bars\">made of</th>"
    );
    for name in ["points", "memory", "adj"] {
        put!(html, "<th scope=\"col\" class=\"number\">{name}</th>");
    }
    put!(html, "<th scope=\"col\">with oom_score_adj</th></tr></thead><tbody>");
    for ((row, makeup), turn) in explanation.top.iter().zip(&makeups).zip(turns) {
        let class = if row.victim { " class=\"victim\"" } else { "" };
        put!(html, "<tr{class}><th scope=\"row\">{}", Esc(text::task(&row.candidate.task)));
        if row.victim {
            put!(html, " <span class=\"tag\">died</span>");
        }
        put!(html, "</th><td class=\"bars\">");
        bars::bar(html, makeup, scale);
        let points = match (row.candidate.points(), row.candidate.verdict) {
            (Some(points), _) => text::grouped(points.into()),
            (None, Verdict::Unkillable(_) | Verdict::PassedOver(_)) => "-".to_owned(),
            (None, _) => "?".to_owned(),
        };
        let memory = makeup.memory.map_or_else(|| "?".to_owned(), bars::signed);
        let adj = row.candidate.task.oom_score_adj.map_or_else(|| "?".to_owned(), |adj| adj.to_string());
        put!(html, "</td><td class=\"number\">{points}</td><td class=\"number\">{memory}</td>");
        put!(html, "<td class=\"number\">{adj}</td><td>{}</td></tr>", Esc(turn));
    }
    put!(html, "</tbody></table></div>");
    if explanation.more > 0 {
        put!(html, "<p class=\"note\">… {} more below.</p>", text::grouped(explanation.more.into()));
    }
    put!(html, "</section>");
}

/// Columns of the table of all candidates: name in the data, heading, kind.
const COLUMNS: [(&str, &str, &str); 15] = [
    ("process", "process", "text"),
    ("mark", "what came of it", "text"),
    ("points", "points", "number"),
    ("adj", "adj", "plain"),
    ("bar", "made of", "bars"),
    ("memory", "memory", "size"),
    ("anon", "anon", "about"),
    ("file", "file", "about"),
    ("shmem", "shmem", "about"),
    ("rss", "resident", "about"),
    ("swap", "swap", "about"),
    ("pgtab", "page tables", "size"),
    ("share", "share", "plain"),
    ("uid", "uid", "plain"),
    ("cgroup", "cgroup", "text"),
];

/// The table of every candidate, which the script fills, and its data.
pub(super) fn all(
    html: &mut Html,
    explanation: &Explanation<'_>,
    contest: &Contest<'_>,
    id: &str,
    place: Place<'_>,
) {
    let Place { anchor, file } = place;
    let episode = explanation.episode;
    let count = episode.candidates.len();
    if count == 0 {
        return;
    }
    let kinds_unknown =
        episode.candidates.iter().any(|it| it.memory.is_some_and(|memory| memory.rss_pages.is_some()));
    put!(
        html,
        "<section><h3 id=\"{anchor}-all\">Everybody that was looked at: {}</h3>",
        text::grouped(count as i128)
    );
    let seen = u32::try_from(count).unwrap_or(u32::MAX);
    let missing = u64::from(episode.evaluated.unwrap_or(0).saturating_sub(seen)).max(episode.lost.candidates);
    if missing > 0 {
        put!(
            html,
            "<p class=\"warning\">{} more were looked at and are not in the recording.</p>",
            text::grouped(missing.into())
        );
    }
    if count > table::MOST {
        put!(
            html,
            "<p class=\"warning\">This page has the first {} of them, by their points; the recording has all.</p>",
            text::grouped(table::MOST as i128)
        );
    }
    put!(
        html,
        "<p class=\"plain\">The table needs scripts. Without them: <code>oomtrace replay {} --episode {id} --verbose</code></p>",
        Esc(super::super::quoted(file))
    );
    put!(
        html,
        "<div class=\"candidates scripted\" hidden data-of=\"{anchor}\"><p class=\"find\"><label for=\"{anchor}-find\">Find a process, pid, cgroup or what "
    );
    put!(
        html,
        "came of it</label> <input id=\"{anchor}-find\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"> <span role=\"status\"></span></p>"
    );
    put!(
        html,
        "<div class=\"scroll rows\" role=\"region\" tabindex=\"0\" aria-labelledby=\"{anchor}-all\"><table aria-rowcount=\"{}\"><caption>",
        count + 1
    );
    put!(
        html,
        "<code>~</code> approximate, <code>?</code> not known, <code>-</code> nothing to know. A heading sorts.</caption><colgroup>"
    );
    let columns = || COLUMNS.iter().filter(|(name, ..)| kinds_unknown || *name != "rss");
    for (name, ..) in columns() {
        put!(html, "<col class=\"k-{name}\">");
    }
    put!(html, "</colgroup><thead><tr aria-rowindex=\"1\">");
    for (name, heading, kind) in columns() {
        let class = if matches!(*kind, "text" | "bars") { "" } else { " class=\"number\"" };
        put!(html, "<th scope=\"col\"{class} data-column=\"{name}\" data-kind=\"{kind}\">");
        match *name {
            "bar" => put!(html, "{heading}</th>"),
            _ => put!(html, "<button type=\"button\">{heading}</button></th>"),
        }
    }
    put!(html, "</tr></thead><tbody></tbody></table></div></div>");
    put!(
        html,
        "<script type=\"application/json\" id=\"{anchor}-data\">{}</script></section>",
        json(&table::of(explanation, contest))
    );
}
