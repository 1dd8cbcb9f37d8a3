//! Which episodes are shown. Filters never touch what is recorded.
//!
//! - here: what can be asked for, and whether an episode is it;
//! - [`moment`]: bounds of time;
//! - [`owner`]: pods and containers.

mod moment;
mod owner;

use crate::model::episode::{Episode, Outcome, Scope};
use crate::model::{Name, SessionInfo, ShortId, short_id};

pub use moment::{Moment, NoMoment};

/// Conditions; an episode is shown when all that are given hold. Of a condition with several values, one has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Some victim is one of these ([`named`]).
    pub victims: Vec<String>,
    /// The trigger is one of these ([`named`]).
    pub triggers: Vec<String>,
    /// The limiting cgroup, or some victim's, is one of these or below it; with `*` or `?`, its whole path matches it as a
    /// pattern. Slashes at the ends do not matter.
    pub cgroups: Vec<String>,
    /// The limiting cgroup, or some victim's, is of one of these pods: `POD`, `NAMESPACE/POD`, as patterns too, or the beginning of a uid.
    pub pods: Vec<String>,
    /// The same of containers: a name, as a pattern too, or the beginning of an id.
    pub containers: Vec<String>,
    /// Whole machine or memcg.
    pub scopes: Vec<Scope>,
    /// How it ended.
    pub outcomes: Vec<Outcome>,
    /// It is one of these.
    pub episodes: Vec<Which>,
    /// It was entered at this time or later; an episode whose time is not known is not shown.
    pub from: Option<Moment>,
    /// It was entered before this time.
    pub to: Option<Moment>,
}

/// One episode of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By its number in its recording.
    Number(u64),
    /// By its short id, or the beginning of it.
    Id(String),
}

impl Which {
    /// What `text` asks for: digits, perhaps after a `#`, are a number, letters of ids an id. `None`: neither.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        if let Ok(number) = text.strip_prefix('#').unwrap_or(text).parse() {
            return Some(Self::Number(number));
        }
        short_id::is_prefix(text).then(|| Self::Id(text.to_owned()))
    }

    /// Whether it asks for this one.
    #[must_use]
    pub fn is(&self, number: u64, id: ShortId) -> bool {
        match self {
            Self::Number(wanted) => *wanted == number,
            Self::Id(prefix) => id.as_str().starts_with(prefix.as_str()),
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Id(prefix) => f.write_str(prefix),
        }
    }
}

impl Filter {
    /// Whether to show `episode`, of the session that `info` heads.
    #[must_use]
    pub fn shows(&self, episode: &Episode, info: &SessionInfo) -> bool {
        let any = |wanted: &[String], fits: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|wanted| fits(wanted))
        };
        any(&self.victims, &|wanted| {
            episode.victims.iter().any(|victim| named(&victim.task.comm, victim.task.pid, wanted))
        }) && any(&self.triggers, &|wanted| {
            episode.trigger.as_ref().is_some_and(|trigger| named(&trigger.comm, trigger.pid, wanted))
        }) && any(&self.cgroups, &|wanted| cgroup(episode, wanted))
            && any(&self.pods, &|wanted| owner::in_pod(episode, wanted))
            && any(&self.containers, &|wanted| owner::in_container(episode, wanted))
            && (self.scopes.is_empty() || episode.scope.is_some_and(|scope| self.scopes.contains(&scope)))
            && (self.outcomes.is_empty() || self.outcomes.contains(&episode.outcome))
            && self.is_wanted(episode, info)
            && self.is_within(episode, info)
    }

    fn is_wanted(&self, episode: &Episode, info: &SessionInfo) -> bool {
        if self.episodes.is_empty() {
            return true;
        }
        let id = ShortId::of(episode, info);
        self.episodes.iter().any(|which| which.is(episode.id, id))
    }

    fn is_within(&self, episode: &Episode, info: &SessionInfo) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        let seen = episode.opened_ns.or(episode.closed_ns);
        let Some(unix_ns) = seen.and_then(|ns| info.unix_ns(ns)) else { return false };
        let bound = |moment: &Moment| moment.unix_ns(info.utc_offset_seconds);
        self.from.as_ref().is_none_or(|from| bound(from) <= unix_ns)
            && self.to.as_ref().is_none_or(|to| unix_ns < bound(to))
    }
}

/// Whether a process is the one that `wanted` names: its name contains it, or, with `*` or `?`, matches it as a pattern; a number
/// is also compared with the process id.
fn named(comm: &Name, pid: i32, wanted: &str) -> bool {
    wanted.parse() == Ok(pid)
        || if is_pattern(wanted) { comm.matches(wanted) } else { contains(comm, wanted.as_bytes()) }
}

