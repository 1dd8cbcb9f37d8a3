//! `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/b,task_memcg=/b/c,task=hog,pid=1,uid=0`
//! (`dump_oom_victim()`, earlier `dump_oom_summary()`; 5.0 and later).

use super::super::bytes::{Cursor, find, rfind};
use super::{Fact, Parsed, fact};
use crate::model::observation::Constraint;

/// The summary of the choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source::klog) struct Summary<'a> {
    pub(in crate::source::klog) constraint: Constraint,
    pub(in crate::source::klog) nodemask: &'a [u8],
    pub(in crate::source::klog) cpuset: &'a [u8],
    pub(in crate::source::klog) mems_allowed: &'a [u8],
    /// `None`: `global_oom`; empty when it cannot be told.
    pub(in crate::source::klog) oom_memcg: Option<&'a [u8]>,
    /// `PATH,task=COMM`: both may have commas and equals signs, so that they are told apart by whoever knows one of them
    /// ([`task`]). `None`: the limit's path cannot be told from it.
    pub(in crate::source::klog) task: Option<&'a [u8]>,
    pub(in crate::source::klog) pid: i32,
    pub(in crate::source::klog) uid: u32,
}

pub(super) fn parse<'a>(line: &'a [u8]) -> Parsed<'a> {
    match line.strip_prefix(b"oom-kill:") {
        Some(rest) => fact(summary(rest).map(Fact::Summary)),
        None => Parsed::Other,
    }
}

/// Numbers at both ends are sure; names and paths between may have commas and equals signs.
fn summary(rest: &[u8]) -> Option<Summary<'_>> {
    let mut cursor = Cursor(rest);
    cursor.tag(b"constraint=CONSTRAINT_")?;
    let constraint = match cursor.until(b",")? {
        b"NONE" => Constraint::None,
        b"CPUSET" => Constraint::Cpuset,
        b"MEMORY_POLICY" => Constraint::MemoryPolicy,
        b"MEMCG" => Constraint::Memcg,
        _ => return None,
    };
    cursor.tag(b"nodemask=")?;
    let nodemask = cursor.until(b",cpuset=")?;
    let cpuset = cursor.until(b",mems_allowed=")?;
    let at =
        [&b",oom_memcg="[..], b",global_oom"].into_iter().filter_map(|next| find(cursor.0, next)).min()?;
    let (mems_allowed, rest) = cursor.0.split_at(at);
    let (rest, uid) = rest.split_at(rfind(rest, b",uid=")?);
    let (rest, pid) = rest.split_at(rfind(rest, b",pid=")?);
    let (uid, pid) = (number(&uid[5..])?, number(&pid[5..])?);
    const TASK_MEMCG: &[u8] = b",task_memcg=";
    let split = find(rest, TASK_MEMCG).filter(|&at| rfind(rest, TASK_MEMCG) == Some(at));
    let (limit, task) = match split {
        Some(at) => (Some(&rest[..at]), Some(&rest[at + TASK_MEMCG.len()..])),
        None => (None, None),
    };
    let global = rest.starts_with(b",global_oom");
    let limit = limit.and_then(|limit| limit.strip_prefix(b",oom_memcg="));
    if !global && !rest.starts_with(b",oom_memcg=") {
        return None;
    }
    let pid = i32::try_from(pid).ok().filter(|&pid| pid > 0)?;
    let uid = u32::try_from(uid).ok()?;
    let oom_memcg = (!global).then_some(limit.unwrap_or_default());
    Some(Summary { constraint, nodemask, cpuset, mems_allowed, oom_memcg, task, pid, uid })
}

/// Takes `PATH,task=COMM` apart. `known` is the name as another line has it; without it, only what can be read in one way is.
pub(in crate::source::klog) fn task<'a>(
    text: &'a [u8],
    known: Option<&[u8]>,
) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    const TASK: &[u8] = b",task=";
    let by_name = known.and_then(|name| text.strip_suffix(name)?.strip_suffix(TASK));
    let only = find(text, TASK).filter(|&at| rfind(text, TASK) == Some(at));
    match (by_name, only) {
        (Some(path), _) => (Some(path), Some(&text[path.len() + TASK.len()..])),
        (None, Some(at)) => (Some(&text[..at]), Some(&text[at + TASK.len()..])),
        (None, None) => (None, None),
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let mut cursor = Cursor(text);
    cursor.u64().filter(|_| cursor.is_done())
}

/// The numbers of a list such as `0-3,5`; `None` when it is none, or longer than any machine has nodes.
pub(in crate::source::klog) fn nodes(list: &[u8]) -> Option<Vec<u32>> {
    const MOST: u32 = 1 << 10;
    let mut nodes = Vec::new();
    for range in list.split(|&byte| byte == b',') {
        let mut cursor = Cursor(range);
        let first: u32 = cursor.number()?;
        let last: u32 = if cursor.tag(b"-").is_some() { cursor.number()? } else { first };
        if !cursor.is_done() || last < first || last >= MOST {
            return None;
        }
        nodes.extend(first..=last);
    }
    (nodes.len() <= MOST as usize).then_some(nodes)
}
