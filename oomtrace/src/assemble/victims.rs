//! Who is being killed in one episode: matches kills, signals, marks, the reaper and exits, which name processes and
//! threads in different ways.

use std::collections::HashMap;

use crate::model::Name;
use crate::model::episode::Reaped;
use crate::model::observation::{
    Candidate, Kill, Marked, Memory, Reaper, ReaperStage, Signal, Task, TaskFlags,
};

/// `TRACE_SIGNAL_IGNORED`: the process was dying already.
const SIGNAL_IGNORED: i32 = 1;
/// `TRACE_SIGNAL_ALREADY_PENDING`: it had been sent a SIGKILL before.
const SIGNAL_PENDING: i32 = 2;

/// One process.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// Process id.
    pub(super) pid: i32,
    /// As it was at `__oom_kill_process()`; `None` for those that were only signalled or marked.
    pub(super) kill: Option<Candidate>,
    /// Name, when no kill record tells it.
    pub(super) comm: Option<Name>,
    /// What the mark tells of it, from sources that have that.
    pub(super) uid: Option<u32>,
    pub(super) oom_score_adj: Option<i16>,
    pub(super) memory: Option<Memory>,
    /// Whether a SIGKILL was sent to it, whatever came of it.
    pub(super) signalled: bool,
    pub(super) killed_ns: Option<u64>,
    pub(super) marked_ns: Option<u64>,
    pub(super) marked_tid: Option<i32>,
    pub(super) reaped: Option<Reaped>,
    pub(super) exited_ns: Option<u64>,
    pub(super) released_ns: Option<u64>,
}

impl Entry {
    /// Killed on paper only: by the time of the kill no thread had an mm, and the kernel let it be.
    pub(super) fn was_gone(&self) -> bool {
        let no_mm = self.kill.as_ref().is_some_and(|kill| kill.flags.has(TaskFlags::NO_MM));
        no_mm && !self.signalled && self.marked_ns.is_none()
    }
}

/// The victims of one episode, in the order in which they turned up.
#[derive(Debug, Default)]
pub(super) struct Victims {
    entries: Vec<Entry>,
    by_pid: HashMap<i32, usize>,
    by_tid: HashMap<i32, usize>,
    /// The last kill, while its signal has not been seen: that comes next, perhaps to another thread of the process.
    unsignalled: Option<usize>,
    kills: usize,
    exits: usize,
    /// Marked, but not seen letting go of its address space.
    unreleased: usize,
    reaping: usize,
    last_change_ns: u64,
}

impl Victims {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn has(&self, pid: i32) -> bool {
        self.by_pid.contains_key(&pid)
    }

    /// Distinct processes with a kill record.
    pub(super) fn kills(&self) -> usize {
        self.kills
    }

    /// Whether all of them have been seen exiting.
    pub(super) fn all_exited(&self) -> bool {
        self.exits == self.entries.len()
    }

    /// Whether some marked one has not been seen letting go of its address space.
    pub(super) fn some_unreleased(&self) -> bool {
        self.unreleased > 0
    }

    /// Whether the reaper is at work.
    pub(super) fn some_reaping(&self) -> bool {
        self.reaping > 0
    }

    /// When the last exit, release or reaping was seen, ns since boot; 0 when none was.
    pub(super) fn last_change_ns(&self) -> u64 {
        self.last_change_ns
    }

    /// `__oom_kill_process()`. A group kill visits the chosen one twice: the second time changes nothing.
    pub(super) fn kill(&mut self, kill: &Kill) {
        let pid = kill.victim.task.pid;
        let index = self.find_or_add(pid);
        self.by_tid.entry(kill.victim.task.tid).or_insert(index);
        let entry = &mut self.entries[index];
        if entry.kill.is_none() {
            entry.kill = Some(kill.victim.clone());
            self.kills += 1;
        }
        self.unsignalled = Some(index);
    }

    /// SIGKILL to one thread, meaning its process.
    pub(super) fn signal(&mut self, signal: &Signal) {
        let unsignalled = self.unsignalled.take();
        let index = match self.find(signal.tid).or(unsignalled) {
            Some(index) => index,
            // Nobody's kill: a process that shares the victim's mm. Those are signalled through their leader.
            None => self.find_or_add(signal.tid),
        };
        // Perhaps a thread that no record has named: the reaper may.
        self.by_tid.entry(signal.tid).or_insert(index);
        let entry = &mut self.entries[index];
        entry.signalled = true;
        if entry.comm.is_none() {
            entry.comm = Some(signal.comm.clone());
        }
        let in_vain = matches!(signal.result, Some(SIGNAL_IGNORED | SIGNAL_PENDING));
        if entry.killed_ns.is_none() && !in_vain {
            entry.killed_ns = Some(signal.at.boot_ns);
        }
    }

