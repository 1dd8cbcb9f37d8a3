//! The kernel's OOM reports: lines of the kernel log to [`Report`]s.
//!
//! Covers the eras that the tests boot (5.10 and later): both headers of the task table. Lines that are not part of a
//! report are passed over; a line that looks like a part and cannot be read is an error, because a reference with holes
//! proves nothing.
//!
//! The kernel limits reports to 10 in 5 seconds but not the `Killed process` lines, so a kill without a report is kept
//! apart ([`Reports::bare_kills`]).

use std::fmt;

use anyhow::{Context as _, Result, bail};

use super::details::Details;

/// All reports of a stretch of log.
#[derive(Debug, Default)]
pub struct Reports {
    /// In the order of the log.
    pub reports: Vec<Report>,
    /// Kills that belong to no report.
    pub bare_kills: Vec<Kill>,
}

/// One report.
#[derive(Debug, Default)]
pub struct Report {
    /// Name of the task that "invoked oom-killer".
    pub trigger_comm: Vec<u8>,
    /// Its thread id, from the `CPU: … PID: …` line; `None` when that line is missing.
    pub trigger_tid: Option<i32>,
    /// The mask of the allocation.
    pub gfp_mask: u64,
    /// log2 of the pages wanted; -1 for sysrq.
    pub order: i32,
    /// The trigger's.
    pub trigger_adj: i32,
    /// The task table.
    pub rows: Vec<Row>,
    /// The `oom-kill:` line; `None` when nobody was chosen by a scan.
    pub summary: Option<Summary>,
    /// `Killed process` lines, in order.
    pub kills: Vec<Kill>,
    /// The cgroup that is killed as a group.
    pub group: Option<String>,
    /// "Out of memory and no killable processes".
    pub none_killable: bool,
    /// What it says beside the choice.
    pub details: Details,
}

/// A row of the task table: a process with an mm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Thread id of the thread whose mm it is.
    pub tid: i32,
    /// Uid in the init namespace.
    pub uid: u32,
    /// Process id.
    pub tgid: i32,
    /// Pages of address space.
    pub total_vm: i64,
    /// Resident pages.
    pub rss: i64,
    /// Resident pages by kind; kernels before 6.8 do not print them.
    pub parts: Option<Parts>,
    /// Bytes of page tables.
    pub pgtables_bytes: i64,
    /// Swap entries.
    pub swapents: i64,
    /// The adjustment.
    pub oom_score_adj: i32,
    /// Name of that thread.
    pub name: Vec<u8>,
}

/// Resident pages by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Anonymous.
    pub anon: i64,
    /// Of files.
    pub file: i64,
    /// Shared memory.
    pub shmem: i64,
}

/// The `oom-kill:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `CONSTRAINT_NONE`, `CONSTRAINT_MEMCG`…
    pub constraint: String,
    /// The limiting cgroup; `None` for a global OOM.
    pub oom_memcg: Option<String>,
    /// The chosen one's cgroup.
    pub task_memcg: String,
    /// Process id of the chosen one.
    pub pid: i32,
    /// Its uid.
    pub uid: u32,
}

/// A `Killed process` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// What comes before: `Out of memory`, `Memory cgroup out of memory`…
    pub prefix: String,
    /// Thread id of the thread whose mm it is; not always the process id.
    pub tid: i32,
    /// Name of that thread.
    pub comm: Vec<u8>,
    /// Anonymous memory.
    pub anon_kb: i64,
    /// The adjustment.
    pub oom_score_adj: i32,
}

impl Report {
    /// The row of a process.
    pub fn row(&self, tgid: i32) -> Option<&Row> {
        self.rows.iter().find(|row| row.tgid == tgid)
    }

    /// Process ids of the killed, once each, in the order of the log.
    ///
    /// The kernel logs threads; the table says whose they are. A group kill visits its first victim twice.
    pub fn killed(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        for kill in &self.kills {
            let pid = self.rows.iter().find(|row| row.tid == kill.tid).map_or(kill.tid, |row| row.tgid);
            if !pids.contains(&pid) {
                pids.push(pid);
            }
        }
        pids
    }

    /// Whether this is the report of an OOM of the cgroup at `path`.
    pub fn is_of(&self, path: &str) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.oom_memcg.as_deref() == Some(path))
    }
}

impl Reports {
    /// Parses the messages of a stretch of log.
    pub fn parse<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let mut all = Self::default();
        let mut columns = None;
        for message in messages {
            all.take(message, &mut columns).with_context(|| {
                format!("cannot read this line of the kernel's report: {}", Shown(message))
            })?;
        }
        Ok(all)
    }

    fn take(&mut self, message: &[u8], columns: &mut Option<Columns>) -> Result<()> {
        const INVOKED: &[u8] = b" invoked oom-killer: ";
        if let Some((comm, rest)) = split(message, INVOKED) {
            self.reports.push(invoked(comm, &text(rest)?)?);
            *columns = None;
            return Ok(());
        }
        if let Some((prefix, rest)) = split(message, b": Killed process ") {
            let kill = kill(prefix, rest)?;
            match self.reports.last_mut() {
                Some(report) if report.kills.is_empty() || report.group.is_some() => report.kills.push(kill),
                _ => self.bare_kills.push(kill),
            }
            return Ok(());
        }
        let Some(report) = self.reports.last_mut() else { return Ok(()) };
        // What comes later may look like a part of it.
        if report.kills.is_empty() && !report.none_killable {
            report.details.take(message);
        }
        if message.starts_with(b"CPU: ") && report.trigger_tid.is_none() {
            report.trigger_tid = Some(number_after(&String::from_utf8_lossy(message), "PID: ")?);
        } else if message.starts_with(b"[  pid  ]") {
            *columns = Some(Columns::from_header(&text(message)?)?);
        } else if let Some(summary) = message.strip_prefix(b"oom-kill:") {
            report.summary = Some(self::summary(summary)?);
            *columns = None;
        } else if let Some(rest) = message.strip_prefix(b"Tasks in ") {
            let (path, _) = split(rest, b" are going to be killed").context("no path")?;
            report.group = Some(text(path)?);
        } else if split(message, b"Out of memory and no killable processes").is_some() {
            report.none_killable = true;
        } else if let Some(columns) = columns
            && message.starts_with(b"[")
        {
            report.rows.push(columns.row(message)?);
        }
        Ok(())
    }
}

