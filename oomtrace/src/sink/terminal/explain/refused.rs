//! Why something cannot be supposed, and what could be.

use crate::explain::change::{ParseError, Who};
use crate::explain::what_if::{self, Mistake};
use crate::model::episode::{Episode, Person};
use crate::model::{Name, SessionInfo};
use crate::sink::terminal::words;

/// Processes that are listed.
const LISTED: usize = 20;

/// A change that is none, with what could be changed; `option` says where it was asked for.
#[must_use]
pub fn unreadable(option: &str, error: &ParseError, episode: &Episode, info: &SessionInfo) -> String {
    let number = episode.id;
    match error {
        ParseError::Size(..) => match met_limit(episode, info) {
            Some((whose, bytes)) => {
                format!("{option} {error}; in episode {number} {whose} was {}", words::size(bytes))
            }
            None => format!("{option} {error}"),
        },
        ParseError::Form(_) | ParseError::Adj(..) => {
            let among = what_if::people(episode, info);
            if among.is_empty() {
                return format!("{option} {error}");
            }
            format!("{option} {error}; the processes of episode {number}:\n{}", list(&among, info))
        }
    }
}

/// Whose limit was met, and how high it was, bytes.
fn met_limit(episode: &Episode, info: &SessionInfo) -> Option<(String, u64)> {
    let bytes = info.bytes(what_if::met_limit(episode)?);
    let level = episode.memcg.iter().find(|level| level.limiting);
    Some(match level.and_then(|level| level.path.as_ref()) {
        Some(path) => (format!("the limit of {path}"), bytes),
        None if level.is_some() => ("the limit".to_owned(), bytes),
        None => ("what the machine had, swap included,".to_owned(), bytes),
    })
}

/// A change that cannot be supposed of this episode; `option` says where it was asked for.
#[must_use]
pub fn mistaken(option: &str, mistake: &Mistake<'_>, episode: &Episode, info: &SessionInfo) -> String {
    let number = episode.id;
    match mistake {
        Mistake::NoSuch { who, among } if among.is_empty() => {
            format!("{option}: no {} in episode {number}: it has no candidates", asked(who))
        }
        Mistake::NoSuch { who, among } => format!(
            "{option}: no {} among the processes of episode {number}, which are:\n{}",
            asked(who),
            list(among, info)
        ),
        Mistake::NoLimitMet => format!(
            "{option} limit=: episode {number} was asked for by hand (sysrq-f), no limit was met; adj: and kill: can be \
             supposed"
        ),
        Mistake::TwoLimits => format!("{option} limit=: can be given once"),
        Mistake::LimitUnknown => format!(
            "{option} limit=: which limit was met in episode {number}, if any, is not known; adj: and kill: can be \
             supposed"
        ),
    }
}

/// Processes, the biggest first: name, memory, adjustment.
fn list(among: &[(&Person, Option<i64>)], info: &SessionInfo) -> String {
    let shown = among.iter().take(LISTED);
    let mut lines: Vec<String> = shown
        .map(|(person, pages)| {
            let mut line = format!("  {}", words::task(person));
            if let Some(pages) = pages.and_then(|pages| u64::try_from(pages).ok()) {
                line.push_str(&format!("  {}", words::size(info.bytes(pages))));
            }
            if let Some(adj) = person.oom_score_adj {
                line.push_str(&format!(", oom_score_adj {adj}"));
            }
            line
        })
        .collect();
    let more = among.len().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("  … {} more", words::grouped(i128::try_from(more).unwrap_or(i128::MAX))));
    }
    lines.join("\n")
}

fn asked(who: &Who) -> String {
    match who {
        Who::Pid(pid) => format!("process {pid}"),
        Who::Name(name) if name.contains(['*', '?']) => {
            format!("process whose name matches `{}`", Name::from(name.as_str()))
        }
        Who::Name(name) => format!("process of the name `{}`", Name::from(name.as_str())),
    }
}
