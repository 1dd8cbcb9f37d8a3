//! Drives one session from observations to everything that is made of them: the recording, the episodes, the sinks, the
//! totals. Live and replay use it alike; it knows neither a source nor a clock.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::assemble::Assembler;
use crate::exit::Exit;
use crate::filter::Filter;
use crate::ledger::Keeper;
use crate::model::observation::{Chosen, Lost};
use crate::model::{Episode, Observation, SessionEnd, SessionInfo};
use crate::record::{self, Extent, Recorder, Report, Target};
use crate::sink::{Failure, FanOut, Sink, Totals};

/// How long what is shown waits for being in the recording. A target that is slower is not waited for until it has caught up: the
/// ring is emptied first of all.
const SHOWN_WAITS: Duration = Duration::from_millis(250);

/// What is to be recorded to, until the session begins.
struct Recording {
    target: Box<dyn Target>,
    options: record::Options,
}

/// What was told in earlier files of the same session.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    lost: Lost,
    completed: u64,
}

/// How long the end of a session waits to hear which file it is the end of. Not hearing it, it tells of both.
const TURN_AT_MOST: Duration = Duration::from_secs(2);

/// One session on its way.
pub struct Pipeline {
    sinks: FanOut,
    /// Those that nobody looks at while they are written: neither is a recording waited for because of them, nor does the session go on
    /// for them alone.
    quiet: FanOut,
    filter: Filter,
    /// The head that is in force.
    info: Option<SessionInfo>,
    /// Episodes to show before the session is ended.
    count: Option<u64>,
    recording: Option<Recording>,
    recorder: Option<Recorder>,
    /// Another process that gets all observations, and how long the end waits for it.
    courier: Option<(Recording, Duration)>,
    courier_recorder: Option<(Recorder, Duration)>,
    /// Every pass is committed when it has returned.
    commit_always: bool,
    assembler: Option<Assembler>,
    keeper: Option<Keeper>,
    /// The ledger's keeper as it goes on after the observation that ended the capture.
    keeper_after: Option<Keeper>,
    /// Takes messages for the user. Whoever built the pipeline decides where they go.
    report: Report,
    /// Episodes that were completed, shown or not.
    completed: u64,
    totals: Totals,
    /// Losses of the completed episodes; used when the session has no end.
    lost: Lost,
    /// What the files before this one of the recording have.
    before_this_file: Before,
    /// The same of the next file, while the writer has it.
    turning: Option<Before>,
    reached_count: bool,
    failed: bool,
    pipe_closed: bool,
}

