//! Drives one session from observations to everything that is made of them: the recording, the episodes, the sinks, the
//! totals. Live and replay use it alike; it knows neither a source nor a clock.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use crate::assemble::{Adjustments, Assembler};
use crate::exit::Exit;
use crate::filter::Filter;
use crate::ledger::Keeper;
use crate::model::observation::{Chosen, Lost};
use crate::model::{Episode, Observation, SessionEnd, SessionInfo};
use crate::session::{Compression, Writer};
use crate::sink::{Failure, FanOut, Totals};

/// Where observations are written to, and its name for messages.
#[derive(Debug)]
struct Recorder {
    name: String,
    target: Option<File>,
    compression: Compression,
    writer: Option<Writer<File>>,
    /// Adjustments that are recorded when anything else is. A machine that adjusts every process that it starts writes a lot of
    /// them between two OOMs, and few are remembered.
    held: Adjustments,
}

impl Recorder {
    /// Records an observation, after what was held back.
    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        if let Observation::AdjUpdated(update) = observation {
            self.held.learn(update);
            return Ok(());
        }
        self.let_go()?;
        self.writer.as_mut().map_or(Ok(()), |writer| writer.observation(observation))
    }

    /// Records what was held back.
    fn let_go(&mut self) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.held.take().try_for_each(|update| writer.observation(&Observation::AdjUpdated(update)))
    }
}

/// One session on its way.
pub struct Pipeline {
    sinks: FanOut,
    filter: Filter,
    /// The head that is in force.
    info: Option<SessionInfo>,
    /// Episodes to show before the session is ended.
    count: Option<u64>,
    recorder: Option<Recorder>,
    assembler: Option<Assembler>,
    keeper: Option<Keeper>,
    /// The ledger's keeper as it goes on after the observation that ended the capture.
    keeper_after: Option<Keeper>,
    /// Takes messages for the user. Whoever built the pipeline decides where they go.
    report: Box<dyn FnMut(String) + Send>,
    /// Episodes that were completed, shown or not.
    completed: u64,
    totals: Totals,
    /// Losses of the completed episodes; used when the session has no end.
    lost: Lost,
    reached_count: bool,
    failed: bool,
    pipe_closed: bool,
}

/// What a session came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// As given to the sinks.
    pub totals: Totals,
    /// Something could not be written.
    pub failed: bool,
    /// The reader of the output has gone away; the session may have been ended early because of it.
    pub pipe_closed: bool,
}

impl Summary {
    /// How the program ends after it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.failed {
            Exit::Failed
        } else if self.pipe_closed {
            Exit::Done
        } else if self.totals.lost.any() || !self.totals.complete {
            Exit::Lossy
        } else {
            Exit::Done
        }
    }
}

impl Pipeline {
    /// Shows episodes that pass `filter` in `sinks`; messages for the user go to `report`.
    pub fn new(sinks: FanOut, filter: Filter, report: impl FnMut(String) + Send + 'static) -> Self {
        Self {
            sinks,
            filter,
            info: None,
            count: None,
            recorder: None,
            assembler: None,
            keeper: None,
            keeper_after: None,
            report: Box::new(report),
            completed: 0,
            totals: Totals::default(),
            lost: Lost::default(),
            reached_count: false,
            failed: false,
            pipe_closed: false,
        }
    }

    /// Ends the session when `count` episodes have been shown. Episodes that are completed by the same observation are
    /// shown together, so that it can be a few more.
    #[must_use]
    pub fn stop_after(mut self, count: Option<u64>) -> Self {
        self.count = count;
        self
    }

    /// Records to `target`, an open file or pipe; `name` says in messages what it is.
    #[must_use]
    pub fn record_to(mut self, target: File, name: impl Into<String>, compression: Compression) -> Self {
        self.recorder = Some(Recorder {
            name: name.into(),
            target: Some(target),
            compression,
            writer: None,
            held: Adjustments::default(),
        });
        self
    }

    /// The session begins. To be called once, first. Break: there is nobody left to write for.
    pub fn start(&mut self, info: &SessionInfo) -> ControlFlow<()> {
        self.assembler = Some(Assembler::new(info));
        self.keeper = Some(Keeper::new(info));
        self.info = Some(info.clone());
        self.recording(|recorder| {
            if let Some(target) = recorder.target.take() {
                recorder.writer = Some(Writer::start(target, info, recorder.compression)?);
            }
            Ok(())
        });
        let failures = self.sinks.start(info);
        self.note(failures);
        self.flow()
    }

    /// The next observation. Break: the wanted number of episodes has been shown, or there is nobody left to write for;
    /// the source should end the session.
    pub fn push(&mut self, observation: Observation) -> ControlFlow<()> {
        self.recording(|recorder| recorder.observation(&observation));
        if let Some(keeper) = &mut self.keeper {
            keeper.observation(&observation);
        }
        // A kill is worth waiting for the disk; the aborted scans around it, dozens in a storm, are not. The recording is
        // safe before the episode is shown: what a person has seen is on disk.
        let killed =
            matches!(&observation, Observation::Closed(closed) if closed.chosen == Some(Chosen::Task));
        let origin = match &observation {
            Observation::Origin(info) => Some(info.clone()),
            _ => None,
        };
        let episodes =
            self.assembler.as_mut().map(|assembler| assembler.push(observation)).unwrap_or_default();
        let commit = !episodes.is_empty() || killed;
        if commit {
            self.recording(|recorder| recorder.writer.as_mut().map_or(Ok(()), Writer::commit));
        }
        for episode in &episodes {
            if let Some(keeper) = &mut self.keeper {
                keeper.episode(episode);
            }
            self.show(episode);
        }
        if let Some(info) = origin {
            let failures = self.sinks.origin(&info);
            self.note(failures);
            self.info = Some(*info);
        }
        self.flow()
    }

