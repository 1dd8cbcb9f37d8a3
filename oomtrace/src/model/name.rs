//! Names as the kernel has them: bytes, usually but not always UTF-8.

use std::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, bytes::ByteVec};

/// A task's comm, a cgroup's name or path: bytes without a terminating NUL, kept lossless.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub Vec<u8>);

impl Name {
    /// From a fixed-size field: cut at the first NUL (what follows may be remnants of an older name).
    #[must_use]
    pub fn from_padded(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Self(bytes[..end].to_vec())
    }

    /// Whether the whole name matches a pattern: `*` stands for any run of bytes, `?` for one.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        // Linear but for one step back to the last `*`.
        let (pattern, text) = (pattern.as_bytes(), &self.0);
        let (mut p, mut t) = (0, 0);
        let mut last_star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    last_star = Some((p, t));
                    p += 1;
                }
                Some(&c) if c == b'?' || c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match last_star {
                    Some((star, from)) => {
                        last_star = Some((star, from + 1));
                        p = star + 1;
                        t = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&c| c == b'*')
    }

    /// The name as text, when it is UTF-8.
    #[must_use]
    pub fn as_utf8(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Name {
    fn from(s: &str) -> Self {
        Self(s.as_bytes().to_vec())
    }
}

/// For people: control characters, backslashes and bytes that are not UTF-8 are escaped, so that a name can neither
/// break a line nor drive the terminal.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\\' => f.write_str("\\\\")?,
                    c if c.is_control() || is_direction_mark(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    c => fmt::Write::write_char(f, c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Characters that reorder or hide text on a terminal.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<C> Encode<C> for Name {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Name {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        ByteVec::decode(d, ctx).map(|bytes| Self(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_cut_at_the_first_nul() {
        assert_eq!(Name::from_padded(b"hog\0er/0\0"), Name::from("hog"));
        assert_eq!(Name::from_padded(b"sixteen-bytes-no"), Name::from("sixteen-bytes-no"));
    }

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("*", ""), ("a*c", "abbc"), ("a*c", "ac"), ("?b*", "abc"), ("*a*b", "xaab"), ("", "")]
        {
            assert!(Name::from(text).matches(pattern), "{pattern} {text}");
        }
        for (pattern, text) in [("?", ""), ("a*c", "abcd"), ("a?c", "ac"), ("", "a"), ("*a*b", "xba")] {
            assert!(!Name::from(text).matches(pattern), "{pattern} {text}");
        }
    }

    #[test]
    fn what_could_break_a_line_or_a_terminal_is_escaped() {
        let name = Name(b"a b)\n\x1b[31m\xff\\\xe2\x80\xaee".to_vec());
        assert_eq!(name.to_string(), r"a b)\n\u{1b}[31m\xff\\\u{202e}e");
        assert_eq!(name.as_utf8(), None);
    }
}
