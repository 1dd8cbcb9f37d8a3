//! The shapes of the files below `/proc`: `Key: value` lines, `stat`, `mountinfo`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::model::Name;

/// `PF_KTHREAD` and `PF_EXITING`, as `/proc/PID/stat` shows them; the first has had this value since 2.6.27.
const PF_KTHREAD: u64 = 0x0020_0000;
const PF_EXITING: u64 = 0x0000_0004;

/// What follows `key:` on the line that begins with it, without the blanks.
pub(super) fn value<'a>(file: &'a [u8], key: &str) -> Option<&'a [u8]> {
    file.split(|&byte| byte == b'\n').find_map(|line| {
        let rest = line.strip_prefix(key.as_bytes())?.strip_prefix(b":")?;
        Some(rest.trim_ascii())
    })
}

/// The first number of that line.
pub(super) fn number(file: &[u8], key: &str) -> Option<u64> {
    words(value(file, key)?).next().and_then(decimal)
}

/// The number of kilobytes of that line.
pub(super) fn kilobytes(file: &[u8], key: &str) -> Option<u64> {
    let mut words = words(value(file, key)?);
    let number = words.next().and_then(decimal)?;
    (words.next() == Some(b"kB")).then_some(number)
}

/// Whole pages in so many kilobytes.
pub(super) fn pages(kb: u64, page_size: u32) -> u64 {
    kb.saturating_mul(1024).checked_div(u64::from(page_size)).unwrap_or(0)
}

/// Words between blanks.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A number in digits.
pub(super) fn decimal<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// What `/proc/PID/stat` has and `status` has not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// The name, as it is: `status` escapes it.
    pub(super) comm: Name,
    /// A kernel thread.
    pub(super) kthread: bool,
    /// Exiting.
    pub(super) exiting: bool,
    /// When it was made, in clock ticks since boot.
    pub(super) started: u64,
    /// RSS, pages: by the shared part of the counters, on kernels where they have parts.
    pub(super) rss_pages: Option<u64>,
}

impl Stat {
    /// `pid (name) S ppid …`: the name may hold anything, also parentheses.
    pub(super) fn parse(file: &[u8]) -> Option<Self> {
        let open = file.iter().position(|&byte| byte == b'(')?;
        let close = file.iter().rposition(|&byte| byte == b')')?;
        let comm = Name::from(file.get(open + 1..close)?);
        // Fields after the name, the third of all first.
        let fields: Vec<&[u8]> = words(file.get(close + 1..)?).collect();
        let flags: u64 = decimal(fields.get(6)?)?;
        Some(Self {
            comm,
            kthread: flags & PF_KTHREAD != 0,
            exiting: flags & PF_EXITING != 0,
            started: decimal(fields.get(19)?)?,
            rss_pages: fields.get(21).and_then(|word| decimal(word)),
        })
    }
}

/// A line of `mountinfo`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    pub(super) point: PathBuf,
    pub(super) kind: &'a [u8],
    /// Those of the file system.
    pub(super) options: &'a [u8],
}

/// The mounts of a `mountinfo`, in its order; later ones lie over earlier ones.
pub(super) fn mounts(file: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    file.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = words(line);
        let point = fields.nth(4)?;
        // Any number of optional fields, then a dash.
        fields.by_ref().find(|&field| field == b"-")?;
        let kind = fields.next()?;
        let options = fields.nth(1)?;
        Some(Mount { point: PathBuf::from(OsString::from_vec(unescape(point))), kind, options })
    })
}

/// Undoes `\040` and the like, by which blanks are written.
fn unescape(mut text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((&byte, rest)) = text.split_first() {
        let octal =
            rest.get(..3).filter(|_| byte == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                text = rest.get(3..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                text = rest;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_matched_whole() {
        let file = b"VmRSS:\t     100 kB\nRssAnon:\t  96 kB\nThreads:\t3\nUid:\t1000\t0\t0\t0\n";
        assert_eq!(kilobytes(file, "RssAnon"), Some(96));
        assert_eq!(kilobytes(file, "Threads"), None);
        assert_eq!(number(file, "Threads"), Some(3));
        assert_eq!(number(file, "Uid"), Some(1000));
        assert_eq!(number(file, "Rss"), None);
        assert_eq!(kilobytes(b"RssAnon: x kB", "RssAnon"), None);
        assert_eq!(pages(10, 4096), 2);
        assert_eq!(pages(u64::MAX, 4096), u64::MAX / 4096);
        assert_eq!(pages(10, 0), 0);
    }

    #[test]
    fn names_may_hold_what_ends_them() {
        let stat = b"12 (a) S (b) S 1 12 12 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 777 0 55\n";
        let stat = Stat::parse(stat).expect("it is one");
        let comm = Name::from("a) S (b");
        let expected = Stat { comm, kthread: true, exiting: false, started: 777, rss_pages: Some(55) };
        assert_eq!(stat, expected);
        for bad in [&b""[..], b"12 (a", b"12 a) S", b"12 (a) S 1 2", b")("] {
            assert_eq!(Stat::parse(bad), None);
        }
    }

    #[test]
    fn mounts_are_read_with_their_escapes() {
        let file = b"22 1 0:21 / /pro\\040c rw shared:5 master:1 - proc proc rw,hidepid=2\nbroken\n\
                     23 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let mounts: Vec<_> = mounts(file).collect();
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].point, PathBuf::from("/pro c"));
        assert_eq!((mounts[0].kind, mounts[0].options), (&b"proc"[..], &b"rw,hidepid=2"[..]));
        assert_eq!(mounts[1].kind, b"cgroup2");
        assert_eq!(unescape(b"\\04\\"), b"\\04\\");
    }
}
