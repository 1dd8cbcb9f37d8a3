//! `COMM invoked oom-killer: gfp_mask=0x201da, order=0, …`: the first line of a report (`dump_header()`).
//!
//! | kernel | behind the colon |
//! |---|---|
//! | 2.6.9 to 2.6.19 | none of it: `oom-killer: gfp_mask=0xd2` alone |
//! | to 2.6.31 | `gfp_mask=0xHEX, order=N, oomkilladj=N` |
//! | 2.6.32 to 2.6.35 | `…, order=N, oom_adj=N` |
//! | 2.6.36 to 3.6 | `…, order=N, oom_adj=N, oom_score_adj=N` |
//! | 3.7 to 4.5 | `…, order=N, oom_score_adj=N` |
//! | 4.6 to 4.8 | `gfp_mask=0xHEX(FLAGS), order=N, oom_score_adj=N` |
//! | 4.9 to 4.20 | `gfp_mask=0xHEX(FLAGS), nodemask=LIST, order=N, oom_score_adj=N`, with variations in the order |
//! | 5.0 and later | `gfp_mask=0xHEX(FLAGS), order=N, oom_score_adj=N` |

use super::super::bytes::{Cursor, find, rfind};
use super::{Fact, Parsed, fact};

const INVOKED: &[u8] = b" invoked oom-killer: ";
/// `COMM cpuset=NAME mems_allowed=LIST` (2.6.31 to 4.20).
const CPUSET: &[u8] = b" cpuset=";
const MEMS_ALLOWED: &[u8] = b" mems_allowed=";
const BARE: &[u8] = b"oom-killer: ";

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::klog) struct Trigger<'a> {
    pub(in crate::source::klog) comm: Option<&'a [u8]>,
    pub(in crate::source::klog) gfp_mask: Option<u32>,
    pub(in crate::source::klog) gfp_names: Option<&'a [u8]>,
    pub(in crate::source::klog) order: Option<i32>,
    pub(in crate::source::klog) oom_score_adj: Option<i16>,
    /// `oom_adj`, or `oomkilladj`: -17 to 15.
    pub(in crate::source::klog) oom_adj: Option<i16>,
    /// `(null)` is an empty list.
    pub(in crate::source::klog) nodemask: Option<&'a [u8]>,
}

pub(super) fn parse<'a>(line: &'a [u8]) -> Parsed<'a> {
    // A name has no room for those words.
    if let Some(at) = rfind(line, INVOKED) {
        return fact(fields(Some(&line[..at]), &line[at + INVOKED.len()..]));
    }
    if let Some(at) = rfind(line, MEMS_ALLOWED)
        && let Some(before) = find(&line[..at], CPUSET)
    {
        let (cpuset, mems_allowed) = (&line[before + CPUSET.len()..at], &line[at + MEMS_ALLOWED.len()..]);
        return Parsed::Fact(Fact::Cpuset { cpuset, mems_allowed });
    }
    match line.strip_prefix(BARE) {
        Some(rest) if rest.starts_with(b"gfp_mask=") => fact(fields(None, rest)),
        _ => Parsed::Other,
    }
}

fn fields<'a>(comm: Option<&'a [u8]>, rest: &'a [u8]) -> Option<Fact<'a>> {
    let mut trigger = Trigger { comm, ..Trigger::default() };
    let mut cursor = Cursor(rest);
    while !cursor.is_done() {
        cursor.blanks();
        let key = cursor.until(b"=")?;
        match key {
            b"gfp_mask" => {
                trigger.gfp_mask = Some(u32::try_from(cursor.hex()?).ok()?);
                if cursor.tag(b"(").is_some() {
                    trigger.gfp_names = Some(cursor.until(b")")?);
                }
            }
            b"order" => trigger.order = Some(cursor.number()?),
            b"oom_score_adj" => trigger.oom_score_adj = Some(cursor.number()?),
            b"oom_adj" | b"oomkilladj" => trigger.oom_adj = Some(cursor.number()?),
            // A list has commas; what follows is always another key.
            b"nodemask" => {
                let list = cursor.run(|byte| byte.is_ascii_digit() || b"-,(nul)".contains(&byte));
                trigger.nodemask = Some(list.strip_suffix(b",").unwrap_or(list));
                cursor.blanks();
                continue;
            }
            _ => return None,
        }
        if cursor.tag(b",").is_none() && !cursor.is_done() {
            return None;
        }
    }
    trigger.gfp_mask?;
    Some(Fact::Trigger(trigger))
}
