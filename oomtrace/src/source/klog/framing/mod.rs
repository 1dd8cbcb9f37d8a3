//! One physical line: what the log put before the kernel's text, and the text.
//!
//! Told line by line, so that a file may change its form in the middle. By file:
//!
//! - here: the order in which prefixes are looked for;
//! - [`wall`]: dates and times;
//! - [`stamp`]: `[   12.345678]`, `[T123]`, `<6>`, and records of `/dev/kmsg`;
//! - [`journal`]: `journalctl -o json`.

mod journal;
mod stamp;
mod wall;

use std::borrow::Cow;

use super::bytes::{Cursor, find};
pub(super) use stamp::Caller;
pub(super) use wall::{Calendar, Wall, utc_offset};

/// A line without what the log put before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Framed<'a> {
    /// Since boot, ns.
    pub(super) mono_ns: Option<u64>,
    pub(super) wall: Option<Wall>,
    /// Who printed it, where the kernel tells (`CONFIG_PRINTK_CALLER`).
    pub(super) caller: Option<Caller>,
    pub(super) host: Option<Cow<'a, [u8]>>,
    pub(super) boot_id: Option<Cow<'a, [u8]>>,
    /// The kernel's words; several lines in one when a record of `/dev/kmsg`, or the journal, has them.
    pub(super) text: Cow<'a, [u8]>,
    /// It goes on where the line before ended: a record of several lines, of which only the first has a stamp.
    pub(super) continued: bool,
}

/// What a physical line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Framing<'a> {
    /// Of the kernel.
    Kernel(Framed<'a>),
    /// Of somebody else: another program in the same syslog.
    NotKernel,
    /// `Oops#1 Part2`: a piece of a log that pstore kept.
    Pstore,
}

/// Takes off what the log put before the kernel's text.
pub(super) fn frame<'a>(line: &'a [u8], calendar: &Calendar) -> Framing<'a> {
    let line = without_junk(line);
    if line.first() == Some(&b'{') {
        return journal::frame(line, calendar).unwrap_or(Framing::NotKernel);
    }
    if is_pstore(line) {
        return Framing::Pstore;
    }
    let mut framed = Framed::default();
    if let Some(text) = stamp::record(line, &mut framed) {
        framed.text = text;
        return Framing::Kernel(framed);
    }
    let mut cursor = Cursor(line);
    stamp::level(&mut cursor);
    if let Some(at) = wall::syslog_5424(&mut cursor, &mut framed) {
        if !at {
            return Framing::NotKernel;
        }
    } else if let Some(wall) = wall::leading(&mut cursor, calendar) {
        framed.wall = Some(wall.time);
        if wall.bare && !tag(&mut cursor, &mut framed) {
            return Framing::NotKernel;
        }
    }
    stamp::level(&mut cursor);
    stamp::stamps(&mut cursor, &mut framed);
    framed.continued = framed.mono_ns.is_none() && framed.wall.is_none();
    framed.text = Cow::Borrowed(cursor.0);
    Framing::Kernel(framed)
}

/// Serial lines end with carriage returns, files that a crash left have runs of NUL.
fn without_junk(line: &[u8]) -> &[u8] {
    let junk = |byte: &u8| matches!(byte, b'\r' | 0);
    let start = line.iter().take_while(|byte| junk(byte)).count();
    let end = line.iter().rev().take_while(|byte| junk(byte)).count();
    line.get(start..line.len().saturating_sub(end)).unwrap_or_default()
}

/// `host kernel: `: whether it is the kernel's. A line without a tag is taken for the kernel's: `dmesg` has none.
fn tag<'a>(cursor: &mut Cursor<'a>, framed: &mut Framed<'a>) -> bool {
    let line = cursor.0;
    let mut words = Cursor(line);
    let host = words.run(|byte| byte != b' ');
    words.blanks();
    let tag = words.run(|byte| byte != b' ');
    let is_kernel =
        matches!(tag, b"kernel:" | b"kern:") || (tag.starts_with(b"kernel[") && tag.ends_with(b"]:"));
    if is_kernel {
        framed.host = Some(Cow::Borrowed(host));
        words.tag(b" ");
        *cursor = words;
        return true;
    }
    // `kernel: text`, without a host.
    if host == b"kernel:" {
        let mut rest = Cursor(line.get(host.len()..).unwrap_or_default());
        rest.tag(b" ");
        *cursor = rest;
        return true;
    }
    // `host program[12]: text`.
    !tag.ends_with(b":")
}

/// `Oops#1 Part1`, `Panic#2 Part3`.
fn is_pstore(line: &[u8]) -> bool {
    let Some(at) = find(line, b"#") else { return false };
    let reasons = [&b"Oops"[..], b"Panic", b"Emergency", b"Shutdown", b"Restart", b"Unknown"];
    if !reasons.contains(&&line[..at]) {
        return false;
    }
    let mut cursor = Cursor(&line[at + 1..]);
    cursor.u64().is_some() && cursor.tag(b" Part").is_some() && cursor.u64().is_some() && cursor.is_done()
}
