//! A job that was run, and what the OOM killer did to it: whose limit it was, and what would have spared it. Facts; sinks say them.

use crate::model::SourceKind;
use crate::model::episode::{Episode, Person, Scope};
use crate::model::{Name, SessionInfo};

use super::Explanation;
use super::contest::Turn;
use super::limits::Next;

/// A job that has ended.
#[derive(Clone, Debug)]
pub struct Job {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
    /// What this process exits with.
    pub status: u8,
    /// How long it ran, ns.
    pub duration_ns: u64,
    /// How OOMs were followed; `None`: only by counters.
    pub source: Option<SourceKind>,
    /// What stood in the way of seeing more, and what would remove it.
    pub unseen: Vec<String>,
    /// The cgroup that it ran in.
    pub home: Home,
    /// Highest use of the cgroup, bytes.
    pub peak: Option<Peak>,
    /// Resident memory of the largest process that was waited for, bytes.
    pub largest_bytes: u64,
    /// Processes at once, as far as was seen.
    pub processes: u64,
    /// Process id of this program, which is no help to anybody by dying instead.
    pub tracer: i32,
    /// Kills of the job.
    pub kills: Vec<Kill>,
    /// More of them, which were not kept.
    pub more_kills: u64,
    /// Episodes with kills that were not the job's.
    pub others: u64,
    /// What the counters say; `None` where there are none that can be read.
    pub counted: Option<Counted>,
    /// Kills on the whole machine meanwhile (`/proc/vmstat`).
    pub machine_kills: Option<u64>,
}

/// Where the job ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Home {
    /// The cgroup of whoever started it, from the root of the hierarchy; `None` when that cannot be told (a cgroup namespace).
    pub path: Option<String>,
    /// The same as this process sees it.
    pub shown: String,
    /// Name of the cgroup below it that was made for the job.
    pub made: Option<String>,
}

/// Highest use of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Bytes.
    pub bytes: u64,
    /// It is the kernel's, of a cgroup that only the job was in; else the highest that was looked at.
    pub exact: bool,
}

/// What counters of cgroups say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Processes that the OOM killer killed in the cgroup of the job, and below it.
    pub kills: u64,
    /// Whose limit that was.
    pub whose: Whose,
    /// The cgroup whose limit was met, as this process sees it.
    pub limiting: Option<String>,
    /// Its limit, bytes.
    pub limit_bytes: Option<u64>,
    /// `whose` is what was counted; else it follows from what was met (cgroup version 1, which counts no OOMs of a limit), or is unknown.
    pub sure: bool,
    /// The cgroups whose limits were met, when that does not tell which one the kill was for.
    pub met: Vec<String>,
}

/// One episode that killed somebody of the job.
#[derive(Clone, Debug)]
pub struct Kill {
    /// The episode.
    pub episode: Episode,
    /// The session that it is of.
    pub info: SessionInfo,
    /// That the victim was of the job is known; else it was in its cgroup, and who started it was not seen.
    pub sure: bool,
    /// Process ids of the job that were seen among those that could have died instead.
    pub relatives: Vec<i32>,
}

/// Whose limit it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// That of the cgroup that the command was started in.
    Own,
    /// That of a cgroup above it.
    Parent,
    /// That of a cgroup below it.
    Within,
    /// No cgroup's: the whole machine was out of memory.
    Machine,
    /// A cgroup's above those that can be seen, or the machine's.
    Beyond,
    /// Not known.
    #[default]
    Unknown,
}

impl Whose {
    /// The word for it in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Parent => "parent",
            Self::Within => "within",
            Self::Machine => "machine",
            Self::Beyond => "beyond",
            Self::Unknown => "unknown",
        }
    }
}

impl Job {
    /// Kills that the counters of its cgroup have and no episode tells of.
    #[must_use]
    pub fn untold(&self) -> u64 {
        let told = self.kills.iter().map(|kill| kill.episode.victims.len() as u64).sum();
        self.counted.as_ref().map_or(0, |counted| counted.kills).saturating_sub(told)
    }

