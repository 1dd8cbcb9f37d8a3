//! Bytes of names as hex, the form in which they are handed to programs and read from the JSON.

/// Lower-case hex, two digits a byte.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a string of hex digits; `None` when it is none.
pub fn from_hex(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{from_hex, to_hex};

    #[test]
    fn there_and_back() {
        assert_eq!(to_hex(b"a\n\xff"), "610aff");
        assert_eq!(from_hex("610aff").as_deref(), Some(b"a\n\xff".as_slice()));
        assert_eq!(from_hex("6"), None);
        assert_eq!(from_hex("zz"), None);
    }
}
