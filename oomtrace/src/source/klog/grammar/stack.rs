//! The call trace: ` out_of_memory+0x1fd/0x4c0`, older ` [<ffffffff8025b0a9>] out_of_memory+0x1f2/0x25c`.

use super::super::bytes::{Cursor, find};
use super::{Fact, Parsed};

/// A frame that the kernel is sure of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source::klog) struct Frame<'a> {
    pub(in crate::source::klog) function: &'a [u8],
    pub(in crate::source::klog) offset: u32,
    pub(in crate::source::klog) size: u32,
    pub(in crate::source::klog) module: Option<&'a [u8]>,
}

pub(super) fn parse<'a>(line: &'a [u8], in_stack: bool) -> Parsed<'a> {
    if line.starts_with(b"Call Trace:") || line.starts_with(b"Call trace:") {
        return Parsed::Fact(Fact::CallTrace);
    }
    if !in_stack {
        return Parsed::Other;
    }
    let registers = [
        &b"RIP: "[..],
        b"Code: ",
        b"RSP: ",
        b"RAX: ",
        b"RDX: ",
        b"RBP: ",
        b"R10: ",
        b"R13: ",
        b"RBX: ",
        b"EIP: ",
        b"EAX: ",
        b"FS: ",
        b"CS: ",
        b"CR2: ",
    ];
    if registers.iter().any(|register| line.starts_with(register)) {
        return Parsed::Fact(Fact::Known);
    }
    if line.starts_with(b"<") && line.ends_with(b">") {
        // `<TASK>`, `</TASK>`, `<IRQ>`: where one stack goes over into another.
        return Parsed::Fact(Fact::Known);
    }
    match frame(line) {
        Some(frame) => Parsed::Fact(Fact::Frame(frame)),
        None => Parsed::Other,
    }
}

/// Outer `None`: no frame. Inner: one that was found on the stack and may be left from an earlier call.
fn frame(line: &[u8]) -> Option<Option<Frame<'_>>> {
    let mut cursor = Cursor(line);
    if cursor.tag(b"[<").is_some() {
        cursor.until(b">]")?;
        cursor.blanks();
    }
    let unsure = cursor.tag(b"? ").is_some();
    let function = cursor.until(b"+0x")?;
    // One word: a function has no blanks; `.` and `$` come with clones and modules of other languages.
    if function.is_empty() || function.iter().any(|byte| byte.is_ascii_whitespace()) {
        return None;
    }
    let (offset, size) = (hex(&mut cursor)?, {
        cursor.tag(b"/0x")?;
        hex(&mut cursor)?
    });
    cursor.blanks();
    let module = match cursor.tag(b"[") {
        Some(()) => cursor.until(b"]").map(|module| match find(module, b" ") {
            // With its build id.
            Some(at) => &module[..at],
            None => module,
        }),
        None => None,
    };
    Some((!unsure).then_some(Frame { function, offset, size, module }))
}

fn hex(cursor: &mut Cursor<'_>) -> Option<u32> {
    let digits = cursor.run(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
