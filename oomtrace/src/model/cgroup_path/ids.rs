//! What counts as an id.

/// Length of a container's id, hex digits.
const CONTAINER: usize = 64;
/// Hex digits of a container's id that people know it by.
const SHORT: usize = 12;

/// A whole container id: 64 lower-case hex digits.
pub(super) fn container(text: &str) -> Option<&str> {
    (text.len() == CONTAINER && hex(text)).then_some(text)
}

/// The uid of a pod: a UUID, whose groups `separator` keeps apart (systemd's slices cannot have `-` there); or the 32 hex
/// digits that the kubelet gives to a static pod.
pub(super) fn pod(text: &str, separator: char) -> Option<&str> {
    let uuid = || {
        let mut groups = text.split(separator);
        let whole = [8, 4, 4, 4, 12]
            .iter()
            .all(|&length| groups.next().is_some_and(|group| group.len() == length && hex(group)));
        whole && groups.next().is_none()
    };
    ((text.len() == 32 && hex(text)) || uuid()).then_some(text)
}

fn hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The beginning of an id that people know it by; names that are no such ids stay whole.
pub(super) fn short(id: &str) -> &str {
    container(id).and_then(|id| id.get(..SHORT)).unwrap_or(id)
}
