//! An explained episode for outputs that lay it out themselves: the same words, in parts, nothing cut or wrapped.

use crate::explain::Explanation;
use crate::model::episode::{RankedCandidate, Victim};

use super::super::page::{Page, Said};
use super::super::{
    CUT_OFF, Context, before, callpath, headline, memory, outcome, owner, table as candidates, timeline,
    told, why,
};
use super::{choice, gaps, limit, story, table};
use crate::sink::terminal::words as numbers;

/// What there is to say of an episode.
pub(crate) struct Words {
    /// `memcg OOM: /a hit its own limit of 48.0M`
    pub(crate) what: String,
    /// What came of it, and why, in a sentence each.
    pub(crate) short: Vec<Said>,
    /// Who asked for memory, and whose the victim was.
    pub(crate) asked: Vec<Said>,
    /// Why that one, at length; who could not be killed.
    pub(crate) choice: Vec<Said>,
    /// What memory was used for, and the room above the limit.
    pub(crate) room: Vec<Said>,
    /// Settings, and who had set an `oom_score_adj`.
    pub(crate) setting: Vec<Said>,
    /// The minutes before.
    pub(crate) before: Vec<Said>,
    /// What is not known, or was lost.
    pub(crate) unknown: Vec<Said>,
    /// When after the entry, and what.
    pub(crate) timeline: Vec<(String, String)>,
    /// Victims that the timeline leaves out.
    pub(crate) timeline_more: Option<String>,
    /// For each row of [`Explanation::top`], the `oom_score_adj` at which the outcome turns for it.
    pub(crate) turns: Vec<String>,
}

/// What there is to say of an episode.
pub(crate) fn words(explanation: &Explanation<'_>) -> Words {
    let context = context(explanation);
    let (timeline, timeline_more) = timeline::moments(&context);
    Words {
        what: headline::what(&context, 0),
        short: Page::said(|page| {
            outcome::write(&context, page);
            why::write(&context, page);
            outcome::folded(&context, page);
        }),
        asked: Page::said(|page| {
            headline::trigger(&context, page);
            callpath::write(&context, page);
            owner::write(&context, page);
        }),
        choice: Page::said(|page| {
            choice::write(explanation, &context, page);
            told::notes(&context, page);
            choice::protected(explanation, page);
        }),
        room: Page::said(|page| {
            memory::of_memcg(&context, page);
            memory::of_machine(&context, page);
            limit::write(explanation, page);
        }),
        setting: Page::said(|page| {
            story::settings(explanation, page);
            story::adjusted(explanation, &context, page);
        }),
        before: Page::said(|page| before::write(&context, page)),
        unknown: Page::said(|page| {
            gaps(explanation, page);
            if explanation.episode.cut_off {
                page.labelled_warning("cut off", CUT_OFF);
            }
            if explanation.episode.lost.any() {
                page.labelled_warning("lost", &numbers::losses(&explanation.episode.lost));
            }
        }),
        timeline,
        timeline_more,
        turns: explanation.top.iter().map(|row| table::turn(explanation, row, usize::MAX)).collect(),
    }
}

fn context<'a>(explanation: &Explanation<'a>) -> Context<'a> {
    Context { info: explanation.session, episode: explanation.episode, options: Page::unbounded() }
}

/// What is said of one candidate beside its numbers.
pub(crate) struct Candidates {
    /// Where nothing was recomputed.
    approximate: bool,
}

impl Candidates {
    pub(crate) fn of(explanation: &Explanation<'_>) -> Self {
        Self { approximate: candidates::approximate(&context(explanation)) }
    }

    /// What came of it, in a word or two.
    pub(crate) fn mark(&self, candidate: &RankedCandidate, victim: Option<&Victim>) -> String {
        candidates::mark(candidate, victim)
    }

    /// There is no memory to know of.
    pub(crate) fn has_no_memory(&self, candidate: &RankedCandidate) -> bool {
        candidates::has_no_memory(candidate)
    }

    /// The parts of its memory could only be read approximately.
    pub(crate) fn approximate(&self, candidate: &RankedCandidate) -> bool {
        candidate.memory.is_some()
            && candidate.explained.map_or(self.approximate, |explained| explained.difference != 0)
    }
}
