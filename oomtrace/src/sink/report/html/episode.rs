//! One episode of the page: what happened, why that one, the candidates, whose limit, what happened when, the minutes before.
//!
//! All of it but the table of every candidate is there without a script.

use crate::explain::Explanation;
use crate::explain::contest::Contest;
use crate::model::ShortId;
use crate::sink::terminal::text::{self, Said};

use super::text::{Esc, Html, put};
use super::{candidates, limits, lines};

/// Where an episode is.
#[derive(Clone, Copy)]
pub(in crate::sink::report) struct Place<'a> {
    /// Its name on the page: its id, unless it is there twice.
    pub(in crate::sink::report) anchor: &'a str,
    /// The name of its recording.
    pub(in crate::sink::report) file: &'a str,
}

/// Writes the section of one episode.
pub(super) fn write(html: &mut Html, explanation: &Explanation<'_>, place: Place<'_>) {
    let Explanation { episode, session: info, .. } = explanation;
    let words = text::words(explanation);
    let contest = Contest::new(episode, info);
    let short = ShortId::of(episode, info);
    let id = short.as_str();
    let Place { anchor, file } = place;
    let when = episode.opened_ns.or(episode.closed_ns).map(|ns| text::date_time(info, ns));
    put!(
        html,
        "<article id=\"{anchor}\" aria-labelledby=\"{anchor}-what\"><header><h2 id=\"{anchor}-what\">{}</h2>",
        Esc(&words.what)
    );
    put!(html, "<p class=\"when\">{}", Esc(when.unwrap_or_else(|| "at a time that is not known".to_owned())));
    put!(
        html,
        " · episode {} · id <code>{id}</code> · {}</p></header>",
        episode.id,
        Esc(text::session(info))
    );
    victims(html, explanation);
    said(html, &words.short, "lead");

    put!(html, "<section><h3>Who asked</h3>");
    said(html, &words.asked, "");
    put!(html, "</section><section><h3>Why that one</h3>");
    said(html, &words.choice, "");
    put!(html, "</section>");
    candidates::best(html, explanation, &contest, &words.turns, anchor);
    candidates::all(html, explanation, &contest, id, place);
    limits::write(html, explanation, &words.room, anchor);
    timeline(html, &words, anchor);
    if !episode.memory_before.is_empty() {
        put!(html, "<section><h3>The minutes before</h3>");
        said(html, &words.before, "");
        lines::write(html, explanation, anchor);
        put!(html, "</section>");
    }
    if !words.setting.is_empty() {
        put!(html, "<section><h3>Settings</h3>");
        said(html, &words.setting, "");
        put!(html, "</section>");
    }
    put!(html, "<section><h3>What is not known</h3>");
    if words.unknown.is_empty() {
        put!(html, "<p>Nothing that this page could have told was missing.</p>");
    }
    said(html, &words.unknown, "");
    put!(html, "</section><section><h3>The same from the recording</h3><p>{}</p>", Esc(file));
    let file = super::super::quoted(file);
    put!(
        html,
        "<pre tabindex=\"0\">oomtrace explain {} {id}\noomtrace replay {0} --episode {id} --verbose</pre>",
        Esc(file)
    );
    if let Some(message) = &episode.message {
        put!(html, "<p>The kernel's message: <q>{}</q></p>", Esc(message));
    }
    put!(html, "<p><a href=\"#main\">To the top</a></p></section></article>");
}

/// Who died, to be seen at once.
fn victims(html: &mut Html, explanation: &Explanation<'_>) {
    /// Names that are told.
    const NAMED: usize = 6;
    let Explanation { episode, session: info, .. } = explanation;
    if episode.victims.is_empty() {
        return;
    }
    put!(html, "<ul class=\"victims\" aria-label=\"Who died\">");
    for victim in episode.victims.iter().take(NAMED) {
        let size = victim
            .memory
            .and_then(|memory| memory.resident_pages())
            .map(|pages| text::size(info.bytes(pages)));
        let size = size.map_or_else(|| "memory not known".to_owned(), |size| format!("{size} resident"));
        put!(
            html,
            "<li><span class=\"tag\">{}</span> <b>{}</b> {}</li>",
            text::victim(victim.why),
            Esc(text::task(&victim.task)),
            Esc(size)
        );
    }
    if let Some(more @ 1..) = episode.victims.len().checked_sub(NAMED) {
        put!(html, "<li>and {} more</li>", Esc(text::grouped(more as i128)));
    }
    put!(html, "</ul>");
}

/// Labels and what is said under them.
pub(super) fn said(html: &mut Html, all: &[Said], class: &str) {
    if all.is_empty() {
        return;
    }
    put!(html, "<dl class=\"said {class}\">");
    for Said { label, texts, warning } in all {
        let class = if *warning { " class=\"warning\"" } else { "" };
        put!(html, "<div{class}><dt>{}</dt>", Esc(label));
        for text in texts {
            put!(html, "<dd>{}</dd>", Esc(text));
        }
        put!(html, "</div>");
    }
    put!(html, "</dl>");
}

/// What happened when.
fn timeline(html: &mut Html, words: &text::Words, id: &str) {
    if words.timeline.is_empty() {
        return;
    }
    put!(
        html,
        "<section><h3 id=\"{id}-when\">What happened when</h3><table class=\"timeline\" aria-labelledby=\"{id}-when\"><thead><tr>"
    );
    put!(
        html,
        "<th scope=\"col\" class=\"number\">after</th><th scope=\"col\">what</th></tr></thead><tbody>"
    );
    for (delay, what) in &words.timeline {
        put!(html, "<tr><th scope=\"row\" class=\"number\">{}</th><td>{}</td></tr>", Esc(delay), Esc(what));
    }
    put!(html, "</tbody></table>");
    if let Some(more) = &words.timeline_more {
        put!(html, "<p class=\"note\">{}</p>", Esc(more));
    }
    put!(html, "</section>");
}
