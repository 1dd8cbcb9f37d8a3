//! `/proc/meminfo`: `Key:   number kB`, a line each.

use crate::model::sample::Item;

/// The lines that are kept, KiB. A line that is cut off or is not in `kB` is not there.
pub(super) fn parse(text: &[u8]) -> [Option<u64>; Item::COUNT] {
    let mut items = [None; Item::COUNT];
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (key, rest) = line.split_at(colon);
        let Some(&(item, _)) = Item::ALL.iter().find(|(_, name)| name.as_bytes() == key) else { continue };
        items[item as usize] = rest[1..].strip_suffix(b" kB\n").and_then(number);
    }
    items
}

/// A number in digits, behind blanks.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}
