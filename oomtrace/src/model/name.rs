//! Names as the kernel has them: bytes, usually but not always UTF-8.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use minicbor::{Decode, Decoder, Encode, Encoder};

/// A task's comm, a cgroup's name or path: bytes without a terminating NUL, kept lossless.
///
/// A comm lies in place, a longer name (a path) is shared by all who have it: a scan has one for each of thousands of
/// candidates, and neither reading nor copying them asks for memory.
#[derive(Clone)]
pub struct Name(Bytes);

#[derive(Clone)]
enum Bytes {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Arc<[u8]>),
}

/// Bytes that are kept in place: more than a comm has, and no more than fit beside a length where a pointer would be.
const SHORT: usize = 22;

const _: () = assert!(size_of::<Name>() == 24);

impl Name {
    /// From a fixed-size field: cut at the first NUL (what follows may be remnants of an older name).
    #[must_use]
    pub fn from_padded(bytes: &[u8]) -> Self {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        Self::from(&bytes[..end])
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short { len, bytes } => &bytes[..usize::from(*len)],
            Bytes::Long(bytes) => bytes,
        }
    }

    /// Whether the whole name matches a pattern: `*` stands for any run of bytes, `?` for one.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        // Linear but for one step back to the last `*`.
        let (pattern, text) = (pattern.as_bytes(), self.as_bytes());
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
        std::str::from_utf8(self).ok()
    }
}

impl From<&[u8]> for Name {
    fn from(name: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(name);
                Self(Bytes::Short { len, bytes })
            }
            _ => Self(Bytes::Long(name.into())),
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::from(name.as_bytes())
    }
}

impl From<Vec<u8>> for Name {
    fn from(name: Vec<u8>) -> Self {
        Self::from(&name[..])
    }
}

impl Default for Name {
    fn default() -> Self {
        Self(Bytes::Short { len: 0, bytes: [0; SHORT] })
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other)
    }
}

/// For people: control characters, backslashes and bytes that are not UTF-8 are escaped, so that a name can neither
/// break a line nor drive the terminal.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.utf8_chunks() {
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
        e.bytes(self)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Name {
    fn decode(d: &mut Decoder<'b>, _ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.bytes().map(Self::from)
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
    fn names_of_any_length_are_what_they_were_made_of() {
        let bytes: Vec<u8> = (1..=60).collect();
        for len in 0..bytes.len() {
            let name = Name::from(&bytes[..len]);
            assert_eq!(&name[..], &bytes[..len]);
            assert_eq!(name, Name::from(bytes[..len].to_vec()));
            assert_eq!(name.clone().as_bytes(), name.as_bytes());
            let stored = minicbor::to_vec(&name).expect("memory does not fail");
            assert_eq!(minicbor::decode::<Name>(&stored).expect("it is a byte string"), name);
        }
        assert!(Name::from("b") > Name::from("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(Name::default(), Name::from(""));
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
        let name = Name::from(&b"a b)\n\x1b[31m\xff\\\xe2\x80\xaee"[..]);
        assert_eq!(name.to_string(), r"a b)\n\u{1b}[31m\xff\\\u{202e}e");
        assert_eq!(name.as_utf8(), None);
    }
}
