//! `oomtrace diff`: two episodes of recordings, and what grew from one to the other.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::exit::{Exit, Usage};
use crate::explain::diff::{Side, diff};
use crate::filter::{Filter, Which};
use crate::model::{Episode, SessionInfo, ShortId};
use crate::sink::{Sink, Totals, json, terminal};

use super::args::{Color, DiffArgs};
use super::output;
use super::recordings::Recordings;
use super::replay::Pace;
use super::stream::{self, Wanted};

/// Runs the command.
pub(super) fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    let recordings = Recordings::of(&args.files)?;
    let name = recordings.name();
    let found = Arc::new(Mutex::new(Found::default()));
    let wanted = [args.before.clone(), args.after.clone()];
    let filter = Filter { episodes: wanted.to_vec(), ..Filter::default() };
    let finder = Box::new(Finder(Arc::clone(&found)));
    let (_, exit) = stream::show(recordings, "the episodes", finder, Wanted::all(filter, Pace::max()))?;
    let found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    let difference = diff(found.one(&wanted[0], &name)?, found.one(&wanted[1], &name)?);
    let mut out = io::stdout().lock();
    if args.json {
        out.write_all(&json::difference(&difference).map_err(io::Error::from)?)?;
        writeln!(out)?;
    } else {
        let options = output::text_options(Color::Never, false);
        out.write_all(terminal::difference(&difference, options).as_bytes())?;
    }
    out.flush()?;
    Ok(exit)
}

/// The episodes that one of the two may be.
#[derive(Default)]
struct Found {
    info: Option<SessionInfo>,
    episodes: Vec<(Episode, SessionInfo)>,
}

struct Finder(Arc<Mutex<Found>>);

impl Sink for Finder {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).info = Some(info.clone());
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(info) = found.info.clone() {
            found.episodes.push((episode.clone(), info));
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}

impl Found {
    fn one(&self, wanted: &Which, name: &str) -> anyhow::Result<Side<'_>> {
        let id = |(episode, info): &(Episode, SessionInfo)| ShortId::of(episode, info);
        let mut fitting = self.episodes.iter().filter(|it| wanted.is(it.0.id, id(it)));
        let Some(first) = fitting.next() else {
            let text = format!("{name}: there is no episode {wanted}; `oomtrace list` tells which there are");
            return Err(Usage(text).into());
        };
        match fitting.find(|it| id(it) != id(first)) {
            None => Ok(Side { episode: &first.0, info: &first.1 }),
            Some(other) => {
                let (first, other) = (id(first), id(other));
                Err(Usage(format!("{name}: which episode is {wanted}? {first} and {other} both are")).into())
            }
        }
    }
}
