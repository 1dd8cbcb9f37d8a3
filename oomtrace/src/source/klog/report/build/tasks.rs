//! Who: the trigger, the candidates, the chosen one, those that were killed.

use crate::model::Name;
use crate::model::evidence::OomGroup;
use crate::model::observation::{
    Candidate, Candidates, Kill, Memory, Observation, Score, Signal, Stamp, Task, TaskFlags,
};

use super::super::super::grammar::{Rss, task};
use super::super::draft::{self, TaskRow};
use super::Build;

/// Candidates of one observation.
const RUN: usize = 512;

impl Build<'_> {
    /// The task that asked. A log tells its thread; the table may tell the process.
    pub(super) fn trigger(&self) -> Task {
        let draft = self.draft;
        let context = draft.context.as_ref();
        let tid = context.map_or(0, |context| context.tid);
        let row = draft.rows.iter().find(|row| row.tid == tid || row.pid == tid).filter(|_| tid > 0);
        let asked = draft.trigger.as_ref();
        let comm = asked.and_then(|asked| asked.comm.clone()).or_else(|| context.map(|c| c.comm.clone()));
        Task {
            pid: row.map_or(tid, |row| row.pid),
            tid,
            comm: comm.unwrap_or_default(),
            uid: context.and_then(|context| context.uid).or_else(|| row.map(|row| row.uid)),
            oom_score_adj: asked.and_then(|asked| asked.oom_score_adj),
            cgroup: None,
        }
    }

    /// Whom the kernel chose, as far as the log tells.
    pub(super) fn chosen(&mut self) -> Option<Candidate> {
        let draft = self.draft;
        if let Some(summary) = &draft.summary {
            // The row has the name of the thread that has the memory, which need not be the process's.
            let row = draft.row(summary.pid).filter(|row| row.tid == row.pid).map(|row| &row.comm);
            let line = draft.kills.first().filter(|kill| kill.tid == summary.pid).map(|kill| &kill.comm);
            let known = row.or(line);
            let told = summary.task.as_ref().map(|text| task(text, known.map(|name| &name[..])));
            let (path, comm) = told.unwrap_or_default();
            let comm = comm.map(Name::from).or_else(|| known.cloned());
            let cgroup = path.map(|path| self.cgroup(&Name::from(path)));
            let mut chosen = self.known(summary.pid, &comm.clone().unwrap_or_default());
            chosen.task.cgroup = cgroup;
            chosen.task.uid = Some(summary.uid);
            if let Some(kill) =
                draft.kills.first().filter(|kill| chosen.memory.is_none() && kill.tid == summary.pid)
            {
                // Without a table, its own line still tells.
                chosen.memory = self.killed_memory(kill);
                chosen.task.oom_score_adj = kill.oom_score_adj;
            }
            if let Some(comm) = comm.filter(|_| chosen.task.tid != chosen.task.pid) {
                chosen.task.comm = comm;
            }
            return Some(chosen);
        }
        let cgroup = draft.task_in.as_ref().map(|(task, _)| task.clone());
        let cgroup = cgroup.map(|path| self.cgroup(&path));
        if let Some(scored) = &draft.chosen {
            let mut chosen = self.known(scored.pid, &scored.comm);
            chosen.task.cgroup = cgroup;
            return Some(chosen);
        }
        if let Some((pid, comm)) = &draft.already_exiting {
            return Some(self.known(*pid, comm));
        }
        // Without a prefix, the chosen one may have been its parent.
        let kill = draft.kills.first().filter(|kill| !kill.prefix.is_empty())?;
        let mut chosen = self.known(kill.tid, &kill.comm);
        if draft.row(kill.tid).is_none() {
            chosen.memory = self.killed_memory(kill);
            chosen.task.uid = kill.uid;
            chosen.task.oom_score_adj = kill.oom_score_adj;
        }
        Some(chosen)
    }

    /// The row of a process, or its name alone.
    fn known(&self, pid: i32, comm: &Name) -> Candidate {
        match self.draft.row(pid) {
            Some(row) => self.candidate(row),
            None => Candidate {
                task: Task { pid, tid: pid, comm: comm.clone(), ..Task::default() },
                score: Score::Unknown,
                memory: None,
                flags: TaskFlags::default(),
            },
        }
    }

    fn candidate(&self, row: &TaskRow) -> Candidate {
        let tables = row.table_pages.and_then(|pages| pages.checked_mul(self.page_kb.checked_mul(1024)?));
        let kinds = row.anon.or(row.file).or(row.shmem).is_some();
        let memory = Memory {
            rss_anon_pages: row.anon,
            rss_file_pages: row.file,
            rss_shmem_pages: row.shmem,
            swap_entries: row.swap,
            pgtables_bytes: row.pgtables_bytes.or(tables),
            total_vm_pages: row.total_vm,
            rss_pages: row.rss.filter(|_| !kinds),
        };
        let task = Task {
            pid: row.pid,
            tid: row.tid,
            comm: row.comm.clone(),
            uid: Some(row.uid),
            oom_score_adj: row.oom_score_adj,
            cgroup: None,
        };
        Candidate { task, score: Score::Unknown, memory: Some(memory), flags: TaskFlags::default() }
    }

    pub(super) fn candidates(&mut self, at: Stamp, chosen: Option<&Candidate>) {
        let draft = self.draft;
        for (run, rows) in draft.rows.chunks(RUN).enumerate() {
            let tasks = rows.iter().map(|row| {
                let candidate = self.candidate(row);
                match chosen.filter(|chosen| chosen.task.pid == candidate.task.pid) {
                    Some(chosen) => chosen.clone(),
                    None => candidate,
                }
            });
            let tasks: Vec<_> = tasks.collect();
            let first = u32::try_from(run.saturating_mul(RUN)).unwrap_or(u32::MAX);
            self.out.push(Observation::Candidates(Candidates { at, first, tasks }));
        }
    }

    fn killed_memory(&self, kill: &draft::Kill) -> Option<Memory> {
        let pages = |kb: Option<u64>| kb.map(|kb| self.pages(kb));
        let Rss { anon_kb, file_kb, shmem_kb } = kill.rss;
        anon_kb?;
        // The first 5.4 called bytes kB.
        let doubtful = self.boot.release.as_deref().is_none_or(|release| release.starts_with("5.4"));
        let pgtables_kb = kill.pgtables_kb.filter(|_| !doubtful);
        // Before 4.5 shared memory was counted as file.
        Some(Memory {
            rss_anon_pages: pages(anon_kb),
            rss_file_pages: pages(file_kb),
            rss_shmem_pages: pages(shmem_kb),
            swap_entries: None,
            pgtables_bytes: pgtables_kb.and_then(|kb| kb.checked_mul(1024)),
            total_vm_pages: pages(kill.total_vm_kb),
            rss_pages: None,
        })
    }

    pub(super) fn kills(&mut self, chosen: Option<&Candidate>) {
        let draft = self.draft;
        for (position, kill) in draft.kills.iter().enumerate() {
            let at = self.stamp(kill.at);
            let row = draft.row(kill.tid);
            // The first one killed is the chosen one, unless kernels that sacrifice children say otherwise.
            let is_chosen = position == 0 && draft.chosen.is_none();
            let pid = match (row, chosen) {
                (Some(row), _) => row.pid,
                (None, Some(chosen)) if is_chosen => chosen.task.pid,
                (None, _) => kill.tid,
            };
            let chosen = chosen.filter(|chosen| chosen.task.pid == pid);
            let task = Task {
                pid,
                tid: kill.tid,
                // The line has the name of the thread that has the memory.
                comm: match chosen.filter(|chosen| chosen.task.pid != kill.tid) {
                    Some(chosen) => chosen.task.comm.clone(),
                    None => kill.comm.clone(),
                },
                uid: kill.uid.or_else(|| row.map(|row| row.uid)),
                oom_score_adj: kill.oom_score_adj.or_else(|| row.and_then(|row| row.oom_score_adj)),
                cgroup: chosen.and_then(|chosen| chosen.task.cgroup),
            };
            let message = Some(kill.prefix.clone()).filter(|prefix| !prefix.is_empty());
            let memory = self.killed_memory(kill);
            let victim = Candidate { task, score: Score::Unknown, memory, flags: TaskFlags::default() };
            self.out.push(Observation::Kill(Kill { at, victim, message }));
            self.out.push(Observation::Signal(Signal {
                at,
                tid: kill.tid,
                comm: kill.comm.clone(),
                result: None,
            }));
            if position == 0
                && let Some(path) = &draft.group
            {
                let cgroup = self.cgroup(path);
                self.out.push(Observation::OomGroup(OomGroup { at, cgroup }));
            }
        }
    }
}
