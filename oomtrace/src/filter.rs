//! Which episodes are shown. Filters never touch what is recorded.

use crate::model::episode::{Episode, Outcome, Scope};

/// Conditions; an episode is shown when all that are given hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Some victim's name contains this; with `*` or `?`, the whole name matches it as a pattern. A number is also
    /// compared with process ids.
    pub victim: Option<String>,
    /// The limiting cgroup, or some victim's, is this or below it. Slashes at its ends do not matter.
    pub cgroup: Option<String>,
    /// Whole machine or memcg.
    pub scope: Option<Scope>,
    /// One of these; empty: any.
    pub outcomes: Vec<Outcome>,
}

impl Filter {
    /// Whether to show `episode`.
    #[must_use]
    pub fn shows(&self, episode: &Episode) -> bool {
        self.victim.as_deref().is_none_or(|wanted| victim(episode, wanted))
            && self.cgroup.as_deref().is_none_or(|wanted| cgroup(episode, wanted))
            && (self.scope.is_none() || self.scope == episode.scope)
            && (self.outcomes.is_empty() || self.outcomes.contains(&episode.outcome))
    }
}

fn victim(episode: &Episode, wanted: &str) -> bool {
    let pid = wanted.parse::<i32>().ok();
    let is_pattern = wanted.contains(['*', '?']);
    episode.victims.iter().any(|victim| {
        let name = &victim.task.comm.0;
        pid == Some(victim.task.pid)
            || if is_pattern { matches(wanted.as_bytes(), name) } else { contains(name, wanted.as_bytes()) }
    })
}

fn cgroup(episode: &Episode, wanted: &str) -> bool {
    let wanted = wanted.trim_matches('/').as_bytes();
    let limiting =
        episode.memcg.iter().filter(|level| level.limiting).filter_map(|level| level.path.as_ref());
    let homes = episode.victims.iter().filter_map(|victim| victim.task.cgroup.as_ref());
    limiting.chain(homes).any(|path| {
        let path = path.0.strip_prefix(b"/").unwrap_or(&path.0);
        path.strip_prefix(wanted)
            .is_some_and(|below| below.is_empty() || wanted.is_empty() || below.starts_with(b"/"))
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}

/// `*` stands for any run of bytes, `?` for one. Linear but for one step back to the last `*`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match last_star {
                Some((star, from)) => {
                    last_star = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a*c", "ac"), ("?b*", "abc"), ("*a*b", "xaab"), ("", "")]
        {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("?", ""), ("a*c", "abcd"), ("a?c", "ac"), ("", "a"), ("*a*b", "xba")] {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let episode = made_up::assemble(&made_up::info(), &made_up::one_kill()).remove(0);
        let victim = |wanted: &str| Filter { victim: Some(wanted.into()), ..Filter::default() };
        for (wanted, shown) in
            [("unico", true), ("g*n", true), ("uni*", false), ("48121", true), ("nginx", false)]
        {
            assert_eq!(victim(wanted).shows(&episode), shown, "{wanted}");
        }
        let cgroup = |wanted: &str| Filter { cgroup: Some(wanted.into()), ..Filter::default() };
        for (wanted, shown) in [
            ("/", true),
            ("", true),
            ("/kubepods", true),
            ("kubepods", true),
            ("kubepods/", true),
            ("/kubepods/", true),
            ("/kube", false),
            ("kube", false),
            ("/x", false),
        ] {
            assert_eq!(cgroup(wanted).shows(&episode), shown, "{wanted}");
        }
        assert!(
            Filter { scope: Some(Scope::Memcg), outcomes: vec![Outcome::Killed], ..victim("g") }
                .shows(&episode)
        );
        assert!(!Filter { scope: Some(Scope::Global), ..victim("g") }.shows(&episode));
        assert!(
            !Filter { outcomes: vec![Outcome::Skipped, Outcome::Freed], ..Filter::default() }.shows(&episode)
        );
    }
}