/// What a session came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// As given to the sinks.
    pub totals: Totals,
    /// What the recording had no room for.
    pub left_out: Option<Extent>,
    /// What the other process that gets all observations did not take in time.
    pub undelivered: Option<Extent>,
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
        } else if self.totals.lost.any()
            || !self.totals.complete
            || self.totals.gaps > 0
            || self.left_out.is_some()
            || self.undelivered.is_some()
        {
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
            quiet: FanOut::default(),
            filter,
            info: None,
            count: None,
            recording: None,
            recorder: None,
            courier: None,
            courier_recorder: None,
            commit_always: false,
            assembler: None,
            keeper: None,
            keeper_after: None,
            report: Report::new(report),
            completed: 0,
            totals: Totals::default(),
            lost: Lost::default(),
            before_this_file: Before::default(),
            turning: None,
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

    /// Gives everything to `sink` too, which is no place that anybody looks at for what is shown: numbers, notifications.
    #[must_use]
    pub fn also_to(mut self, name: &'static str, sink: Box<dyn Sink + Send>) -> Self {
        self.quiet.add(name, sink);
        self
    }

    /// Records to `target`.
    #[must_use]
    pub fn record_to(mut self, target: impl Target + 'static, options: record::Options) -> Self {
        self.commit_always = options.sync == record::Sync::Always;
        self.recording = Some(Recording { target: Box::new(target), options });
        self
    }

    /// Gives all observations to `target` too, for another process. What it does not take is left out and counted; at the end it is
    /// waited for no longer than `most`.
    #[must_use]
    pub fn hand_to(
        mut self,
        target: impl Target + 'static,
        options: record::Options,
        most: Duration,
    ) -> Self {
        self.courier = Some((Recording { target: Box::new(target), options }, most));
        self
    }

    /// The session begins. To be called once, first. Break: there is nobody left to write for.
    pub fn start(&mut self, info: &SessionInfo) -> ControlFlow<()> {
        self.assembler = Some(Assembler::new(info));
        self.keeper = Some(Keeper::new(info));
        self.info = Some(info.clone());
        if let Some(Recording { target, options }) = self.recording.take() {
            let name = target.name().to_owned();
            match Recorder::start(target, info, options, self.report.clone()) {
                Ok(recorder) => self.recorder = Some(recorder),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.pipe_closed = true,
                Err(error) => {
                    self.failed = true;
                    self.report.say(format!("{name}: recording failed: {error}"));
                }
            }
        }
        if let Some((Recording { target, options }, most)) = self.courier.take() {
            match Recorder::start(target, info, options, self.report.clone()) {
                Ok(courier) => self.courier_recorder = Some((courier, most)),
                Err(error) => self.courier_gone(&error.to_string()),
            }
        }
        self.tell(|sinks| sinks.start(info));
        self.flow()
    }

    /// The next observation. Break: the wanted number of episodes has been shown, or there is nobody left to write for;
    /// the source should end the session.
    pub fn push(&mut self, observation: Observation) -> ControlFlow<()> {
        if let Some(recorder) = &mut self.recorder {
            recorder.observation(&observation);
        }
        self.give_up();
        if let Some((courier, _)) = &mut self.courier_recorder {
            courier.observation(&observation);
            if courier.is_over() {
                self.courier_recorder = None;
                self.courier_gone("it has ended");
            }
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.observation(&observation);
        }
        if let Observation::Samples(samples) = &observation {
            self.totals.samples.count(samples);
        }
        // A kill is worth a write to the disk; the aborted scans around it, dozens in a storm, are not.
        let wanted = match &observation {
            Observation::Closed(closed) => closed.chosen == Some(Chosen::Task) || self.commit_always,
            _ => false,
        };
        let origin = match &observation {
            Observation::Origin(info) => Some(info.clone()),
            _ => None,
        };
        let gap = match &observation {
            Observation::Gap(gap) => Some(gap.clone()),
            _ => None,
        };
        let episodes =
            self.assembler.as_mut().map(|assembler| assembler.push(observation)).unwrap_or_default();
        if wanted || !episodes.is_empty() {
            self.commit(!episodes.is_empty());
        }
        for episode in &episodes {
            if let Some(keeper) = &mut self.keeper {
                keeper.episode(episode);
            }
            self.show(episode);
        }
        if let Some(gap) = gap {
            self.totals.gaps += 1;
            self.tell(|sinks| sinks.gap(&gap));
        }
        if let Some(info) = origin {
            self.tell(|sinks| sinks.origin(&info));
            self.info = Some(*info);
        }
        self.flow()
    }

    /// Whether anybody wants to know what is lost before the session ends.
    #[must_use]
    pub fn wants_losses(&self) -> bool {
        !self.quiet.is_empty()
    }

    /// The session has lost this much until now.
    pub fn losses(&mut self, lost: &Lost) {
        let failures = self.quiet.lost(lost);
        self.note(failures);
    }

    /// Episodes that have been shown, and whether anything of them was lost.
    #[must_use]
    pub fn shown(&self) -> (u64, bool) {
        (self.totals.episodes, self.lost.any())
    }

    /// What was observed so far is to be in the recording, though no episode says so.
    pub fn keep(&mut self) {
        self.commit(false);
    }

    /// Whether it is recorded to several files, one after the other. To be asked before it is started.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.recording.as_ref().is_some_and(|recording| recording.target.wants_turn().is_some())
    }

    /// Whether the recording wants to go on in another file, and may: no episode is unfinished.
    #[must_use]
    pub fn wants_new_file(&self) -> bool {
        self.recorder.as_ref().is_some_and(Recorder::wants_turn) && self.next_deadline_ns().is_none()
    }

    /// The recording is to go on in another file, as soon as it may.
    pub fn ask_for_new_file(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.ask_for_turn();
        }
    }

    /// The recording goes on in another file, of which `info` is true. `end` is true of the session until now; nothing is unfinished.
    pub fn new_file(&mut self, end: &SessionEnd, info: &SessionInfo) {
        self.note_turn();
        if self.turning.is_some() {
            return;
        }
        let of_this_file = self.end_of_file(end);
        let turning = self.recorder.as_mut().is_some_and(|recorder| recorder.turn(&of_this_file, info));
        if turning {
            self.turning = Some(Before { lost: end.lost, completed: self.completed });
        }
    }

    /// Whether another file has been begun is the writer's to say: one that fails goes on in the old one, whose end tells of all of it.
    fn note_turn(&mut self) {
        match self.recorder.as_ref().and_then(Recorder::has_turned) {
            Some(true) => self.before_this_file = self.turning.take().unwrap_or(self.before_this_file),
            Some(false) => self.turning = None,
            None => {}
        }
    }

    /// What the end of the session, or of what there was of it until now, is for the file that is being written.
    fn end_of_file(&self, end: &SessionEnd) -> SessionEnd {
        let Before { lost, completed } = self.before_this_file;
        SessionEnd {
            lost: end.lost.since(lost),
            completed: end.completed.map(|all| all.saturating_sub(completed)),
            ..end.clone()
        }
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
        let left =
            |assembler: &mut Assembler| if end.is_some() { assembler.finish() } else { assembler.cut_off() };
        let mut open = assembler.as_mut().map(left).unwrap_or_default();
        if let Some(keeper) = &mut self.keeper {
            open.iter().for_each(|episode| keeper.episode(episode));
        }
        let wanted = match end.as_ref().and_then(|end| end.completed) {
            Some(completed) => completed.saturating_sub(self.completed),
            None if self.reached_count => 0,
            None => u64::MAX,
        };
        open.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        if self.turning.is_some()
            && let Some(recorder) = &self.recorder
        {
            recorder.await_writer(TURN_AT_MOST);
        }
        self.note_turn();
        let end_of_file = end.as_ref().map(|end| self.end_of_file(end));
        let recorded =
            self.recorder.take().map(|recorder| recorder.finish(end_of_file.as_ref())).unwrap_or_default();
        self.failed |= recorded.failed;
        self.pipe_closed |= recorded.pipe_closed;
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
        self.totals.stats = end.as_ref().and_then(|end| end.stats.clone());
        let totals = self.totals.clone();
        self.tell(|sinks| sinks.end(&totals));
        // Last: whoever looks at the rest does not wait for it.
        let undelivered = self.end_courier(end.as_ref());
        Summary {
            totals: self.totals,
            left_out: recorded.left_out,
            undelivered,
            failed: self.failed,
            pipe_closed: self.pipe_closed,
        }
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
        self.tell(|sinks| sinks.episode(episode));
        if self.count.is_some_and(|count| self.totals.episodes >= count) {
            self.reached_count = true;
        }
    }

    /// What was observed is to be in the recording, before episodes are shown if there are any: what a person has seen is on disk,
    /// unless the disk is slow.
    fn commit(&mut self, shows: bool) {
        if let Some((courier, _)) = &mut self.courier_recorder {
            courier.commit(
                self.assembler.as_ref().is_none_or(|assembler| assembler.next_deadline_ns().is_none()),
            );
        }
        let Some(recorder) = &mut self.recorder else { return };
        let boundary = self.assembler.as_ref().is_none_or(|assembler| assembler.next_deadline_ns().is_none());
        recorder.commit(boundary);
        if shows && !self.sinks.is_empty() {
            recorder.settle(SHOWN_WAITS);
        }
        self.give_up();
    }

    /// Ends what the other process gets; returns what it did not take.
    fn end_courier(&mut self, end: Option<&SessionEnd>) -> Option<Extent> {
        let (courier, most) = self.courier_recorder.take()?;
        let name = courier.name().to_owned();
        match courier.finish_within(end, most) {
            Ok(handed) if handed.failed || handed.pipe_closed => {
                self.courier_gone("it has ended");
                None
            }
            Ok(_) => None,
            Err(missing) => {
                self.report.say(format!(
                    "{name} does not take everything: {} records of {} passes through the OOM killer are left",
                    missing.records, missing.episodes
                ));
                Some(missing)
            }
        }
    }

    fn courier_gone(&mut self, why: &str) {
        self.failed = true;
        self.report.say(format!("nothing more is delivered to other programs: {why}"));
    }

    /// Ends the recording if its target takes nothing any more.
    fn give_up(&mut self) {
        if let Some(recorder) = self.recorder.take_if(|recorder| recorder.is_over()) {
            let outcome = recorder.finish(None);
            self.failed |= outcome.failed;
            self.pipe_closed |= outcome.pipe_closed;
        }
    }

    fn tell(&mut self, mut call: impl FnMut(&mut FanOut) -> Vec<Failure>) {
        let mut failures = call(&mut self.sinks);
        failures.extend(call(&mut self.quiet));
        self.note(failures);
    }

    fn note(&mut self, failures: Vec<Failure>) {
        for failure in failures {
            if failure.is_closed_pipe() {
                self.pipe_closed = true;
            } else {
                self.failed = true;
                self.report.say(failure.to_string());
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
