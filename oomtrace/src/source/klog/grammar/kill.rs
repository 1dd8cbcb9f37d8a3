//! The kill and what follows it: who was chosen, who was killed, the group, the reaper.
//!
//! | kernel | text |
//! |---|---|
//! | to 2.6.1x | `Out of Memory: Killed process PID (COMM).` |
//! | 2.6.2x to 2.6.33 | `Out of memory: kill process PID (COMM) score N or a child`, `Killed process PID (COMM)` |
//! | 2.6.34, 2.6.35 | `Killed process PID (COMM) vsz:NkB, anon-rss:NkB, file-rss:NkB` |
//! | 2.6.36 to 5.0 | `PREFIX: Kill process PID (COMM) score N or sacrifice child`, `Killed process PID (COMM) total-vm:NkB, …` |
//! | 5.1 to 5.3 | `PREFIX: Killed process PID (COMM) total-vm:NkB, anon-rss:NkB, file-rss:NkB, shmem-rss:NkB` |
//! | 5.4 and later | the same with `, UID:N pgtables:NkB oom_score_adj:N` |
//!
//! `UID: N pgtables` was printed in bytes and called kB by the first 5.4: such a number is not used.

use super::super::bytes::{Cursor, decimal, find, rfind};
use super::{Fact, Parsed, fact};

/// A process that was killed. Sizes are kB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::klog) struct Killed<'a> {
    /// What comes before, for example `Memory cgroup out of memory`; empty in old kernels.
    pub(in crate::source::klog) prefix: &'a [u8],
    /// The thread that has the mm: nearly always the leader.
    pub(in crate::source::klog) tid: i32,
    pub(in crate::source::klog) comm: &'a [u8],
    pub(in crate::source::klog) total_vm_kb: Option<u64>,
    pub(in crate::source::klog) rss: Rss,
    pub(in crate::source::klog) uid: Option<u32>,
    pub(in crate::source::klog) pgtables_kb: Option<u64>,
    pub(in crate::source::klog) oom_score_adj: Option<i16>,
}

/// RSS by kind, kB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::source::klog) struct Rss {
    pub(in crate::source::klog) anon_kb: Option<u64>,
    pub(in crate::source::klog) file_kb: Option<u64>,
    pub(in crate::source::klog) shmem_kb: Option<u64>,
}

const KILLED: &[u8] = b"Killed process ";
const GROUP: &[u8] = b" are going to be killed due to memory.oom.group set";

pub(super) fn parse<'a>(line: &'a [u8]) -> Parsed<'a> {
    if let Some(at) = find(line, KILLED) {
        let (prefix, rest) = (&line[..at], &line[at + KILLED.len()..]);
        return match prefix_of(prefix) {
            Some(prefix) => fact(killed(prefix, rest).map(Fact::Killed)),
            None => Parsed::Other,
        };
    }
    for word in [&b"Kill process "[..], b"kill process "] {
        if let Some(at) = find(line, word)
            && let Some(prefix) = prefix_of(&line[..at])
        {
            return fact(chosen(prefix, &line[at + word.len()..]));
        }
    }
    if let Some(rest) = line.strip_prefix(b"Tasks in ") {
        return match rest.strip_suffix(GROUP) {
            Some(path) => Parsed::Fact(Fact::Group(path)),
            None => Parsed::Other,
        };
    }
    if find(line, b"ut of memory and no killable processes...").is_some() {
        return Parsed::Fact(Fact::NoneKillable);
    }
    if let Some(rest) = line.strip_prefix(b"OOM victim ") {
        return fact(already_exiting(rest));
    }
    if let Some(rest) = line.strip_prefix(b"oom_reaper: ") {
        return reaper(rest);
    }
    if let Some(at) = find(line, b" callbacks suppressed") {
        let mut cursor = Cursor(&line[..at]);
        return match cursor.tag(b"oom_kill_process: ").or_else(|| cursor.tag(b"dump_header: ")) {
            Some(()) => fact(decimal(cursor.0).map(Fact::Suppressed)),
            None => Parsed::Other,
        };
    }
    Parsed::Other
}

/// `PREFIX: `, or nothing; anything else is a sentence of somebody else.
fn prefix_of(text: &[u8]) -> Option<&[u8]> {
    if text.is_empty() {
        return Some(text);
    }
    let prefix = text.strip_suffix(b": ")?;
    let known = [&b"Out of memory"[..], b"Out of Memory", b"Memory cgroup out of memory"];
    known.iter().any(|known| prefix.starts_with(known)).then_some(prefix)
}

