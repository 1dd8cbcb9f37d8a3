//! Writes runs.

use std::collections::HashMap;
use std::convert::Infallible;

use foldhash::fast::RandomState;
use minicbor::Encoder;
use minicbor::encode::Error;

use crate::model::Name;
use crate::model::observation::{Candidate, Candidates, Memory, Score};

use super::{PAGE, Points, column, key, state, zigzag};

/// Candidates of the longest run that sources make: what is reserved.
const RUN: usize = 512;
/// Bytes that the name of a task takes at most, with its length: the longest of what is stored of a candidate.
const NAME: usize = 17;

/// Writes runs; keeps what it needs for that.
#[derive(Debug)]
pub(in crate::session) struct Writer {
    columns: [Vec<u8>; column::ALL],
    /// Positions of the names of this run, from 1.
    names: HashMap<Name, u64, RandomState>,
    points: Points,
    /// Of the candidate before.
    pid: i32,
    cgroup: u64,
    /// Candidates so far of whose RSS nothing is known, while the column has no value.
    without_rss: usize,
}

impl Default for Writer {
    /// Reserves what runs take: they come while the machine has no memory.
    fn default() -> Self {
        Self {
            columns: std::array::from_fn(|_| Vec::with_capacity(NAME * RUN)),
            names: HashMap::with_capacity_and_hasher(RUN, RandomState::default()),
            points: Points::default(),
            pid: 0,
            cgroup: 0,
            without_rss: 0,
        }
    }
}

impl Writer {
    /// Makes the columns of a run; `None` when it has to be written task by task.
    pub(in crate::session) fn gather(&mut self, run: &Candidates) -> Option<()> {
        u32::try_from(run.tasks.len()).ok()?;
        self.columns.iter_mut().for_each(Vec::clear);
        self.names.clear();
        self.points.forget();
        (self.pid, self.cgroup, self.without_rss) = (0, 0, 0);
        run.tasks.iter().try_for_each(|candidate| self.add(candidate))
    }

    /// Appends the run whose columns were made last.
    pub(in crate::session) fn write(&self, out: &mut Vec<u8>, run: &Candidates) {
        match self.encode(&mut Encoder::new(out), run) {
            // Neither memory as the target nor these types can fail; the error's type cannot be built.
            Ok(()) | Err(_) => {}
        }
    }

    fn encode(&self, e: &mut Encoder<&mut Vec<u8>>, run: &Candidates) -> Result<(), Error<Infallible>> {
        let used = || (key::COLUMNS..).zip(&self.columns).filter(|(_, column)| !column.is_empty());
        e.map(3 + used().count() as u64)?;
        e.u32(key::AT)?.encode(run.at)?;
        e.u32(key::FIRST)?.u32(run.first)?;
        e.u32(key::COUNT)?.u64(run.tasks.len() as u64)?;
        for (key, column) in used() {
            e.u32(key)?.bytes(column)?;
        }
        Ok(())
    }

    fn add(&mut self, candidate: &Candidate) -> Option<()> {
        let Candidate { task, score, memory, flags } = candidate;
        let score_bits = match score {
            Score::NotScored => state::NOT_SCORED,
            Score::Unkillable => state::UNKILLABLE,
            Score::Points(_) => state::POINTS,
            Score::Unknown => state::UNKNOWN,
        };
        let memory_bit = if memory.is_some() { state::MEMORY } else { 0 };
        let tid_bit = if task.tid == task.pid { 0 } else { state::TID };
        self.put(column::STATE, score_bits | memory_bit | tid_bit | u64::from(flags.0) << state::FLAGS);
        let before = std::mem::replace(&mut self.pid, task.pid);
        self.put(column::PID, zigzag(i64::from(task.pid) - i64::from(before)));
        if tid_bit != 0 {
            self.put(column::TID, zigzag(i64::from(task.tid) - i64::from(task.pid)));
        }
        self.name(&task.comm);
        self.put(column::UID, task.uid.map_or(0, |uid| u64::from(uid) + 1));
        self.put(column::ADJ, task.oom_score_adj.map_or(0, |adj| zigzag(adj.into()) + 1));
        let cgroup = match task.cgroup {
            None => 0,
            Some(id) => {
                let before = std::mem::replace(&mut self.cgroup, id);
                zigzag(id.wrapping_sub(before).cast_signed()).checked_add(1)?
            }
        };
        self.put(column::CGROUP, cgroup);
        if let Some(memory) = memory {
            self.memory(memory)?;
        }
        if let Score::Points(points) = score {
            let memory = memory.unwrap_or_default();
            let surprise = self.points.surprise(*points, &memory, task.oom_score_adj);
            self.put(column::POINTS, zigzag(surprise));
        }
        Some(())
    }

    fn memory(&mut self, memory: &Memory) -> Option<()> {
        let pgtables = match memory.pgtables_bytes {
            None => 0,
            Some(bytes) if bytes % PAGE == 0 => (bytes / PAGE * 2) + 1,
            Some(bytes) => bytes.checked_mul(2)?.checked_add(2)?,
        };
        self.put(column::PGTABLES, pgtables);
        for (column, value) in [
            (column::ANON, memory.rss_anon_pages),
            (column::FILE, memory.rss_file_pages),
            (column::SHMEM, memory.rss_shmem_pages),
            (column::SWAP, memory.swap_entries),
            (column::TOTAL_VM, memory.total_vm_pages),
        ] {
            self.put(column, value.map_or(Some(0), |value| value.checked_add(1))?);
        }
        let kinds = [memory.rss_anon_pages, memory.rss_file_pages, memory.rss_shmem_pages];
        match memory.rss_pages {
            None => {}
            // One kind and the sum is nothing that a source tells.
            Some(_) if kinds.iter().any(Option::is_some) => return None,
            Some(pages) => {
                // Those before it had none.
                let before = std::mem::replace(&mut self.without_rss, 0);
                (0..before).for_each(|_| self.put(column::RSS, 0));
                self.put(column::RSS, pages.checked_add(1)?);
                return Some(());
            }
        }
        if kinds.iter().all(Option::is_none) {
            if self.columns[column::RSS].is_empty() {
                self.without_rss += 1;
            } else {
                self.put(column::RSS, 0);
            }
        }
        Some(())
    }

    fn name(&mut self, name: &Name) {
        if let Some(&position) = self.names.get(name) {
            self.put(column::COMM, position);
            return;
        }
        self.names.insert(name.clone(), self.names.len() as u64 + 1);
        self.put(column::COMM, 0);
        self.put(column::NAMES, name.len() as u64);
        self.columns[column::NAMES].extend_from_slice(name);
    }

    #[inline(always)]
    fn put(&mut self, column: usize, mut value: u64) {
        let column = &mut self.columns[column];
        while value >= 0x80 {
            column.push(value as u8 | 0x80);
            value >>= 7;
        }
        column.push(value as u8);
    }
}