    /// Whether there is an OOM kill to tell of.
    #[must_use]
    pub fn was_hit(&self) -> bool {
        !self.kills.is_empty() || self.counted.as_ref().is_some_and(|counted| counted.kills > 0)
    }

    /// The command itself was ended by SIGKILL, or says that a child of its was.
    #[must_use]
    pub fn says_killed(&self) -> bool {
        const SIGKILL: i32 = 9;
        self.signal == Some(SIGKILL) || self.code == Some(128 + SIGKILL)
    }
}

impl Home {
    /// Where the cgroup of the job is, if this one lies in it: the path of whoever started the job.
    fn starter<'a>(&self, cgroup: &'a str) -> Option<&'a str> {
        let made = self.made.as_deref()?;
        let at = cgroup.match_indices(made).find(|(at, _)| {
            let end = cgroup.as_bytes().get(at + made.len());
            *at > 0 && cgroup.as_bytes().get(at - 1) == Some(&b'/') && matches!(end, None | Some(b'/'))
        });
        at.map(|(at, _)| if at == 1 { "/" } else { &cgroup[..at - 1] })
    }

    /// Whether a cgroup is the one that was made for the job, or below it.
    #[must_use]
    pub fn made_holds(&self, cgroup: &Name) -> bool {
        self.starter(&cgroup.to_string()).is_some()
    }

    /// Whether a cgroup is the one that the job shares with others, or below it. Never of the root, which has all.
    #[must_use]
    pub fn shared_holds(&self, cgroup: &Name) -> bool {
        let own = self.path.as_deref().filter(|path| *path != "/");
        own.is_some_and(|own| is_within(&cgroup.to_string(), own))
    }

    /// Whose limit was met when one of the job died.
    #[must_use]
    pub fn whose(&self, episode: &Episode, victim: &Person) -> Whose {
        match episode.scope {
            Some(Scope::Global) => return Whose::Machine,
            Some(Scope::Memcg) => {}
            None => return Whose::Unknown,
        }
        let limiting = episode.memcg.iter().find(|level| level.limiting);
        let Some(limiting) = limiting.and_then(|level| level.path.as_ref()).map(ToString::to_string) else {
            return Whose::Unknown;
        };
        let cgroup = victim.cgroup.as_ref().map(ToString::to_string);
        let starter = cgroup.as_deref().and_then(|cgroup| self.starter(cgroup).or(Some(cgroup)));
        match (self.path.as_deref(), starter) {
            (Some(own), _) | (None, Some(own)) if limiting == own => Whose::Own,
            (Some(own), _) | (None, Some(own)) if is_within(&limiting, own) => Whose::Within,
            (Some(own), _) | (None, Some(own)) if is_within(own, &limiting) => Whose::Parent,
            // The job's process had moved to another cgroup.
            (Some(_), Some(home)) if is_within(home, &limiting) => Whose::Within,
            _ => Whose::Unknown,
        }
    }
}

fn is_within(cgroup: &str, of: &str) -> bool {
    of == "/" || cgroup.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Kill {
    /// The victims of the job: the first is the chosen one, where it is of the job.
    pub fn victims(&self) -> impl Iterator<Item = &Person> {
        self.episode.victims.iter().map(|victim| &victim.task)
    }
}

/// What would have spared the one that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spared {
    /// The highest `oom_score_adj` that would have.
    pub adj: i16,
    /// Who would have died instead; `None`: nobody could have.
    pub instead: Option<i32>,
}

/// The `oom_score_adj` that would have spared the chosen one; `None` when that cannot be told, or no value would have.
#[must_use]
pub fn spared(explanation: &Explanation<'_>) -> Option<Spared> {
    let chosen = explanation.chosen?;
    if !explanation.basis.compares_points() {
        return None;
    }
    let row = explanation.top.iter().find(|row| row.candidate.task.pid == chosen.task.pid)?;
    match row.turn {
        Turn::Spared { at, instead } => Some(Spared { adj: at, instead }),
        Turn::Chosen { .. } | Turn::InGroup | Turn::Never | Turn::Unknown => None,
    }
}

