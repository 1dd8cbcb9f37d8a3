//! One episode explained: in sentences, with a table and what happened when.
//!
//! - here: the order of the parts, and their words in common;
//! - [`choice`]: why that one, the points, the margin, who could not be killed;
//! - [`table`]: the best candidates, with the adjustment at which the outcome turns;
//! - [`limit`]: whose limit, the room above it, what the machine had left;
//! - [`story`]: settings, adjustments seen;
//! - [`what_if`]: the choice made again;
//! - [`refused`]: what cannot be supposed;
//! - [`said`]: all of it for outputs that lay it out themselves.

mod choice;
mod limit;
mod refused;
mod said;
mod story;
mod table;
mod what_if;

use crate::explain::Explanation;
use crate::explain::gaps::Gap;
use crate::model::SessionInfo;
use crate::model::episode::Scope;

use super::page::{Page, Painted};
use super::{Context, Options, callpath, headline, limits, memory, outcome, owner, timeline, told, words};

pub(super) use limit::texts as room;
pub use refused::{mistaken, unreadable};
pub(crate) use said::{Candidates, Words, words};
pub use what_if::WHAT_IF;
pub(crate) use what_if::{assumption, doubt};

/// The whole text.
#[must_use]
pub fn explanation(explanation: &Explanation<'_>, options: Options) -> String {
    let mut page = Page::new(options);
    write(explanation, options, &mut page);
    what_if::write(explanation, &mut page);
    page.into_string()
}

/// Why, at length.
#[must_use]
pub fn why(explanation: &Explanation<'_>, width: usize) -> Vec<Painted> {
    Page::painted(width, |page, options| write(explanation, options, page))
}

/// What was supposed, and what would have come of it.
#[must_use]
pub fn what_if(explanation: &Explanation<'_>, width: usize) -> Vec<Painted> {
    Page::painted(width, |page, options| {
        let context = Context { info: explanation.session, episode: explanation.episode, options };
        headline::write(&context, &mut None, page);
        what_if::write(explanation, page);
    })
}

fn write(explanation: &Explanation<'_>, options: Options, page: &mut Page) {
    let context = Context { info: explanation.session, episode: explanation.episode, options };
    headline::write(&context, &mut None, page);
    headline::trigger(&context, page);
    callpath::write(&context, page);
    owner::write(&context, page);
    choice::write(explanation, &context, page);
    told::notes(&context, page);
    table::write(explanation, &context, page);
    choice::protected(explanation, page);
    if explanation.episode.scope == Some(Scope::Memcg) {
        limits::write(&context, page);
    }
    memory::of_memcg(&context, page);
    memory::of_machine(&context, page);
    limit::write(explanation, page);
    story::settings(explanation, page);
    story::adjusted(explanation, &context, page);
    outcome::write(&context, page);
    timeline::write(&context, page);
    gaps(explanation, page);
}

/// `unknown   …`
fn gaps(explanation: &Explanation<'_>, page: &mut Page) {
    for (i, gap) in explanation.gaps.iter().enumerate() {
        let text = gap_words(*gap, explanation);
        page.labelled(if i == 0 { "unknown" } else { "" }, &text);
    }
}

fn gap_words(gap: Gap, explanation: &Explanation<'_>) -> String {
    match gap {
        Gap::Entry => {
            "the entry was not seen: neither who asked for memory nor any delay can be told".to_owned()
        }
        Gap::Return => {
            "the return was not seen: what happened after the last moment told here is not known".to_owned()
        }
        Gap::Candidates(number) => format!(
            "{} of the scan {} not in the recording: what is said of margins and of others \
             who would have died is about those that are",
            words::count(number, "candidate"),
            if number == 1 { "is" } else { "are" }
        ),
        Gap::ScorerSilent => {
            "the probe on the scorer never fired: the points of the candidates are not known, \
                              and so neither margin nor the effect of any oom_score_adj"
                .to_owned()
        }
        Gap::Points(number) => format!("the points of {}", words::count(number, "candidate")),
        Gap::Formula => {
            "how this kernel makes points: they are not taken apart into memory and oom_score_adj".to_owned()
        }
        Gap::ApproximateParts => {
            let explained = explanation.episode.candidates.iter().filter_map(|candidate| candidate.explained);
            let mut explained = explained.peekable();
            if explained.peek().is_none() {
                return "the exact parts of the memory (~): per-CPU counters can only be read approximately from outside, \
                        and no points were captured to hold them against"
                    .to_owned();
            }
            let cause =
                explained.find(|explained| explained.difference != 0).and_then(|explained| explained.cause);
            let because = cause.map_or("", choice::because);
            format!(
                "the exact parts of the memory (~): they do not add up to what the kernel counted{because}. The points and \
                 the column \"memory\" are exact"
            )
        }
        Gap::Limits => "usage and limits of the cgroup: they were not captured".to_owned(),
        Gap::NoComparison => "who else could have been chosen: nobody was compared".to_owned(),
        Gap::MachineMemory => "how much memory was free: it was not captured".to_owned(),
        Gap::Exits(number) => format!(
            "when {} {} gone: the exit was not seen",
            words::count(number, "victim"),
            if number == 1 { "was" } else { "were" }
        ),
        Gap::AdjChanges => "who set these values of oom_score_adj, and when: it was not watched".to_owned(),
        Gap::Records | Gap::Reads => {
            format!("what was lost: {}", words::losses(&explanation.episode.lost))
        }
    }
}

/// A number of pages as a size, with its sign.
fn pages(info: &SessionInfo, pages: i64) -> String {
    let size = words::size(info.bytes(pages.unsigned_abs()));
    if pages < 0 { format!("-{size}") } else { size }
}

fn grouped(number: i64) -> String {
    words::grouped(number.into())
}