fn cgroup(episode: &Episode, wanted: &str) -> bool {
    let wanted = wanted.trim_matches('/');
    cgroups(episode).any(|path| {
        let path = path.strip_prefix(b"/").unwrap_or(path);
        if is_pattern(wanted) {
            return Name::from(path).matches(wanted);
        }
        path.strip_prefix(wanted.as_bytes())
            .is_some_and(|below| below.is_empty() || wanted.is_empty() || below.starts_with(b"/"))
    })
}

/// The limiting cgroup and the victims'.
fn cgroups(episode: &Episode) -> impl Iterator<Item = &Name> {
    let limiting =
        episode.memcg.iter().filter(|level| level.limiting).filter_map(|level| level.path.as_ref());
    limiting.chain(episode.victims.iter().filter_map(|victim| victim.task.cgroup.as_ref()))
}

fn is_pattern(wanted: &str) -> bool {
    wanted.contains(['*', '?'])
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

    fn one() -> (Episode, SessionInfo) {
        let info = made_up::info();
        (made_up::assemble(&info, &made_up::one_kill()).remove(0), info)
    }

    fn strings(wanted: &[&str]) -> Vec<String> {
        wanted.iter().map(|&wanted| wanted.to_owned()).collect()
    }

    #[test]
    fn names_and_paths() {
        let (episode, info) = one();
        for (wanted, shown) in
            [("unico", true), ("g*n", true), ("uni*", false), ("48121", true), ("nginx", false)]
        {
            let victim = Filter { victims: strings(&[wanted]), ..Filter::default() };
            assert_eq!(victim.shows(&episode, &info), shown, "{wanted}");
            // The trigger of this one is its victim.
            let trigger = Filter { triggers: strings(&[wanted]), ..Filter::default() };
            assert_eq!(trigger.shows(&episode, &info), shown, "{wanted}");
        }
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
            ("/kube*", true),
            ("*/x", false),
        ] {
            let cgroup = Filter { cgroups: strings(&[wanted]), ..Filter::default() };
            assert_eq!(cgroup.shows(&episode, &info), shown, "{wanted}");
        }
    }

    #[test]
    fn all_conditions_must_hold_and_one_value_of_each() {
        let (episode, info) = one();
        let shown = |filter: Filter| filter.shows(&episode, &info);
        let base = Filter { victims: strings(&["nginx", "g"]), ..Filter::default() };
        assert!(shown(base.clone()));
        assert!(shown(Filter {
            scopes: vec![Scope::Memcg],
            outcomes: vec![Outcome::Freed, Outcome::Killed],
            ..base.clone()
        }));
        assert!(!shown(Filter { scopes: vec![Scope::Global], ..base.clone() }));
        assert!(!shown(Filter { outcomes: vec![Outcome::Skipped, Outcome::Freed], ..base.clone() }));
        assert!(!shown(Filter { triggers: strings(&["nginx"]), ..base }));
    }

    #[test]
    fn numbers_ids_and_times() {
        let (episode, info) = one();
        let id = ShortId::of(&episode, &info);
        let wanted = |which: &[&str]| Filter {
            episodes: which.iter().map(|which| Which::of(which).expect("it is one")).collect(),
            ..Filter::default()
        };
        let number = episode.id.to_string();
        for which in [&[id.as_str()][..], &[&id.as_str()[..3]], &[&number], &["77", &format!("#{number}")]] {
            assert!(wanted(which).shows(&episode, &info), "{which:?}");
        }
        assert!(!wanted(&["77"]).shows(&episode, &info));
        assert_eq!(Which::of("aeiou"), None);

        let entered = episode.opened_ns.and_then(|ns| info.unix_ns(ns)).expect("it has a time");
        let at = |ns: i128| Some(Moment::Unix(entered + ns));
        for (from, to, shown) in [
            (at(0), None, true),
            (at(1), None, false),
            (None, at(0), false),
            (None, at(1), true),
            (at(-1), at(1), true),
        ] {
            let filter = Filter { from, to, ..Filter::default() };
            assert_eq!(filter.shows(&episode, &info), shown, "{filter:?}");
        }
        let timeless = SessionInfo { started_unix_ns: None, ..info.clone() };
        assert!(!Filter { from: Some(Moment::Unix(0)), ..Filter::default() }.shows(&episode, &timeless));
    }
}