    /// An observation that comes after enough has been shown: it is neither recorded nor shown, and the ledger has to know of it.
    pub fn pass_by(&mut self, observation: &Observation) {
        if self.keeper_after.is_none() {
            self.keeper_after.clone_from(&self.keeper);
        }
        if let Some(keeper) = &mut self.keeper_after {
            keeper.observation(observation);
        }
    }

    /// When the source should send a [`Clock`](crate::model::observation::Clock), ns since boot, if nothing else happens
    /// before; `None` while no episode is unfinished.
    #[must_use]
    pub fn next_deadline_ns(&self) -> Option<u64> {
        self.assembler.as_ref().and_then(Assembler::next_deadline_ns)
    }

    /// The session ended: `end` is what its source says at the end; `None` when the recording was cut off, or was not read
    /// on after the wanted number of episodes. Shows what is unfinished (unless the wanted number of episodes ended it), writes the end of the recording and the totals.
    pub fn finish(mut self, end: Option<SessionEnd>) -> Summary {
        let end = end.map(|end| SessionEnd {
            completed: if self.reached_count { Some(self.completed) } else { end.completed },
            kills_left: self.kills_left(end.boot_ns).or(end.kills_left),
            ..end
        });
        let mut assembler = self.assembler.take();
        let mut open = assembler.as_mut().map(Assembler::finish).unwrap_or_default();
        if let Some(keeper) = &mut self.keeper {
            open.iter().for_each(|episode| keeper.episode(episode));
        }
        let wanted = match end.as_ref().and_then(|end| end.completed) {
            Some(completed) => completed.saturating_sub(self.completed),
            None if self.reached_count => 0,
            None => u64::MAX,
        };
        open.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        if let Some(end) = &end {
            self.recording(|recorder| {
                recorder.let_go()?;
                recorder.writer.take().map_or(Ok(()), |writer| writer.end(end).map(drop))
            });
        } else {
            self.recording(|recorder| recorder.writer.as_mut().map_or(Ok(()), Writer::commit));
        }
        for episode in &open {
            self.show(episode);
        }
        self.totals.complete = end.is_some() || self.reached_count;
        self.totals.boot_ns = end.as_ref().map(|end| end.boot_ns);
        self.totals.lost = end.as_ref().map_or(self.lost, |end| end.lost);
        if let Some(keeper) = self.keeper.take() {
            let path = |cgroup| assembler.as_mut().and_then(|assembler| assembler.cgroup_path(cgroup));
            self.totals.ledger = keeper.close(end.as_ref(), self.totals.lost, path);
        }
        self.totals.stats = end.and_then(|end| end.stats);
        let failures = self.sinks.end(&self.totals);
        self.note(failures);
        Summary { totals: self.totals, failed: self.failed, pipe_closed: self.pipe_closed }
    }

    /// Kills that the source saw after the observation that ended the capture.
    fn kills_left(&mut self, end_ns: u64) -> Option<u64> {
        let mut after = self.keeper_after.take()?;
        let kept = self.keeper.clone().map_or(0, |mut keeper| keeper.kills_until(end_ns));
        Some(after.kills_until(end_ns).saturating_sub(kept)).filter(|&left| left > 0)
    }

    fn show(&mut self, episode: &Episode) {
        self.completed += 1;
        self.lost.add(episode.lost);
        if self.info.as_ref().is_some_and(|info| !self.filter.shows(episode, info)) {
            self.totals.hidden += 1;
            return;
        }
        self.totals.episodes += 1;
        self.totals.victims += episode.victims.len() as u64;
        let failures = self.sinks.episode(episode);
        self.note(failures);
        if self.count.is_some_and(|count| self.totals.episodes >= count) {
            self.reached_count = true;
        }
    }

    /// Does something with the recording. A failure is told once, ends the recording, and leaves the rest alone.
    fn recording(&mut self, act: impl FnOnce(&mut Recorder) -> io::Result<()>) {
        let Some(recorder) = &mut self.recorder else { return };
        if let Err(error) = act(recorder) {
            if error.kind() == io::ErrorKind::BrokenPipe {
                self.pipe_closed = true;
            } else {
                self.failed = true;
                (self.report)(format!(
                    "{}: recording failed: {error}; what was written before stays readable",
                    recorder.name
                ));
            }
            self.recorder = None;
        }
    }

    fn note(&mut self, failures: Vec<Failure>) {
        for failure in failures {
            if failure.is_closed_pipe() {
                self.pipe_closed = true;
            } else {
                self.failed = true;
                (self.report)(failure.to_string());
            }
        }
    }

    fn flow(&self) -> ControlFlow<()> {
        let nobody_left =
            self.sinks.is_empty() && self.recorder.is_none() && (self.failed || self.pipe_closed);
        if self.reached_count || nobody_left { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests;
