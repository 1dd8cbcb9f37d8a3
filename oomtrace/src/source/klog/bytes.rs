//! Reading numbers and words off the front of a line. A number that does not fit is no number.

/// What is left of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    /// Takes `tag`, if that is what comes next.
    pub(super) fn tag(&mut self, tag: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(tag)?;
        Some(())
    }

    /// Takes blanks.
    pub(super) fn blanks(&mut self) {
        let count = self.0.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.0 = &self.0[count..];
    }

    /// Takes what comes before `end`, and `end`.
    pub(super) fn until(&mut self, end: &[u8]) -> Option<&'a [u8]> {
        let at = find(self.0, end)?;
        let taken = &self.0[..at];
        self.0 = &self.0[at + end.len()..];
        Some(taken)
    }

    /// Takes the bytes for which `of` holds.
    pub(super) fn run(&mut self, of: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.0.iter().take_while(|&&byte| of(byte)).count();
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// Takes a decimal number.
    pub(super) fn u64(&mut self) -> Option<u64> {
        decimal(self.run(|byte| byte.is_ascii_digit()))
    }

    /// Takes a decimal number that may be negative.
    pub(super) fn i64(&mut self) -> Option<i64> {
        let negative = self.tag(b"-").is_some();
        let digits = self.u64()?;
        if negative { 0_i64.checked_sub_unsigned(digits) } else { i64::try_from(digits).ok() }
    }

    /// Takes a decimal number that fits.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Option<T> {
        T::try_from(self.i64()?).ok()
    }

    /// Takes a hex number behind `0x`.
    pub(super) fn hex(&mut self) -> Option<u64> {
        self.tag(b"0x")?;
        let digits = self.run(|byte| byte.is_ascii_hexdigit());
        if digits.is_empty() || digits.len() > 16 {
            return None;
        }
        digits.iter().try_fold(0_u64, |value, &digit| {
            let digit = (digit as char).to_digit(16)?;
            value.checked_mul(16)?.checked_add(digit.into())
        })
    }

    /// Whether nothing is left but blanks.
    pub(super) fn is_done(&self) -> bool {
        self.0.iter().all(|byte| matches!(byte, b' ' | b'\t'))
    }
}

/// Digits as a number; `None` when there are none, or too many.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// Where `needle` begins.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

/// Where `needle` begins for the last time.
pub(super) fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(haystack, needle)
}
