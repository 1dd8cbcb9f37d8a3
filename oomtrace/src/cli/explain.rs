//! `oomtrace explain`: one episode of a recording, at length.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;

use crate::exit::{Exit, Usage};
use crate::explain::change::{ParseError, Who};
use crate::explain::explain;
use crate::explain::what_if::{self, Mistake};
use crate::filter::{Filter, Which};
use crate::model::episode::{Episode, Outcome, Person};
use crate::model::{Name, SessionInfo, ShortId};
use crate::sink::terminal::{self, text};
use crate::sink::{Sink, Totals, json};

use super::args::ExplainArgs;
use super::output;
use super::recordings::Recordings;
use super::replay::Pace;
use super::stream::{self, Wanted};

/// Episodes, and processes, that a message lists.
const LISTED: usize = 20;

/// Runs the command.
pub(super) fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let recordings = Recordings::of(std::slice::from_ref(&args.file))?;
    let name = recordings.name();
    let found = Arc::new(Mutex::new(Found { wanted: args.episode.clone(), ..Found::default() }));
    let finder = Box::new(Finder(Arc::clone(&found)));
    let wanted = Wanted::all(Filter::default(), Pace::max());
    let (_, exit) = stream::show(recordings, "the episode", finder, wanted)?;
    let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    let (episode, info) = found.episode(&name)?;
    let info = &*info;
    let mut changes = Vec::with_capacity(args.what_if.len());
    for text in &args.what_if {
        changes.push(text.parse().map_err(|error| Usage(unreadable(&error, &episode, info)))?);
    }
    let explanation =
        explain(&episode, info, &changes).map_err(|mistake| Usage(mistaken(&mistake, &episode, info)))?;
    let mut out = io::stdout().lock();
    if args.json {
        out.write_all(&json::explanation(&explanation).map_err(io::Error::from)?)?;
        writeln!(out)?;
    } else {
        let options = output::text_options(args.color, false);
        out.write_all(terminal::explanation(&explanation, options).as_bytes())?;
    }
    out.flush()?;
    Ok(exit)
}

/// The episode to explain, and what else there is.
#[derive(Default)]
struct Found {
    /// The one that was asked for.
    wanted: Option<Which>,
    /// With the head that was in force.
    episode: Option<(Episode, Box<SessionInfo>)>,
    /// Those that are what was asked for.
    ids: BTreeSet<ShortId>,
    /// Number, id, outcome and victim of the first ones.
    listed: Vec<(u64, ShortId, Outcome, Option<Person>)>,
    /// The head that is in force.
    info: Option<Box<SessionInfo>>,
    /// How many there are.
    count: u64,
    /// How many killed somebody.
    kills: u64,
}

struct Finder(Arc<Mutex<Found>>);

impl Sink for Finder {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).info = Some(Box::new(info.clone()));
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(info) = found.info.clone() else { return Ok(()) };
        let id = ShortId::of(episode, &info);
        found.count += 1;
        if found.listed.len() < LISTED {
            let victim = episode.victims.first().map(|victim| victim.task.clone());
            found.listed.push((episode.id, id, episode.outcome, victim));
        }
        let killed = matches!(episode.outcome, Outcome::Killed | Outcome::GroupKilled);
        found.kills += u64::from(killed);
        let take = match &found.wanted {
            Some(wanted) => wanted.is(episode.id, id),
            // Episodes come in the order in which they are over.
            None if killed => {
                let before = found.episode.as_ref();
                found.kills == 1
                    || before.is_none_or(|(other, of)| entered(other, of) <= entered(episode, &info))
            }
            None => found.count == 1,
        };
        if take {
            found.ids.insert(id);
            found.episode = Some((episode.clone(), info));
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}

/// What orders episodes: the time, where it is known, and the number.
fn entered(episode: &Episode, info: &SessionInfo) -> (Option<i128>, u64) {
    (episode.opened_ns.and_then(|ns| info.unix_ns(ns)), episode.id)
}

