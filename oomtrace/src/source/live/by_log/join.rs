//! Reports of the log and tracepoints, made one: whose mark, reaping and exit belong to which report.
//!
//! A report is printed first, then its victim is marked, then the line of the kill is printed; but a report is read as a whole, once the
//! log is quiet, and the tracepoints come at once. They wait here for the report that names their thread. A mark that none names is a
//! pass of its own: by a task that was dying already, of which the kernel prints nothing, or of a report that was overwritten.
//!
//! A synchronous state machine: time comes as an argument.

use std::collections::VecDeque;

use crate::model::{
    Observation,
    observation::{Marked, Reaper, ReaperStage, Signal, Stamp},
    report::Report,
};

/// How long a mark waits for the log to name its thread, while no report is being read, ns.
const MARK_WAITS_NS: u64 = 300_000_000;
/// How long what follows a mark waits, ns.
const REST_WAITS_NS: u64 = 2_000_000_000;
/// After a gap in the log a mark may be of a report that fell into it, ns.
const GAP_NS: u64 = 5_000_000_000;
/// The line of a kill is stamped so soon after the mark, ns; if not, the log's clock is off, and is put right by the mark.
const SOON_NS: u64 = 20_000_000;
/// Marks, and what follows them, that wait at most.
const MOST_WAITING: usize = 4096;
/// Victims, and reports, that are remembered.
const MOST_KNOWN: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Join {
    /// Of the last pass.
    last: u64,
    /// The pass that is being taken from the log.
    pass: Vec<Observation>,
    /// Numbers that the log's reader gave, and those of the passes.
    numbers: VecDeque<(u64, u64)>,
    /// Not yet of a pass.
    marks: VecDeque<Marked>,
    /// What happened to victims of which no pass is known yet.
    held: VecDeque<Observation>,
    /// Threads and processes of victims, and their pass.
    victims: VecDeque<(i32, u64)>,
    /// When the end of a reaping was seen.
    reaped: VecDeque<(i32, u64)>,
    /// When records of the log were last missed.
    gap_ns: Option<u64>,
    /// Marks whose reports were overwritten.
    overwritten: u64,
}

impl Join {
    /// Takes what the log's reader made out.
    pub(super) fn logged(&mut self, observation: Observation, out: &mut VecDeque<Observation>) {
        match observation {
            // The machine is known.
            Observation::Origin(_) | Observation::Gap(_) => {}
            Observation::Cgroup(_) => out.push_back(observation),
            Observation::Reaper(reaper) => self.log_of_reaper(reaper, out),
            Observation::Report(report) => self.read(report, out),
            other => self.pass.push(other),
        }
    }

    /// Takes what a tracepoint told.
    pub(super) fn traced(&mut self, observation: Observation, out: &mut VecDeque<Observation>) {
        match observation {
            Observation::Marked(marked) => self.marks.push_back(marked),
            Observation::Exited(_) | Observation::Reaper(_) => {
                if let Observation::Reaper(Reaper { at, stage: ReaperStage::Finish, tid, .. }) = observation {
                    remember(&mut self.reaped, (tid, at.boot_ns));
                }
                self.hold_or_tell(observation, out);
            }
            other => out.push_back(other),
        }
    }

