//! Keys: which there are, and what is said of them at the foot and in the help.

/// A key, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are named as on a keyboard")]
pub enum Key {
    Char(char),
    /// With the control key.
    Ctrl(char),
    Enter,
    Esc,
    Backspace,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Everywhere.
    All,
    /// In the list of episodes.
    List,
    /// In an episode.
    Episode,
    /// Among the candidates.
    Candidates,
    /// Where things are supposed.
    WhatIf,
}

impl Where {
    /// As a heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::All => "everywhere",
            Self::List => "list",
            Self::Episode => "episode",
            Self::Candidates => "candidates",
            Self::WhatIf => "what if",
        }
    }
}

/// All keys: where, which, what they do, and in a word or two for the foot (empty: not there).
pub static KEYS: [(Where, &str, &str, &str); 20] = [
    (Where::All, "up down, k j", "one line", ""),
    (Where::All, "page up, page down, space", "one screen", ""),
    (Where::All, "home end, g G", "to the first, to the last", ""),
    (Where::All, "m", "what there was to say", ""),
    (Where::All, "?", "this help", "help"),
    (Where::All, "ctrl-z, ctrl-l", "suspend, draw again", ""),
    (Where::All, "q, ctrl-c", "quit", "quit"),
    (Where::List, "enter", "open the episode", "open"),
    (Where::List, "/", "only those with a text; esc: all again", "find"),
    (Where::Episode, "tab, 1-6, left right", "another screen of it", "screens"),
    (Where::Episode, "n p", "the next episode, the previous one", "next, previous"),
    (Where::Episode, "w", "suppose something, and see who dies then", "what if"),
    (Where::Episode, "esc", "back", "back"),
    (Where::Candidates, "< >", "sort by the column before, behind", "sort"),
    (Where::Candidates, "r", "turn the order round", "reverse"),
    (Where::Candidates, "o", "as the kernel ranked them", ""),
    (Where::Candidates, "/", "only those with a text; esc: all again", "find"),
    (Where::Candidates, "w, x", "suppose another oom_score_adj, it gone", "what if"),
    (Where::WhatIf, "u", "take the last supposition back", "undo"),
    (Where::WhatIf, "c", "take all back", "clear"),
];

/// What the foot says: `enter open  / find  ? help  q quit`.
#[must_use]
pub fn foot(place: Where, width: usize) -> String {
    let places: &[Where] = match place {
        Where::All => &[Where::All],
        Where::List => &[Where::List, Where::All],
        Where::Episode => &[Where::Episode, Where::All],
        Where::Candidates => &[Where::Candidates, Where::Episode, Where::All],
        Where::WhatIf => &[Where::WhatIf, Where::Episode, Where::All],
    };
    // How to get help and out is said last and goes last.
    let always: usize = own(Where::All).map(|(_, keys, _, short)| label(keys, short).len() + 2).sum();
    let mut text = String::new();
    let mut told = Vec::new();
    for (place, keys, _, short) in places.iter().flat_map(|&place| own(place)) {
        let label = label(keys, short);
        let room = if *place == Where::All { width } else { width.saturating_sub(always) };
        if told.contains(short) || text.len() + label.len() + 2 > room {
            continue;
        }
        told.push(short);
        if !text.is_empty() {
            text.push_str("  ");
        }
        text.push_str(&label);
    }
    text
}

/// Those that the foot tells.
fn own(place: Where) -> impl Iterator<Item = &'static (Where, &'static str, &'static str, &'static str)> {
    KEYS.iter().filter(move |(other, .., short)| *other == place && !short.is_empty())
}

/// The first of the keys, and what it is for.
fn label(keys: &str, short: &str) -> String {
    format!("{} {short}", keys.split(',').next().unwrap_or(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_and_the_way_out_are_at_the_foot_of_a_narrow_screen_too() {
        for place in [Where::All, Where::List, Where::Episode, Where::Candidates, Where::WhatIf] {
            for width in [60, 80, 200] {
                let foot = foot(place, width);
                assert!(foot.ends_with("? help  q quit"), "{foot}");
                assert!(foot.len() <= width, "{width}: {foot}");
            }
        }
        assert_eq!(foot(Where::List, 80), "enter open  / find  ? help  q quit");
    }
}