    /// `mark_oom_victim()`. `known` are tasks of the episode that may tell the process of a thread.
    pub(super) fn mark<'a>(&mut self, marked: &Marked, known: impl Iterator<Item = &'a Task>) {
        let unsignalled = self.unsignalled.take();
        let pid =
            marked.pid.or_else(|| known.into_iter().find(|task| task.tid == marked.tid).map(|task| task.pid));
        let found = match pid {
            Some(pid) => self.by_pid.get(&pid).copied(),
            None => self.find(marked.tid).or(unsignalled),
        };
        let index = found.unwrap_or_else(|| self.find_or_add(pid.unwrap_or(marked.tid)));
        self.by_tid.entry(marked.tid).or_insert(index);
        let entry = &mut self.entries[index];
        if entry.comm.is_none() {
            entry.comm.clone_from(&marked.comm);
        }
        entry.uid = entry.uid.or(marked.uid);
        entry.oom_score_adj = entry.oom_score_adj.or(marked.oom_score_adj);
        entry.memory = entry.memory.or(marked.memory);
        if entry.marked_ns.is_none() {
            entry.marked_ns = Some(marked.at.boot_ns);
            entry.marked_tid = Some(marked.tid);
            if entry.released_ns.is_none() {
                self.unreleased += 1;
            }
        }
    }

    /// The task was dying anyway and its mark was not seen.
    pub(super) fn add_exiting(&mut self, pid: i32) {
        self.find_or_add(pid);
    }

    /// A stage of the reaper; false when the thread is nobody's here.
    pub(super) fn reaper(&mut self, reaper: &Reaper) -> bool {
        let Some(index) = self.find(reaper.tid) else { return false };
        let entry = &mut self.entries[index];
        let was_reaping = is_reaping(entry.reaped);
        let ns = Some(reaper.at.boot_ns);
        match reaper.stage {
            // Being queued is not yet being reaped.
            ReaperStage::Wake => return true,
            ReaperStage::Start => {
                let reaped = entry.reaped.get_or_insert_default();
                reaped.started_ns = reaped.started_ns.or(ns);
                reaped.finished_ns = None;
                reaped.skipped = false;
            }
            ReaperStage::Finish => {
                let reaped = entry.reaped.get_or_insert_default();
                reaped.finished_ns = ns;
                // It may try more than once: before the first, after the last.
                reaped.before = reaped.before.or(reaper.before);
                reaped.after = reaper.after.or(reaped.after);
            }
            ReaperStage::Skip => {
                let reaped = entry.reaped.get_or_insert_default();
                reaped.skipped = reaped.started_ns.is_none();
                reaped.finished_ns = reaped.finished_ns.or(ns.filter(|_| !reaped.skipped));
            }
        }
        match (was_reaping, is_reaping(entry.reaped)) {
            (false, true) => self.reaping += 1,
            (true, false) => self.reaping -= 1,
            _ => {}
        }
        self.last_change_ns = self.last_change_ns.max(reaper.at.boot_ns);
        true
    }

    /// The last thread of a process is exiting; false when it is nobody's here, or exited before.
    pub(super) fn exited(&mut self, pid: i32, ns: u64) -> bool {
        let Some(&index) = self.by_pid.get(&pid) else { return false };
        let entry = &mut self.entries[index];
        if entry.exited_ns.is_some() {
            return false;
        }
        entry.exited_ns = Some(ns);
        self.exits += 1;
        self.last_change_ns = self.last_change_ns.max(ns);
        true
    }

    /// The marked thread has let go of its address space; false when it is nobody's here, or did so before.
    pub(super) fn released(&mut self, pid: i32, ns: u64) -> bool {
        let Some(&index) = self.by_pid.get(&pid) else { return false };
        let entry = &mut self.entries[index];
        if entry.released_ns.is_some() {
            return false;
        }
        entry.released_ns = Some(ns);
        if entry.marked_ns.is_some() {
            self.unreleased -= 1;
        }
        self.last_change_ns = self.last_change_ns.max(ns);
        true
    }

    /// By process id first: a thread id that is also a process id is that process's leader.
    fn find(&self, tid: i32) -> Option<usize> {
        self.by_pid.get(&tid).or_else(|| self.by_tid.get(&tid)).copied()
    }

    fn find_or_add(&mut self, pid: i32) -> usize {
        *self.by_pid.entry(pid).or_insert_with(|| {
            self.entries.push(Entry { pid, ..Entry::default() });
            self.entries.len() - 1
        })
    }
}

fn is_reaping(reaped: Option<Reaped>) -> bool {
    reaped.is_some_and(|reaped| reaped.started_ns.is_some() && reaped.finished_ns.is_none())
}
