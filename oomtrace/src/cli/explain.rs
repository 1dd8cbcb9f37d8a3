//! `oomtrace explain`: one episode of a recording, at length.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;

use crate::exit::{Exit, Usage};
use crate::explain::explain;
use crate::filter::{Filter, Which};
use crate::model::episode::{Episode, Outcome, Person};
use crate::model::{SessionInfo, ShortId};
use crate::sink::terminal::{self, text};
use crate::sink::{Sink, Totals, json};

use super::args::ExplainArgs;
use super::output;
use super::recordings::Recordings;
use super::replay::Pace;
use super::stream::{self, Wanted};

/// Episodes that a message lists.
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
        changes.push(
            text.parse().map_err(|error| Usage(terminal::unreadable("--what-if", &error, &episode, info)))?,
        );
    }
    let explanation = explain(&episode, info, &changes)
        .map_err(|mistake| Usage(terminal::mistaken("--what-if", &mistake, &episode, info)))?;
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
