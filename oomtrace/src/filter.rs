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
        let name = &victim.task.comm;
        pid == Some(victim.task.pid)
            || if is_pattern { name.matches(wanted) } else { contains(name, wanted.as_bytes()) }
    })
}

fn cgroup(episode: &Episode, wanted: &str) -> bool {
    let wanted = wanted.trim_matches('/').as_bytes();
    let limiting =
        episode.memcg.iter().filter(|level| level.limiting).filter_map(|level| level.path.as_ref());
    let homes = episode.victims.iter().filter_map(|victim| victim.task.cgroup.as_ref());
    limiting.chain(homes).any(|path| {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        path.strip_prefix(wanted)
            .is_some_and(|below| below.is_empty() || wanted.is_empty() || below.starts_with(b"/"))
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

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
