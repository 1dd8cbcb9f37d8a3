//! Reads runs.

use minicbor::Decoder;
use minicbor::decode::Error;

use crate::model::Name;
use crate::model::observation::{Candidate, Candidates, Memory, Score, Stamp, Task, TaskFlags};

use super::{PAGE, Points, column, key, state, unzigzag};

/// Reads a run.
///
/// # Errors
///
/// It is not one: a column is too short or too long, or a value has no meaning.
pub(in crate::session) fn read(payload: &[u8]) -> Result<Candidates, Error> {
    let mut d = Decoder::new(payload);
    let len = d.map()?.ok_or_else(|| Error::message("a map of unknown length"))?;
    let (mut at, mut first, mut count): (Option<Stamp>, _, _) = (None, None, None);
    let mut columns = [Column(&[]); column::ALL];
    for _ in 0..len {
        match d.u32()? {
            key::AT => at = Some(d.decode()?),
            key::FIRST => first = Some(d.u32()?),
            key::COUNT => count = Some(d.u32()?),
            key => match columns.get_mut((key - key::COLUMNS) as usize) {
                Some(column) => *column = Column(d.bytes()?),
                // Of a newer writer.
                None => d.skip()?,
            },
        }
    }
    let (Some(at), Some(first), Some(count)) = (at, first, count) else {
        return Err(Error::message("a run without its place"));
    };
    // Each candidate has a state of at least one byte: more than those cannot follow.
    let count = count as usize;
    if count > columns[column::STATE].0.len() {
        return Err(Error::message("more candidates than there are"));
    }
    let has_rss = !columns[column::RSS].0.is_empty();
    let mut run = Run { columns, names: Vec::new(), points: Points::default(), pid: 0, cgroup: 0, has_rss };
    let mut tasks = Vec::with_capacity(count);
    for _ in 0..count {
        tasks.push(run.candidate()?);
    }
    if run.columns.iter().any(|column| !column.0.is_empty()) {
        return Err(Error::message("a column is longer than the run"));
    }
    Ok(Candidates { at, first, tasks })
}

/// What is left of a run, and what was read.
struct Run<'a> {
    columns: [Column<'a>; column::ALL],
    names: Vec<Name>,
    points: Points,
    /// Of the candidate before.
    pid: i32,
    cgroup: u64,
    /// There is a column of it.
    has_rss: bool,
}

impl Run<'_> {
    fn candidate(&mut self) -> Result<Candidate, Error> {
        let bits = self.next(column::STATE)?;
        let flags = TaskFlags(u32::try_from(bits >> state::FLAGS).map_err(|_| Error::message("flags"))?);
        let pid = self.step(column::PID, self.pid)?;
        self.pid = pid;
        let tid = if bits & state::TID == 0 { pid } else { self.step(column::TID, pid)? };
        let comm = self.name()?;
        let uid = match self.next(column::UID)? {
            0 => None,
            uid => Some(u32::try_from(uid - 1).map_err(|_| Error::message("uid"))?),
        };
        let oom_score_adj = match self.next(column::ADJ)? {
            0 => None,
            adj => Some(i16::try_from(unzigzag(adj - 1)).map_err(|_| Error::message("oom_score_adj"))?),
        };
        let cgroup = match self.next(column::CGROUP)? {
            0 => None,
            step => {
                self.cgroup = self.cgroup.wrapping_add(unzigzag(step - 1).cast_unsigned());
                Some(self.cgroup)
            }
        };
        let memory = if bits & state::MEMORY == 0 { None } else { Some(self.memory()?) };
        let score = match bits & state::SCORE {
            state::NOT_SCORED => Score::NotScored,
            state::UNKILLABLE => Score::Unkillable,
            state::POINTS => {
                let surprise = unzigzag(self.next(column::POINTS)?);
                Score::Points(self.points.points(surprise, &memory.unwrap_or_default(), oom_score_adj))
            }
            _ => Score::Unknown,
        };
        Ok(Candidate { task: Task { pid, tid, comm, uid, oom_score_adj, cgroup }, score, memory, flags })
    }

    fn memory(&mut self) -> Result<Memory, Error> {
        let pgtables_bytes = match self.next(column::PGTABLES)? {
            0 => None,
            value if value % 2 == 1 => {
                let bytes = (value / 2).checked_mul(PAGE);
                Some(bytes.ok_or_else(|| Error::message("page tables"))?)
            }
            value => Some(value / 2 - 1),
        };
        let mut pages = |column| self.next(column).map(|value| value.checked_sub(1));
        let mut memory = Memory {
            rss_anon_pages: pages(column::ANON)?,
            rss_file_pages: pages(column::FILE)?,
            rss_shmem_pages: pages(column::SHMEM)?,
            swap_entries: pages(column::SWAP)?,
            pgtables_bytes,
            total_vm_pages: pages(column::TOTAL_VM)?,
            rss_pages: None,
        };
        if self.has_rss
            && memory.rss_anon_pages.or(memory.rss_file_pages).or(memory.rss_shmem_pages).is_none()
        {
            memory.rss_pages = self.next(column::RSS)?.checked_sub(1);
        }
        Ok(memory)
    }

    fn name(&mut self) -> Result<Name, Error> {
        let position = self.next(column::COMM)?;
        if position > 0 {
            let name = usize::try_from(position - 1).ok().and_then(|position| self.names.get(position));
            return name.cloned().ok_or_else(|| Error::message("a name that was not told"));
        }
        let len = self.next(column::NAMES)?;
        let left = &mut self.columns[column::NAMES].0;
        let split = usize::try_from(len).ok().and_then(|len| left.split_at_checked(len));
        let (name, rest) = split.ok_or_else(|| Error::message("a name that is cut off"))?;
        *left = rest;
        let name = Name::from(name);
        self.names.push(name.clone());
        Ok(name)
    }

    /// A number told by its distance from `before`.
    #[inline(always)]
    fn step(&mut self, column: usize, before: i32) -> Result<i32, Error> {
        let value = i64::from(before).checked_add(unzigzag(self.next(column)?));
        value.and_then(|value| i32::try_from(value).ok()).ok_or_else(|| Error::message("a process id"))
    }

    #[inline(always)]
    fn next(&mut self, column: usize) -> Result<u64, Error> {
        self.columns[column].next().ok_or_else(|| Error::message("a column is too short"))
    }
}

/// What is left of a column.
#[derive(Clone, Copy)]
pub(in crate::session) struct Column<'a>(&'a [u8]);

impl<'a> Column<'a> {
    pub(in crate::session) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(in crate::session) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next number: seven bits a byte, the lowest first; a byte with the highest bit set is not the last.
    #[inline(always)]
    pub(in crate::session) fn next(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first < 0x80 { Some(first.into()) } else { self.longer(first) }
    }

    fn longer(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has one bit.
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}
