//! `CPU: 1 UID: 0 PID: 108 Comm: guest Not tainted 6.12.117 #1`: who asked, and on which kernel (`dump_stack_print_info()`).
//!
//! Before 3.10 or so it is `Pid: 13996, comm: python Not tainted 2.6.27 #9`. And `Linux version …`, the first line of a boot.

use super::super::bytes::{Cursor, find, rfind};
use super::{Fact, Parsed, fact};

/// Who, on which kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::klog) struct Context<'a> {
    pub(in crate::source::klog) cpu: Option<u32>,
    pub(in crate::source::klog) uid: Option<u32>,
    /// The thread.
    pub(in crate::source::klog) tid: i32,
    pub(in crate::source::klog) comm: &'a [u8],
    /// `Not tainted`; otherwise the flags are letters that mean other things in other kernels.
    pub(in crate::source::klog) not_tainted: bool,
    pub(in crate::source::klog) release: Option<&'a [u8]>,
}

pub(super) fn parse<'a>(line: &'a [u8]) -> Parsed<'a> {
    if let Some(rest) = line.strip_prefix(b"Linux version ") {
        let release = Cursor(rest).run(|byte| byte != b' ');
        return fact((!release.is_empty()).then_some(Fact::Boot(release)));
    }
    if line.starts_with(b"CPU: ") && find(line, b" Comm: ").is_some() {
        return fact(new(line));
    }
    if line.starts_with(b"Pid: ") && find(line, b", comm: ").is_some() {
        return fact(old(line));
    }
    for known in [&b"Hardware name: "[..], b"Workqueue: ", b"Tainted: ", b"Modules linked in:"] {
        if line.starts_with(known) {
            return Parsed::Fact(Fact::Known);
        }
    }
    Parsed::Other
}

/// `CPU: N [UID: N] PID: N Comm: COMM …`.
fn new(line: &[u8]) -> Option<Fact<'_>> {
    let mut cursor = Cursor(line);
    cursor.tag(b"CPU: ")?;
    let cpu = cursor.number()?;
    cursor.blanks();
    let uid = match cursor.tag(b"UID: ") {
        Some(()) => Some(cursor.number()?),
        None => None,
    };
    cursor.blanks();
    cursor.tag(b"PID: ")?;
    let tid = cursor.number()?;
    cursor.tag(b" Comm: ")?;
    let (comm, not_tainted, release) = comm_and_kernel(cursor.0)?;
    Some(Fact::Context(Context { cpu: Some(cpu), uid, tid, comm, not_tainted, release }))
}

/// `Pid: N, comm: COMM …`.
fn old(line: &[u8]) -> Option<Fact<'_>> {
    let mut cursor = Cursor(line);
    cursor.tag(b"Pid: ")?;
    let tid = cursor.number()?;
    cursor.tag(b", comm: ")?;
    let (comm, not_tainted, release) = comm_and_kernel(cursor.0)?;
    Some(Fact::Context(Context { cpu: None, uid: None, tid, comm, not_tainted, release }))
}

/// The name ends where the taint begins, for the last time; behind it come the release and its version.
fn comm_and_kernel(text: &[u8]) -> Option<Rest<'_>> {
    const CLEAN: &[u8] = b"Not tainted";
    const TAINTED: &[u8] = b"Tainted: ";
    let clean = rfind(text, CLEAN).map(|at| (at, true));
    let tainted = rfind(text, TAINTED).map(|at| (at, false));
    let (at, not_tainted) = clean.max(tainted)?;
    let comm = text[..at].strip_suffix(b" ").unwrap_or(&text[..at]);
    // Up to 3.x names are padded with blanks here; they are the kernel's own then.
    let after = &text[at + if not_tainted { CLEAN.len() } else { TAINTED.len() }..];
    Some((comm, not_tainted, release(after)))
}

/// Name, `Not tainted`, release.
type Rest<'a> = (&'a [u8], bool, Option<&'a [u8]>);

/// The word before ` #1`: a release begins with a digit, which no flag does.
fn release(text: &[u8]) -> Option<&[u8]> {
    let mut words = text.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    words.find(|word| word.first().is_some_and(u8::is_ascii_digit) && word.contains(&b'.'))
}