impl Found {
    fn episode(self, name: &str) -> anyhow::Result<(Episode, Box<SessionInfo>)> {
        let list = self.list();
        if self.wanted.is_some() && self.ids.len() > 1 {
            let ids: Vec<String> = self.ids.iter().take(LISTED).map(ToString::to_string).collect();
            return Err(Usage(format!("{name}: which one? There are {}", ids.join(", "))).into());
        }
        match (self.episode, self.wanted) {
            _ if self.count == 0 => Err(anyhow!("{name}: there is no episode in it")),
            (Some(episode), Some(_)) => Ok(episode),
            (_, Some(wanted)) => {
                Err(Usage(format!("{name}: there is no episode {wanted}; there are:\n{list}")).into())
            }
            (Some(episode), None) if self.kills > 0 || self.count == 1 => Ok(episode),
            _ => Err(Usage(format!("{name}: nobody was killed; which episode? There are:\n{list}")).into()),
        }
    }

    fn list(&self) -> String {
        let mut lines: Vec<String> = self
            .listed
            .iter()
            .map(|(number, id, outcome, victim)| {
                let victim =
                    victim.as_ref().map_or_else(String::new, |victim| format!("  {}", text::task(victim)));
                format!("  {number}  {id}  {}{victim}", outcome_words(*outcome))
            })
            .collect();
        let more = self.count.saturating_sub(self.listed.len() as u64);
        if more > 0 {
            lines.push(format!("  … {} more", text::grouped(more.into())));
        }
        lines.join("\n")
    }
}

fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Killed => "killed",
        Outcome::GroupKilled => "group killed",
        Outcome::AlreadyExiting => "already exiting",
        Outcome::Freed => "freed",
        Outcome::NoneKillable => "none killable",
        Outcome::Skipped => "skipped",
        Outcome::Incomplete => "incomplete",
    }
}

/// A change that is none, with what could be changed.
fn unreadable(error: &ParseError, episode: &Episode, info: &SessionInfo) -> String {
    let number = episode.id;
    match error {
        ParseError::Size(..) => match met_limit(episode, info) {
            Some((whose, bytes)) => {
                format!("--what-if {error}; in episode {number} {whose} was {}", text::size(bytes))
            }
            None => format!("--what-if {error}"),
        },
        ParseError::Form(_) | ParseError::Adj(..) => {
            let among = what_if::people(episode, info);
            if among.is_empty() {
                return format!("--what-if {error}");
            }
            format!("--what-if {error}; the processes of episode {number}:\n{}", list(&among, info))
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

fn mistaken(mistake: &Mistake<'_>, episode: &Episode, info: &SessionInfo) -> String {
    let number = episode.id;
    match mistake {
        Mistake::NoSuch { who, among } if among.is_empty() => {
            format!("--what-if: no {} in episode {number}: it has no candidates", asked(who))
        }
        Mistake::NoSuch { who, among } => format!(
            "--what-if: no {} among the processes of episode {number}, which are:\n{}",
            asked(who),
            list(among, info)
        ),
        Mistake::NoLimitMet => format!(
            "--what-if limit=: episode {number} was asked for by hand (sysrq-f), no limit was met; adj: and kill: can be \
             supposed"
        ),
        Mistake::TwoLimits => "--what-if limit=: can be given once".to_owned(),
        Mistake::LimitUnknown => format!(
            "--what-if limit=: which limit was met in episode {number}, if any, is not known; adj: and kill: can be \
             supposed"
        ),
    }
}

/// Processes, the biggest first: name, memory, adjustment.
fn list(among: &[(&Person, Option<i64>)], info: &SessionInfo) -> String {
    let shown = among.iter().take(LISTED);
    let mut lines: Vec<String> = shown
        .map(|(person, pages)| {
            let mut line = format!("  {}", text::task(person));
            if let Some(pages) = pages.and_then(|pages| u64::try_from(pages).ok()) {
                line.push_str(&format!("  {}", text::size(info.bytes(pages))));
            }
            if let Some(adj) = person.oom_score_adj {
                line.push_str(&format!(", oom_score_adj {adj}"));
            }
            line
        })
        .collect();
    let more = among.len().saturating_sub(LISTED);
    if more > 0 {
        lines.push(format!("  … {} more", text::grouped(i128::try_from(more).unwrap_or(i128::MAX))));
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
