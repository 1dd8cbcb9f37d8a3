//! From what a terminal sends to keys.
//!
//! The drawing library's own reader of keys loses one that comes together with a change of the size: it is told of both, takes the first, and
//! is not told of the other again. The keys that matter here are few.

use std::str;

use super::keys::Key;

const ESC: u8 = 0x1b;

/// Whether what was sent may end within a key: the rest is on its way, if there is one.
pub(super) fn is_cut(bytes: &[u8]) -> bool {
    let sequence = bytes.iter().rposition(|&byte| byte == ESC).and_then(|at| bytes.get(at..));
    let cut_sequence = sequence.is_some_and(|bytes| match bytes {
        [_] | [_, b'[' | b'O'] => true,
        [_, b'[', rest @ ..] => !rest.iter().any(|byte| matches!(byte, 0x40..=0x7e)) || rest == b"[",
        _ => false,
    });
    let cut_character = bytes.utf8_chunks().last().is_some_and(|chunk| {
        let rest = chunk.invalid();
        !rest.is_empty() && str::from_utf8(rest).is_err_and(|error| error.error_len().is_none())
    });
    cut_sequence || cut_character
}

/// The keys that were sent. What is no key that matters is passed over.
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        bytes = match first {
            ESC => match rest {
                [b'[' | b'O', rest @ ..] => {
                    let (key, length) = sequence(rest);
                    keys.extend(key);
                    rest.get(length..).unwrap_or_default()
                }
                // By itself; or held together with another key, which some terminals send like this.
                _ => {
                    keys.push(Key::Esc);
                    rest
                }
            },
            _ => {
                let (key, length) = character(bytes);
                keys.extend(key);
                bytes.get(length..).unwrap_or_default()
            }
        };
    }
    keys
}

/// What follows `ESC [` or `ESC O`: the key, and how many bytes it takes.
fn sequence(bytes: &[u8]) -> (Option<Key>, usize) {
    // The console's function keys: one more byte.
    if bytes.first() == Some(&b'[') {
        return (None, 2);
    }
    let Some(end) = bytes.iter().position(|byte| matches!(byte, 0x40..=0x7e)) else {
        return (None, bytes.len());
    };
    let key = match bytes.get(end) {
        Some(b'A') => Some(Key::Up),
        Some(b'B') => Some(Key::Down),
        Some(b'C') => Some(Key::Right),
        Some(b'D') => Some(Key::Left),
        Some(b'H') => Some(Key::Home),
        Some(b'F') => Some(Key::End),
        Some(b'Z') => Some(Key::BackTab),
        Some(b'M') => Some(Key::Enter).filter(|_| end == 0),
        // A number, and perhaps another one that tells of shift and the like.
        Some(b'~') => match bytes.get(..end).and_then(|bytes| bytes.split(|&byte| byte == b';').next()) {
            Some(b"1" | b"7") => Some(Key::Home),
            Some(b"4" | b"8") => Some(Key::End),
            Some(b"5") => Some(Key::PageUp),
            Some(b"6") => Some(Key::PageDown),
            _ => None,
        },
        _ => None,
    };
    (key, end + 1)
}

/// The first character: the key, and how many bytes it takes.
fn character(bytes: &[u8]) -> (Option<Key>, usize) {
    let Some(chunk) = bytes.utf8_chunks().next() else { return (None, bytes.len()) };
    let Some(c) = chunk.valid().chars().next() else { return (None, chunk.invalid().len()) };
    let key = match c {
        '\r' | '\n' => Some(Key::Enter),
        '\t' => Some(Key::Tab),
        '\u{7f}' | '\u{8}' => Some(Key::Backspace),
        '\u{1}'..='\u{1a}' => char::from_u32(u32::from(c) + 0x60).map(Key::Ctrl),
        c if c.is_control() => None,
        c => Some(Key::Char(c)),
    };
    (key, c.len_utf8())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_as_terminals_send_them() {
        let all = "q\r\n\t\x7f\x08\x03\x1b[A\x1bOB\x1b[C\x1b[D\x1b[H\x1bOF\x1b[Z\x1b[5~\x1b[6~\x1b[1~\x1b[4~\x1b[1;5A日";
        let expected = [
            Key::Char('q'),
            Key::Enter,
            Key::Enter,
            Key::Tab,
            Key::Backspace,
            Key::Backspace,
            Key::Ctrl('c'),
            Key::Up,
            Key::Down,
            Key::Right,
            Key::Left,
            Key::Home,
            Key::End,
            Key::BackTab,
            Key::PageUp,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Up,
            Key::Char('日'),
        ];
        assert_eq!(keys(all.as_bytes()), expected);
        assert!(!is_cut(all.as_bytes()));
    }

    #[test]
    fn escape_by_itself_and_in_front_of_others() {
        assert_eq!(keys(b"\x1b"), [Key::Esc]);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Esc, Key::Up]);
        assert_eq!(keys(b"\x1bn"), [Key::Esc, Key::Char('n')]);
        // Function keys, what is pasted, a mouse: nothing that is known here.
        assert_eq!(keys(b"\x1bOP\x1b[[Ax\x1b[15~y\x1b[200~z\x1b[<0;1;1M"), ['x', 'y', 'z'].map(Key::Char));
    }

    #[test]
    fn what_is_cut_is_waited_for() {
        for cut in [
            &b"\x1b"[..],
            b"a\x1b[",
            b"\x1bO",
            b"\x1b[5",
            b"\x1b[1;",
            b"\x1b[[",
            "日".as_bytes().get(..2).unwrap(),
        ] {
            assert!(is_cut(cut), "{cut:?}");
        }
        for whole in [&b""[..], b"a", b"\x1b[5~", b"\x1bx", b"\xff", "日".as_bytes()] {
            assert!(!is_cut(whole), "{whole:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes: Vec<u8>, more in "[\x1b\\[O0-9;~A-Z]{0,40}") {
            for bytes in [bytes, more.into_bytes()] {
                prop_assert!(keys(&bytes).len() <= bytes.len());
                is_cut(&bytes);
            }
        }
    }
}
