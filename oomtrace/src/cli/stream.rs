//! Several recordings through pipelines, one after the other, into one sink.

use crate::exit::Exit;
use crate::filter::Filter;
use crate::pipeline::{Pipeline, Summary};
use crate::sink::{FanOut, Several, Sink, Totals};

use super::recordings::Recordings;
use super::replay::{self, Pace};
use super::say;

/// What comes out of recordings.
pub(super) struct Wanted {
    pub(super) filter: Filter,
    /// Episodes to show before it ends.
    pub(super) count: Option<u64>,
    pub(super) pace: Pace,
    /// Is given everything too, and shows nothing on stdout.
    pub(super) also: Vec<(&'static str, Box<dyn Sink + Send>)>,
    /// Is told the name of each recording before it is shown.
    pub(super) opening: Box<dyn FnMut(&str)>,
}

impl Wanted {
    /// Whatever passes `filter`.
    pub(super) fn all(filter: Filter, pace: Pace) -> Self {
        Self { filter, count: None, pace, also: Vec::new(), opening: Box::new(|_| {}) }
    }
}

/// Shows `recordings` in `sink`, whose `name` is for messages. Returns what all come to, and how that ends the program.
///
/// # Errors
///
/// The only one cannot be opened.
pub(super) fn show(
    mut recordings: Recordings,
    name: &'static str,
    sink: Box<dyn Sink + Send>,
    wanted: Wanted,
) -> anyhow::Result<(Summary, Exit)> {
    let Wanted { filter, count, mut pace, also, mut opening } = wanted;
    let sink = Several::new(sink);
    let also: Vec<_> = also.into_iter().map(|(name, sink)| (name, Several::new(sink))).collect();
    let mut all = Summary {
        totals: Totals::default(),
        left_out: None,
        undelivered: None,
        failed: false,
        pipe_closed: false,
    };
    let (mut shown, mut exit) = (0, Exit::Done);
    while let Some(mut input) = recordings.next()? {
        opening(&input.name);
        let mut sinks = FanOut::default();
        sinks.add(name, Box::new(sink.clone()));
        let left = count.map(|count: u64| count.saturating_sub(shown));
        let mut pipeline = Pipeline::new(sinks, filter.clone(), |message| say(&message)).stop_after(left);
        for (name, also) in &also {
            pipeline = pipeline.also_to(name, Box::new(also.clone()));
        }
        let (summary, whole) = replay::drive(&mut input, pipeline, &mut pace);
        shown += summary.totals.episodes;
        all.failed |= summary.failed;
        all.pipe_closed |= summary.pipe_closed;
        exit = exit.max(summary.exit());
        if !whole || summary.failed || summary.pipe_closed {
            break;
        }
        exit = exit.max(input.verdict());
        recordings.done(input);
    }
    for (name, also) in also {
        if let Err(error) = also.finish() {
            say(&format!("cannot write {name}: {error}"));
            all.failed = true;
        }
    }
    match sink.finish() {
        Ok(totals) => all.totals = totals.unwrap_or_default(),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => all.pipe_closed = true,
        Err(_) if all.failed => {}
        Err(error) => {
            say(&format!("cannot write {name}: {error}"));
            all.failed = true;
        }
    }
    if all.failed {
        return Ok((all, Exit::Failed));
    }
    if all.pipe_closed {
        return Ok((all, Exit::Done));
    }
    Ok((all, exit.max(recordings.exit())))
}
