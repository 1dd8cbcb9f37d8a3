//! Parts of an episode, each of which has a screen to itself.

use crate::model::SessionInfo;
use crate::model::episode::{Episode, Scope};

use super::page::{Page, Painted};
use super::{CUT_OFF, Context, Options, before, headline, limits, memory, outcome, owner, timeline, words};

/// The episode as `watch` shows it.
#[must_use]
pub fn overview(episode: &Episode, info: &SessionInfo, width: usize) -> Vec<Painted> {
    Page::painted(width, |page, options| super::whole(&Context { info, episode, options }, &mut None, page))
}

/// What happened when: before, during, and after.
#[must_use]
pub fn moments(episode: &Episode, info: &SessionInfo, width: usize) -> Vec<Painted> {
    Page::painted(width, |page, options| {
        let context = Context { info, episode, options };
        headline::write(&context, &mut None, page);
        before::write(&context, page);
        timeline::write(&context, page);
        outcome::write(&context, page);
        outcome::folded(&context, page);
        if episode.cut_off {
            page.labelled_warning("cut off", CUT_OFF);
        }
        if episode.lost.any() {
            page.labelled_warning("lost", &words::losses(&episode.lost));
        }
    })
}

/// The chain of cgroups with all that is known of each, whose they are, and what their memory was used for.
#[must_use]
pub fn cgroups(episode: &Episode, info: &SessionInfo, width: usize) -> Vec<Painted> {
    Page::painted(width, |page, options| {
        let context = Context { info, episode, options: Options { verbose: true, ..options } };
        headline::write(&context, &mut None, page);
        headline::trigger(&context, page);
        limits::write(&context, page);
        if episode.memcg.is_empty() && episode.scope == Some(Scope::Global) {
            page.labelled("limits", "no cgroup's: it was the whole machine's memory");
        }
        memory::of_memcg(&context, page);
        memory::of_machine(&context, page);
        owner::write(&context, page);
    })
}