    /// How much waits.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.marks.len() + self.held.len()
    }

    /// Records of the log were missed.
    pub(super) fn missed(&mut self, now: u64) {
        self.gap_ns = Some(now);
    }

    /// Reports of which there is only a mark, because the rest was overwritten.
    pub(super) fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// When something is to be done even if nothing comes; nothing is, while a report is being read.
    pub(super) fn deadline_ns(&self) -> Option<u64> {
        let mark = self.marks.front().map(|mark| mark.at.boot_ns.saturating_add(MARK_WAITS_NS));
        let held =
            self.held.front().and_then(Observation::boot_ns).map(|at| at.saturating_add(REST_WAITS_NS));
        [mark, held].into_iter().flatten().min()
    }

    /// Gives up on what has waited long enough. `reading`: a report is being read.
    pub(super) fn tick(&mut self, now: u64, reading: bool, out: &mut VecDeque<Observation>) {
        let due = |at: u64, wait: u64| !reading && at.saturating_add(wait) <= now;
        while let Some(mark) = self.marks.front()
            && (due(mark.at.boot_ns, MARK_WAITS_NS) || self.marks.len() > MOST_WAITING)
        {
            if let Some(mark) = self.marks.pop_front() {
                self.unreported(mark, out);
            }
        }
        while let Some(at) = self.held.front().and_then(Observation::boot_ns)
            && (due(at, REST_WAITS_NS) || self.held.len() > MOST_WAITING)
        {
            // The assembler may know whose it is.
            out.extend(self.held.pop_front());
        }
    }

    /// The capture ends: nothing is waited for any more.
    pub(super) fn finish(&mut self, out: &mut VecDeque<Observation>) {
        self.tick(u64::MAX, false, out);
    }

    /// A report has been read: its pass is told, with the marks of its victims.
    fn read(&mut self, report: Report, out: &mut VecDeque<Observation>) {
        self.last += 1;
        let id = self.last;
        remember(&mut self.numbers, (report.at.episode, id));
        let mut pass = std::mem::take(&mut self.pass);
        let chosen = pass.iter().find_map(|observation| match observation {
            Observation::Choice(choice) => Some(choice.chosen.task.clone()),
            _ => None,
        });
        pass.push(Observation::Report(report));
        let ahead = self.ahead_ns(&pass);
        for observation in &mut pass {
            if let Some(at) = observation.stamp_mut() {
                *at = Stamp { boot_ns: at.boot_ns.saturating_add_signed(ahead), episode: id };
            }
        }
        let mut mark = None;
        for mut observation in pass {
            match &mut observation {
                Observation::Kill(kill) => {
                    let task = &kill.victim.task;
                    self.know(task.tid, id);
                    self.know(task.pid, id);
                    mark = self.take_mark(task.tid).or_else(|| self.take_mark(task.pid));
                }
                // It was sent just before the mark.
                Observation::Signal(signal) => {
                    signal.at.boot_ns = mark.as_ref().map_or(signal.at.boot_ns, |mark| mark.at.boot_ns);
                }
                // The line of the kill is missing: the report of a choice is only printed before a kill.
                Observation::Report(_) => {
                    let task = chosen.as_ref();
                    let found =
                        task.and_then(|task| self.take_mark(task.tid).or_else(|| self.take_mark(task.pid)));
                    if let (Some(task), Some(found)) = (task, found) {
                        self.know(task.tid, id);
                        self.know(task.pid, id);
                        let at = Stamp { episode: id, ..found.at };
                        let comm = task.comm.clone();
                        out.push_back(Observation::Signal(Signal { at, tid: found.tid, comm, result: None }));
                        out.push_back(Observation::Marked(Marked { at, ..found }));
                    }
                }
                _ => {}
            }
            let signalled = matches!(observation, Observation::Signal(_));
            out.push_back(observation);
            if signalled && let Some(mark) = mark.take() {
                let at = Stamp { episode: id, ..mark.at };
                out.push_back(Observation::Marked(Marked { at, ..mark }));
            }
        }
        self.let_go(id, out);
    }

    /// How far the log's clock is behind, ns, by a victim whose mark was seen.
    fn ahead_ns(&self, pass: &[Observation]) -> i64 {
        let pair = pass.iter().find_map(|observation| {
            let Observation::Kill(kill) = observation else { return None };
            let task = &kill.victim.task;
            let mark = self.marks.iter().find(|mark| mark.tid == task.tid || mark.tid == task.pid)?;
            Some((mark.at.boot_ns, kill.at.boot_ns))
        });
        // What is printed before the kill was stamped before the mark.
        let first = pass.iter().filter_map(Observation::boot_ns).min();
        let fits = |marked: u64, killed: u64| {
            (marked..marked.saturating_add(SOON_NS)).contains(&killed)
                && first.is_none_or(|first| first <= marked)
        };
        match pair {
            Some((marked, killed)) if !fits(marked, killed) => {
                i64::try_from(i128::from(marked) - i128::from(killed)).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// A mark that no report names.
    fn unreported(&mut self, mark: Marked, out: &mut VecDeque<Observation>) {
        self.last += 1;
        let at = Stamp { boot_ns: mark.at.boot_ns, episode: self.last };
        self.know(mark.tid, self.last);
        let overwritten = self.gap_ns.is_some_and(|gap| gap.saturating_add(GAP_NS) >= mark.at.boot_ns);
        self.overwritten += u64::from(overwritten);
        out.push_back(Observation::Marked(Marked { at, ..mark }));
        out.push_back(Observation::Report(Report {
            at,
            cut: overwritten,
            already_exiting: !overwritten,
            ..Report::default()
        }));
        self.let_go(at.episode, out);
    }

    /// The log tells what the reaper left; the tracepoint, when it was done.
    fn log_of_reaper(&mut self, mut reaper: Reaper, out: &mut VecDeque<Observation>) {
        let number = reaper.at.episode;
        let known = self.numbers.iter().rev().find(|(logged, _)| *logged == number);
        reaper.at.episode = known.map_or(0, |(_, id)| *id);
        if let Some((_, ns)) = self.reaped.iter().rev().find(|(tid, _)| *tid == reaper.tid) {
            reaper.at.boot_ns = *ns;
        }
        out.push_back(Observation::Reaper(reaper));
    }

    fn hold_or_tell(&mut self, mut observation: Observation, out: &mut VecDeque<Observation>) {
        let Some(thread) = thread(&observation) else { return out.push_back(observation) };
        match self.victims.iter().rev().find(|(victim, _)| *victim == thread) {
            Some(&(_, id)) => {
                if let Some(at) = observation.stamp_mut() {
                    at.episode = id;
                }
                out.push_back(observation);
            }
            None => self.held.push_back(observation),
        }
    }

    /// Tells what waited for victims of the pass `id`.
    fn let_go(&mut self, id: u64, out: &mut VecDeque<Observation>) {
        // Those of one pass are behind each other.
        let mut threads: Vec<i32> =
            self.victims.iter().rev().take_while(|(_, of)| *of == id).map(|(thread, _)| *thread).collect();
        threads.sort_unstable();
        let whose = |observation: &Observation| {
            thread(observation).is_some_and(|it| threads.binary_search(&it).is_ok())
        };
        if self.held.iter().any(whose) {
            for mut observation in std::mem::take(&mut self.held) {
                if whose(&observation) {
                    if let Some(at) = observation.stamp_mut() {
                        at.episode = id;
                    }
                    out.push_back(observation);
                } else {
                    self.held.push_back(observation);
                }
            }
        }
    }

    fn know(&mut self, thread: i32, id: u64) {
        remember(&mut self.victims, (thread, id));
    }

    fn take_mark(&mut self, thread: i32) -> Option<Marked> {
        let position = self.marks.iter().position(|mark| mark.tid == thread)?;
        self.marks.remove(position)
    }
}

/// Whose end, or reaping, it is.
fn thread(observation: &Observation) -> Option<i32> {
    match observation {
        Observation::Exited(exited) => Some(exited.pid),
        Observation::Reaper(reaper) => Some(reaper.tid),
        _ => None,
    }
}

fn remember<T>(known: &mut VecDeque<T>, new: T) {
    if known.len() >= MOST_KNOWN {
        known.pop_front();
    }
    known.push_back(new);
}
