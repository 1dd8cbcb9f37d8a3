//! `Mem-Info:` and the sums over the machine (`show_mem()`, `show_free_areas()`).

use super::super::bytes::{Cursor, decimal, find};
use super::{Fact, Parsed, fact};

/// A number of the machine; pages unless the name says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::klog) enum Machine {
    PageCache(u64),
    SwapCache(u64),
    FreeSwapKb(u64),
    TotalSwapKb(u64),
    Ram(u64),
    HighMem(u64),
    Reserved(u64),
    Cma(u64),
    HwPoisoned(u64),
}

/// Counters of the first lines, by their names since 2.6.2x; each begins one of those lines.
const FIRST: [&[u8]; 17] = [
    b"active_anon:",
    b"active_file:",
    b"unevictable:",
    b"slab_reclaimable:",
    b"mapped:",
    b"sec_pagetables:",
    b"bounce:",
    b"kernel_misc_reclaimable:",
    b"free:",
    b"active:",
    b"Active:",
    b"inactive_file:",
    b"isolated_anon:",
    b"zspages:",
    b"inactive_anon:",
    b"dirty:",
    b"shmem:",
];

pub(super) fn parse<'a>(line: &'a [u8]) -> Parsed<'a> {
    if line.starts_with(b"Mem-Info:") || line.starts_with(b"Mem-info:") {
        return Parsed::Fact(Fact::MemInfo);
    }
    if FIRST.iter().any(|first| line.starts_with(first)) && find(line, b"kB").is_none() {
        return fact(pairs(line).map(Fact::Totals));
    }
    if let Some(rest) = line.strip_prefix(b"Adding ")
        && find(rest, b"k swap on ").is_some()
    {
        let mut cursor = Cursor(rest);
        let kb = cursor.u64().filter(|_| cursor.tag(b"k swap on ").is_some());
        return fact(kb.map(Fact::SwapOn));
    }
    if line.first().is_some_and(u8::is_ascii_digit) {
        return pages(line);
    }
    for (prefix, of) in [
        (&b"Free swap  = "[..], Machine::FreeSwapKb as fn(u64) -> Machine),
        (b"Total swap = ", Machine::TotalSwapKb),
        (b"Free swap:", Machine::FreeSwapKb),
    ] {
        if let Some(rest) = line.strip_prefix(prefix) {
            let mut cursor = Cursor(rest);
            cursor.blanks();
            let number = cursor.u64().filter(|_| cursor.tag(b"kB").is_some() && cursor.is_done());
            return fact(number.map(|number| Fact::Machine(of(number))));
        }
    }
    for known in [
        &b"Swap cache stats: "[..],
        b"Swap cache: ",
        b"Unreclaimable slab info:",
        b"Name                      Used",
        b"HighMem:",
    ] {
        if line.starts_with(known) {
            return Parsed::Fact(Fact::Known);
        }
    }
    // `CPU    0: hi:  186, btch:  31 usd: 103` and its likes, of the per-CPU lists.
    let mut cursor = Cursor(line);
    if cursor.tag(b"CPU ").is_some() && find(line, b" btch:").is_some() {
        return Parsed::Fact(Fact::Known);
    }
    Parsed::Other
}

/// `262005 pages RAM`.
fn pages(line: &[u8]) -> Parsed<'_> {
    let digits = Cursor(line).run(|byte| byte.is_ascii_digit());
    let what: fn(u64) -> Machine = match &line[digits.len()..] {
        b" total pagecache pages" | b" pagecache pages" => Machine::PageCache,
        b" pages in swap cache" => Machine::SwapCache,
        b" pages RAM" | b" pages of RAM" => Machine::Ram,
        b" pages HighMem/MovableOnly" | b" pages HighMem" | b" pages of HIGHMEM" => Machine::HighMem,
        b" pages reserved" | b" reserved pages" => Machine::Reserved,
        b" pages cma reserved" => Machine::Cma,
        b" pages hwpoisoned" => Machine::HwPoisoned,
        b" pages shared" | b" pages non-shared" | b" pages swap cached" | b" free pages" | b" slab pages" => {
            return Parsed::Fact(Fact::Known);
        }
        _ => return Parsed::Other,
    };
    fact(decimal(digits).map(|number| Fact::Machine(what(number))))
}

/// `name:N name:N …`.
fn pairs(line: &[u8]) -> Option<Vec<(&[u8], u64)>> {
    let words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let colon = memchr::memchr(b':', word)?;
            Some((&word[..colon], decimal(&word[colon + 1..])?))
        })
        .collect()
}
