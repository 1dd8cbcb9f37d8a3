//! What a memcg's report says in place of Mem-Info (`mem_cgroup_print_oom_meminfo()`, `mem_cgroup_print_oom_info()`).
//!
//! | kernel | lines |
//! |---|---|
//! | to 4.20 | `Task in A killed as a result of limit of B`; from 5.0 on the summary has the paths |
//! | all | `memory: usage NkB, limit NkB, failcnt N`; v1 `memory+swap: …`, `kmem: …`; v2 `swap: …` |
//! | 3.x to 5.2 | `Memory cgroup stats for PATH: cache:NKB rss:NKB …`, one line for each cgroup below |
//! | 5.3 and later | `Memory cgroup stats for PATH:`, then `name value` as in `memory.stat` |
//! | 6.19 and later | `Memory cgroup min protection NkB -- low protection NkB` |

use super::super::bytes::{Cursor, decimal, rfind};
use super::{Fact, Parsed, fact};

/// Usage of one counter of a memcg, kB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::klog) struct Usage {
    pub(in crate::source::klog) of: Of,
    pub(in crate::source::klog) usage_kb: u64,
    pub(in crate::source::klog) limit_kb: u64,
    pub(in crate::source::klog) failcnt: u64,
}

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::klog) enum Of {
    Memory,
    /// v2.
    Swap,
    /// v1: memory and swap.
    MemorySwap,
    /// v1.
    Kernel,
}

const USAGES: [(&[u8], Of); 4] = [
    (b"memory: usage ", Of::Memory),
    (b"swap: usage ", Of::Swap),
    (b"memory+swap: usage ", Of::MemorySwap),
    (b"kmem: usage ", Of::Kernel),
];
const STATS: &[u8] = b"Memory cgroup stats for ";
const KILLED_AS: &[u8] = b" killed as a result of limit of ";

pub(super) fn parse<'a>(line: &'a [u8], in_stats: bool) -> Parsed<'a> {
    for (prefix, of) in USAGES {
        if let Some(rest) = line.strip_prefix(prefix) {
            return fact(usage(rest, of));
        }
    }
    if let Some(rest) = line.strip_prefix(STATS) {
        return fact(stats(rest));
    }
    if line.starts_with(b"Memory cgroup min protection ") {
        return Parsed::Fact(Fact::Known);
    }
    if let Some(rest) = line.strip_prefix(b"Task in ") {
        return match rfind(rest, KILLED_AS) {
            Some(at) => {
                Parsed::Fact(Fact::TaskIn { task: &rest[..at], limit: &rest[at + KILLED_AS.len()..] })
            }
            None => Parsed::Other,
        };
    }
    if in_stats {
        return stat(line);
    }
    Parsed::Other
}

fn usage(rest: &[u8], of: Of) -> Option<Fact<'_>> {
    let mut cursor = Cursor(rest);
    let usage_kb = cursor.u64()?;
    cursor.tag(b"kB, limit ")?;
    let limit_kb = cursor.u64()?;
    cursor.tag(b"kB, failcnt ")?;
    let failcnt = cursor.u64()?;
    cursor.is_done().then_some(Fact::Usage(Usage { of, usage_kb, limit_kb, failcnt }))
}

/// `PATH:`, or `PATH: cache:12KB rss:34KB …`. A path may have colons: counters are what comes behind the last `: `.
fn stats(rest: &[u8]) -> Option<Fact<'_>> {
    if let Some(path) = rest.strip_suffix(b":") {
        return Some(Fact::MemcgStats { path, counters: Vec::new() });
    }
    let at = rfind(rest, b": ").map(|at| (at, at + 2)).or_else(|| {
        // 3.x: `stats for PATH: cache:…` has the blank; some print none.
        rfind(rest, b":cache:").map(|at| (at, at + 1))
    })?;
    let words = rest[at.1..].split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let counters: Option<Vec<_>> = words
        .map(|word| {
            let colon = memchr::memrchr(b':', word)?;
            let number = word[colon + 1..].strip_suffix(b"KB")?;
            Some((&word[..colon], decimal(number)?.checked_mul(1024)?))
        })
        .collect();
    Some(Fact::MemcgStats { path: &rest[..at.0], counters: counters? })
}

/// `name value`.
fn stat(line: &[u8]) -> Parsed<'_> {
    let mut cursor = Cursor(line);
    let name = cursor.run(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if name.is_empty() || cursor.tag(b" ").is_none() || !cursor.0.first().is_some_and(u8::is_ascii_digit) {
        return Parsed::Other;
    }
    let value = cursor.u64();
    match value {
        Some(value) if cursor.is_done() => Parsed::Fact(Fact::Stat(name, value)),
        None => Parsed::Unread,
        Some(_) => Parsed::Other,
    }
}
