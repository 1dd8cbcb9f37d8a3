//! What the kernel itself puts before its text: level, time since boot, who printed it.

use std::borrow::Cow;

use super::super::bytes::{Cursor, decimal};
use super::Framed;

/// Who printed a line: a thread, or a CPU that was in no thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::source::klog) enum Caller {
    Thread(u32),
    Cpu(u32),
}

/// Takes `<6>`.
pub(super) fn level(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut ahead = *cursor;
    ahead.tag(b"<")?;
    let level = ahead.u64().filter(|&level| level < 1024)?;
    ahead.tag(b">")?;
    *cursor = ahead;
    Some(level)
}

/// Takes `[   12.345678] ` and `[  T123] `, in the forms that `printk` and `dmesg` write.
pub(super) fn stamps(cursor: &mut Cursor<'_>, framed: &mut Framed<'_>) {
    if let Some(ns) = time(cursor) {
        framed.mono_ns = Some(ns);
        let mut ahead = *cursor;
        ahead.tag(b" ");
        if let Some(caller) = bracketed_caller(&mut ahead).or_else(|| bracketed_caller(&mut cursor.clone())) {
            framed.caller = Some(caller);
            let mut taken = *cursor;
            taken.tag(b" ");
            let _ = bracketed_caller(&mut taken);
            *cursor = taken;
        }
        cursor.tag(b" ");
    }
}

/// `[   12.345678]`.
fn time(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut ahead = *cursor;
    ahead.tag(b"[")?;
    ahead.blanks();
    let seconds = ahead.u64()?;
    ahead.tag(b".")?;
    let digits = ahead.run(|byte| byte.is_ascii_digit());
    ahead.tag(b"]")?;
    let fraction = fraction_ns(digits)?;
    let ns = seconds.checked_mul(1_000_000_000)?.checked_add(fraction)?;
    *cursor = ahead;
    Some(ns)
}

/// Digits behind a decimal point, as ns.
pub(super) fn fraction_ns(digits: &[u8]) -> Option<u64> {
    let missing = 9_usize.checked_sub(digits.len())?;
    Some(decimal(digits)? * 10_u64.pow(u32::try_from(missing).ok()?))
}

/// `[  T123]`, `[   C1]`.
fn bracketed_caller(cursor: &mut Cursor<'_>) -> Option<Caller> {
    let mut ahead = *cursor;
    ahead.tag(b"[")?;
    ahead.blanks();
    let caller = caller(&mut ahead)?;
    ahead.tag(b"]")?;
    *cursor = ahead;
    Some(caller)
}

fn caller(cursor: &mut Cursor<'_>) -> Option<Caller> {
    let of = match cursor.tag(b"T") {
        Some(()) => Caller::Thread,
        None => {
            cursor.tag(b"C")?;
            Caller::Cpu
        }
    };
    Some(of(u32::try_from(cursor.u64()?).ok()?))
}

/// A record of `/dev/kmsg`: `6,1234,5678901,-;text`, with `,caller=T12` and the like before the semicolon. The time is µs.
pub(super) fn record<'a>(line: &'a [u8], framed: &mut Framed<'a>) -> Option<Cow<'a, [u8]>> {
    let mut cursor = Cursor(line);
    cursor.u64().filter(|&level| level < 1 << 16)?;
    cursor.tag(b",")?;
    cursor.u64()?;
    cursor.tag(b",")?;
    let us = cursor.u64()?;
    cursor.tag(b",")?;
    let flags = cursor.until(b";").filter(|flags| flags.len() < 64)?;
    framed.mono_ns = us.checked_mul(1000);
    for flag in flags.split(|&byte| byte == b',') {
        if let Some(who) = flag.strip_prefix(b"caller=") {
            framed.caller = caller(&mut Cursor(who));
        }
    }
    Some(unescaped(cursor.0))
}

/// `\xNN` as the byte that it stands for, as `/dev/kmsg` writes all that is no printable ASCII, and the backslash.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = rest.strip_prefix(b"\\x").and_then(|hex| {
            let digits = std::str::from_utf8(hex.get(..2)?).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, &hex[2..]))
        });
        match escaped {
            Some((byte, after)) => {
                out.push(byte);
                rest = after;
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}