/// Which era's table it is.
#[derive(Clone, Copy)]
struct Columns {
    with_parts: bool,
}

impl Columns {
    fn from_header(header: &str) -> Result<Self> {
        let (_, names) = header.split_once(']').context("no bracket")?;
        match names.split_whitespace().collect::<Vec<_>>().join(" ").as_str() {
            "uid tgid total_vm rss pgtables_bytes swapents oom_score_adj name" => {
                Ok(Self { with_parts: false })
            }
            "uid tgid total_vm rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name" => {
                Ok(Self { with_parts: true })
            }
            other => bail!("the table has columns that are not known: {other}"),
        }
    }

    /// Numbers first, padded with spaces; then one space and the name, which may hold anything.
    fn row(self, message: &[u8]) -> Result<Row> {
        let (tid, mut rest) = split(&message[1..], b"]").context("no bracket")?;
        let tid = text(tid)?.trim().parse().context("pid is not a number")?;
        let mut next = || -> Result<i64> {
            let start = rest.iter().position(|byte| *byte != b' ').context("too few columns")?;
            let end = rest[start..].iter().position(|byte| *byte == b' ').map_or(rest.len(), |at| start + at);
            let number = text(&rest[start..end])?.parse().context("not a number")?;
            rest = &rest[end..];
            Ok(number)
        };
        let uid = u32::try_from(next()?)?;
        let tgid = i32::try_from(next()?)?;
        let total_vm = next()?;
        let rss = next()?;
        let parts = match self.with_parts {
            true => Some(Parts { anon: next()?, file: next()?, shmem: next()? }),
            false => None,
        };
        let pgtables_bytes = next()?;
        let swapents = next()?;
        let oom_score_adj = i32::try_from(next()?)?;
        let name = rest.strip_prefix(b" ").unwrap_or(rest).to_vec();
        Ok(Row { tid, uid, tgid, total_vm, rss, parts, pgtables_bytes, swapents, oom_score_adj, name })
    }
}

fn invoked(comm: &[u8], rest: &str) -> Result<Report> {
    let mask = rest.strip_prefix("gfp_mask=0x").context("no gfp_mask")?;
    let mask = mask.split(['(', ',']).next().unwrap_or_default();
    Ok(Report {
        trigger_comm: comm.to_vec(),
        gfp_mask: u64::from_str_radix(mask, 16).context("gfp_mask is not a number")?,
        order: number_after(rest, "order=")?,
        trigger_adj: number_after(rest, "oom_score_adj=")?,
        ..Report::default()
    })
}

fn summary(line: &[u8]) -> Result<Summary> {
    // The task's name stands between paths and pid and may hold anything: fixed words are looked for from both ends.
    let (before, after) = split(line, b",task=").context("no task=")?;
    let before = text(before)?;
    let after = String::from_utf8_lossy(after).into_owned();
    let at = after.rfind(",pid=").context("no pid=")?;
    let constraint =
        before.split(',').find_map(|word| word.strip_prefix("constraint=")).context("no constraint")?;
    let (place, task_memcg) = before.split_once(",task_memcg=").context("no task_memcg")?;
    Ok(Summary {
        constraint: constraint.to_owned(),
        oom_memcg: place.split_once(",oom_memcg=").map(|(_, path)| path.to_owned()),
        task_memcg: task_memcg.to_owned(),
        pid: number_after(&after[at..], ",pid=")?,
        uid: number_after(&after[at..], ",uid=")?,
    })
}

fn kill(prefix: &[u8], rest: &[u8]) -> Result<Kill> {
    let (tid, rest) = split(rest, b" (").context("no name")?;
    let at = rest
        .windows(b") total-vm:".len())
        .rposition(|window| window == b") total-vm:")
        .context("the name does not end")?;
    let sizes = text(&rest[at..])?;
    Ok(Kill {
        prefix: text(prefix)?,
        tid: text(tid)?.parse().context("pid is not a number")?,
        comm: rest[..at].to_vec(),
        anon_kb: number_after(&sizes, "anon-rss:")?,
        oom_score_adj: number_after(&sizes, "oom_score_adj:")?,
    })
}

/// The number that follows the first `key`.
fn number_after<T: std::str::FromStr>(line: &str, key: &str) -> Result<T> {
    let (_, rest) = line.split_once(key).with_context(|| format!("no {key}"))?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest[..end].parse().ok().with_context(|| format!("no number after {key}"))
}

/// Splits at the first `needle`.
fn split<'a>(haystack: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = haystack.windows(needle.len()).position(|window| window == needle)?;
    Some((&haystack[..at], &haystack[at + needle.len()..]))
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).context("not UTF-8 where only a name may be so")
}

/// A line of the log, readable.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests;