/// `PID (COMM) …`: the name ends at the last `) ` that what follows allows.
fn killed<'a>(prefix: &'a [u8], rest: &'a [u8]) -> Option<Killed<'a>> {
    let mut cursor = Cursor(rest);
    let tid = cursor.number().filter(|&tid| tid > 0)?;
    // `Killed process 1234, UID 0, (name) …` was in some vendors' kernels.
    if cursor.tag(b", UID ").is_some() {
        cursor.u64()?;
        cursor.tag(b",")?;
    }
    cursor.tag(b" (")?;
    let text = cursor.0;
    let tail = [&b") total-vm:"[..], b") vsz:"].into_iter().find_map(|mark| rfind(text, mark));
    let mut killed = Killed { prefix, tid, ..Killed::default() };
    let Some(at) = tail else {
        let at = rfind(text, b")")?;
        // Nothing may follow but a full stop.
        if !matches!(&text[at..], b")" | b").") {
            return None;
        }
        killed.comm = &text[..at];
        return Some(killed);
    };
    killed.comm = &text[..at];
    let mut cursor = Cursor(&text[at + 2..]);
    while !cursor.is_done() {
        let key = cursor.until(b":")?;
        match key {
            b"total-vm" | b"vsz" => killed.total_vm_kb = Some(kb(&mut cursor)?),
            b"anon-rss" => killed.rss.anon_kb = Some(kb(&mut cursor)?),
            b"file-rss" => killed.rss.file_kb = Some(kb(&mut cursor)?),
            b"shmem-rss" => killed.rss.shmem_kb = Some(kb(&mut cursor)?),
            b"UID" => killed.uid = Some(u32::try_from(cursor.u64()?).ok()?),
            b"pgtables" => killed.pgtables_kb = Some(kb(&mut cursor)?),
            b"oom_score_adj" => killed.oom_score_adj = Some(cursor.number()?),
            _ => return None,
        }
        cursor.tag(b",");
        cursor.blanks();
    }
    Some(killed)
}

/// `PID (COMM) score N or sacrifice child`.
fn chosen<'a>(prefix: &'a [u8], rest: &'a [u8]) -> Option<Fact<'a>> {
    let mut cursor = Cursor(rest);
    let pid = cursor.number().filter(|&pid| pid > 0)?;
    cursor.tag(b" (")?;
    let at = rfind(cursor.0, b") score ")?;
    let comm = &cursor.0[..at];
    let mut cursor = Cursor(&cursor.0[at + 8..]);
    let score = cursor.i64()?;
    let after = cursor.0;
    matches!(after, b" or sacrifice child" | b" or a child" | b" and children" | b"")
        .then_some(Fact::Chosen { prefix, pid, comm, score: Some(score) })
}

/// `PID (COMM) is already exiting. Skip killing the task`.
fn already_exiting(rest: &[u8]) -> Option<Fact<'_>> {
    let mut cursor = Cursor(rest);
    let pid = cursor.number().filter(|&pid| pid > 0)?;
    cursor.tag(b" (")?;
    let at = rfind(cursor.0, b") is already exiting")?;
    Some(Fact::AlreadyExiting { pid, comm: &cursor.0[..at] })
}

/// `reaped process PID (COMM), now anon-rss:NkB, file-rss:NkB, shmem-rss:NkB`.
fn reaper(rest: &[u8]) -> Parsed<'_> {
    let Some(rest) = rest.strip_prefix(b"reaped process ") else {
        // `unable to reap pid:N (COMM)`: nothing came of it.
        return Parsed::Fact(Fact::Known);
    };
    let reaped = || {
        let mut cursor = Cursor(rest);
        let pid = cursor.number().filter(|&pid| pid > 0)?;
        cursor.tag(b" (")?;
        let at = rfind(cursor.0, b"), now anon-rss:")?;
        let comm = &cursor.0[..at];
        let mut cursor = Cursor(&cursor.0[at + 16..]);
        let anon_kb = Some(kb(&mut cursor)?);
        cursor.tag(b", file-rss:")?;
        let file_kb = Some(kb(&mut cursor)?);
        let shmem_kb = match cursor.tag(b", shmem-rss:") {
            Some(()) => Some(kb(&mut cursor)?),
            None => None,
        };
        cursor.is_done().then_some(Fact::Reaped { pid, comm, left: Rss { anon_kb, file_kb, shmem_kb } })
    };
    fact(reaped())
}

fn kb(cursor: &mut Cursor<'_>) -> Option<u64> {
    let number = cursor.u64()?;
    cursor.tag(b"kB").or_else(|| cursor.tag(b"KB")).map(|()| number)
}
