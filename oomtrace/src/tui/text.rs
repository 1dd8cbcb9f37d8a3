//! What is said of an episode, laid out for a width: made when it is looked at, and kept until it is of something else.

use crate::explain::change::Change;
use crate::explain::explain;
use crate::sink::terminal::{self, Painted, Tone};

use super::inbox::Item;

/// What of an episode is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// As `watch` shows it.
    Episode,
    /// All candidates, to be sorted.
    Candidates,
    /// What happened when.
    Timeline,
    /// The chain of cgroups.
    Cgroups,
    /// Why, at length.
    Explain,
    /// Who would have died under other terms.
    WhatIf,
}

impl Pane {
    /// All, in order, with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Episode, "episode"),
        (Self::Candidates, "candidates"),
        (Self::Timeline, "timeline"),
        (Self::Cgroups, "cgroups"),
        (Self::Explain, "explain"),
        (Self::WhatIf, "what if"),
    ];

    /// By its place, round and round.
    pub(super) fn at(place: usize) -> Self {
        Self::ALL.get(place % Self::ALL.len()).map_or(Self::Episode, |(pane, _)| *pane)
    }

    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|(pane, _)| *pane == self).unwrap_or(0)
    }
}

/// Lines, and what they were made of.
#[derive(Debug, Default)]
pub(super) struct Lines {
    made_of: Option<(u64, Pane, usize, u64)>,
    pub(super) lines: Vec<Painted>,
}

impl Lines {
    /// Makes them, if they are of something else. `serial` names the item, `supposed` what is supposed of it.
    pub(super) fn make(
        &mut self,
        (item, serial): (&Item, u64),
        pane: Pane,
        width: usize,
        (changes, supposed): (&[Change], u64),
    ) {
        let made_of = Some((serial, pane, width, supposed));
        if self.made_of != made_of {
            self.made_of = made_of;
            self.lines = lines(item, pane, width, changes);
        }
    }

    pub(super) fn forget(&mut self) {
        self.made_of = None;
    }
}

fn lines(item: &Item, pane: Pane, width: usize, changes: &[Change]) -> Vec<Painted> {
    let Some(episode) = item.episode.as_deref() else {
        let id = item.row.id;
        return wrapped(
            &format!(
                "Episode {id} is not in memory any more: only so many candidates are kept, those of the latest episodes. A \
                 recording has all: oomtrace replay FILE --episode {id} --verbose"
            ),
            width,
        );
    };
    let info = &item.info;
    match pane {
        Pane::Episode | Pane::Candidates => terminal::overview(episode, info, width),
        Pane::Timeline => terminal::moments(episode, info, width),
        Pane::Cgroups => terminal::cgroups(episode, info, width),
        Pane::Explain => explain(episode, info, &[]).map_or_else(
            |mistake| wrapped(&terminal::mistaken("what if", &mistake, episode, info), width),
            |explanation| terminal::why(&explanation, width),
        ),
        Pane::WhatIf if changes.is_empty() => {
            let how = "Suppose that something had been different, and see who would have been chosen then. w asks what:";
            let more = "What is supposed holds together: w adds to it, u takes the last back, c all.";
            wrapped(&format!("{how}\n\n{}\n\n{more}", terminal::WHAT_IF), width)
        }
        Pane::WhatIf => explain(episode, info, changes).map_or_else(
            |mistake| wrapped(&terminal::mistaken("what if", &mistake, episode, info), width),
            |explanation| terminal::what_if(&explanation, width),
        ),
    }
}

/// Text that is nobody's, broken at blanks.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<Painted> {
    use unicode_width::UnicodeWidthStr as _;

    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_inclusive(' ') {
            if !line.trim().is_empty() && line.width() + word.trim_end().width() > width {
                lines.push(vec![(Tone::Plain, std::mem::take(&mut line))]);
            }
            line.push_str(word);
        }
        lines.push(vec![(Tone::Plain, line)]);
    }
    lines
}