/// The limit that was met, or what was used where that is more, and the highest limit that would have made a difference, pages:
/// it takes more than the first. `None` when a higher limit would have changed nothing, or none was met.
#[must_use]
pub fn limit_needed(explanation: &Explanation<'_>) -> Option<(u64, Option<u64>)> {
    let limits = explanation.limits.as_ref()?;
    let limiting = limits.limiting?;
    let met = limiting.usage_pages.max(limiting.max_pages)?;
    match limits.next {
        Next::Ancestor { useful_max_pages, .. } if useful_max_pages <= met => None,
        Next::Ancestor { useful_max_pages, .. } => Some((met, Some(useful_max_pages))),
        Next::Machine | Next::Unknown => Some((met, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::episode::MemcgLimit;

    fn home(path: Option<&str>, made: Option<&str>) -> Home {
        Home { path: path.map(str::to_owned), shown: "/".to_owned(), made: made.map(str::to_owned) }
    }

    fn whose(home: &Home, limiting: &str, cgroup: &str) -> Whose {
        let info = crate::made_up::info();
        let mut episode = crate::made_up::assemble(&info, &crate::made_up::one_kill()).remove(0);
        episode.scope = Some(Scope::Memcg);
        episode.memcg =
            vec![MemcgLimit { path: Some(Name::from(limiting)), limiting: true, ..MemcgLimit::default() }];
        let mut victim = episode.victims[0].task.clone();
        victim.cgroup = Some(Name::from(cgroup));
        home.whose(&episode, &victim)
    }

    #[test]
    fn whose_limit_it_was_is_told_from_where_the_command_was_started() {
        let shared = home(Some("/ci/job"), None);
        for (limiting, cgroup, expected) in [
            ("/ci/job", "/ci/job", Whose::Own),
            ("/ci/job", "/ci/job/step", Whose::Own),
            ("/ci/job/step", "/ci/job/step", Whose::Within),
            ("/ci", "/ci/job", Whose::Parent),
            ("/docker/x", "/docker/x", Whose::Within),
            ("/ci/jobs", "/ci/job", Whose::Unknown),
        ] {
            assert_eq!(whose(&shared, limiting, cgroup), expected, "{limiting} {cgroup}");
        }
        // The cgroup that was made for the job is its starter's for whoever asks.
        let made = home(Some("/ci"), Some("oomtrace-run-7"));
        assert_eq!(whose(&made, "/ci", "/ci/oomtrace-run-7"), Whose::Own);
        assert_eq!(whose(&made, "/ci/oomtrace-run-7/x", "/ci/oomtrace-run-7/x"), Whose::Within);
        let unknown = home(None, Some("oomtrace-run-7"));
        assert_eq!(whose(&unknown, "/pod/ctr", "/pod/ctr/oomtrace-run-7"), Whose::Own);
        assert_eq!(whose(&unknown, "/pod", "/pod/ctr/oomtrace-run-7"), Whose::Parent);
        assert_eq!(whose(&home(None, None), "/pod", "/pod/ctr"), Whose::Parent);
    }

    #[test]
    fn cgroups_of_the_job() {
        let made = home(Some("/"), Some("oomtrace-run-7"));
        for (cgroup, holds) in [
            ("/oomtrace-run-7", true),
            ("/oomtrace-run-7/a", true),
            ("/a/oomtrace-run-7", true),
            ("/oomtrace-run-77", false),
            ("/xoomtrace-run-7", false),
            ("/", false),
        ] {
            assert_eq!(made.made_holds(&Name::from(cgroup)), holds, "{cgroup}");
        }
        assert!(!made.shared_holds(&Name::from("/x")), "the root is everybody's");
        assert!(home(Some("/x"), None).shared_holds(&Name::from("/x/y")));
        assert!(!home(Some("/x"), None).shared_holds(&Name::from("/xy")));
    }
}
