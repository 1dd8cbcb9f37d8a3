//! Lines of nodes and zones: counters, watermarks, free blocks (`show_free_areas()`).
//!
//! Before 4.8 all counters are of zones. Sizes are kB in all eras; 2.4 and early 2.6 have none of these lines.

use super::super::bytes::{Cursor, decimal, find};
use super::{Fact, Parsed, fact};

/// A zone's counters and watermarks, kB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source::klog) struct Zone<'a> {
    pub(in crate::source::klog) node: u32,
    pub(in crate::source::klog) name: &'a [u8],
    pub(in crate::source::klog) counters_kb: Vec<(&'a [u8], u64)>,
}

/// Free blocks of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source::klog) struct Buddy<'a> {
    pub(in crate::source::klog) node: u32,
    pub(in crate::source::klog) name: &'a [u8],
    /// Blocks of each order.
    pub(in crate::source::klog) blocks: Vec<u64>,
    /// kB of a block of order 0: a page.
    pub(in crate::source::klog) page_kb: Option<u64>,
}

pub(super) fn parse<'a>(line: &'a [u8]) -> Parsed<'a> {
    if let Some(rest) = line.strip_prefix(b"lowmem_reserve[]:") {
        let numbers = rest.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let numbers: Option<Vec<i64>> = numbers.map(|word| Cursor(word).i64()).collect();
        return fact(numbers.map(Fact::Reserve));
    }
    let (node, rest) = match line.strip_prefix(b"Node ") {
        Some(rest) => {
            let mut cursor = Cursor(rest);
            let Some(node) = cursor.number() else { return Parsed::Unread };
            cursor.blanks();
            (node, cursor.0)
        }
        // Machines with one node did not name it.
        None if zone_name(line).is_some() => (0, line),
        None => return Parsed::Other,
    };
    if rest.starts_with(b"hugepages_total=")
        || rest.ends_with(b" per-cpu:")
        || rest.ends_with(b" per-cpu: empty")
    {
        return Parsed::Fact(Fact::Known);
    }
    if rest.starts_with(b"active_anon:") {
        return fact(counters(rest).map(|counters| Fact::Node { node, counters }));
    }
    let Some(name) = zone_name(rest) else { return Parsed::Other };
    let after = &rest[name.len()..];
    if let Some(blocks) = after.strip_prefix(b": ") {
        return if find(blocks, b"*").is_some() {
            fact(buddy(node, name, blocks))
        } else {
            // `empty`, or a boot message.
            Parsed::Other
        };
    }
    if after.starts_with(b" free:") {
        return fact(counters(after).map(|counters_kb| Fact::Zone(Zone { node, name, counters_kb })));
    }
    Parsed::Other
}

fn zone_name(rest: &[u8]) -> Option<&[u8]> {
    let names = [&b"DMA32"[..], b"DMA", b"Normal", b"HighMem", b"Movable", b"Device"];
    names.into_iter().find(|name| {
        rest.strip_prefix(*name).is_some_and(|after| after.starts_with(b" ") || after.starts_with(b":"))
    })
}

/// `free:4392kB boost:0kB … all_unreclaimable? yes`. A few have a blank between name and value.
fn counters(text: &[u8]) -> Option<Vec<(&[u8], u64)>> {
    let mut cursor = Cursor(text);
    let mut counters = Vec::with_capacity(24);
    loop {
        cursor.blanks();
        if cursor.0.is_empty() {
            return Some(counters);
        }
        let name = cursor.run(|byte| byte.is_ascii_alphanumeric() || b"_()".contains(&byte));
        if cursor.tag(b"? ").is_some() {
            // `all_unreclaimable? yes`.
            cursor.run(|byte| byte != b' ');
            continue;
        }
        cursor.tag(b":")?;
        cursor.blanks();
        let value = cursor.u64()?;
        let kb = cursor.tag(b"kB").or_else(|| cursor.tag(b"KB")).is_some();
        if cursor.0.first().is_some_and(|&byte| byte != b' ') {
            return None;
        }
        // `pages_scanned:N` is a count.
        if kb {
            counters.push((name, value));
        }
    }
}

/// `2*4kB (UM) 2*8kB … = 4392kB`.
fn buddy<'a>(node: u32, name: &'a [u8], text: &[u8]) -> Option<Fact<'a>> {
    let mut blocks = Vec::with_capacity(11);
    let mut page_kb = None;
    let (list, total) = text.split_at(find(text, b"= ")?);
    let mut sum = 0_u64;
    for word in list.split(|&byte| byte == b' ').filter(|word| !word.is_empty() && !word.starts_with(b"(")) {
        let star = memchr::memchr(b'*', word)?;
        let (count, size) = (decimal(&word[..star])?, decimal(word[star + 1..].strip_suffix(b"kB")?)?);
        page_kb.get_or_insert(size);
        sum = sum.checked_add(count.checked_mul(size)?)?;
        blocks.push(count);
    }
    // The kernel has added them up itself: a line with a byte gone does not pass.
    let mut cursor = Cursor(total);
    cursor.tag(b"= ")?;
    (cursor.u64()? == sum).then_some(Fact::Buddy(Buddy { node, name, blocks, page_kb }))
}
