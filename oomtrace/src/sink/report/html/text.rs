//! HTML as text: whatever comes from outside goes through [`Esc`], or through [`json`] into a script element that is data.

use std::fmt::{self, Write};

use serde::Serialize;

/// A page being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Appends what [`put!`] was given.
    pub(super) fn put(&mut self, what: fmt::Arguments<'_>) {
        // A string takes anything.
        let _ = self.0.write_fmt(what);
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Appends to an [`Html`], as `write!`. What comes from outside has to be given as [`Esc`].
macro_rules! put {
    ($html:expr, $($what:tt)*) => { $html.put(format_args!($($what)*)) };
}
pub(super) use put;

/// Text from outside, for elements and quoted attributes.
pub(super) struct Esc<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Esc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                // HTML has no such characters, and reads something else for them.
                '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' => self.0.write_char('\u{fffd}')?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// JSON that may stand in a script element: nothing in it can end one, or begin a comment.
pub(super) fn json(value: &impl Serialize) -> String {
    // It has no maps with odd keys, and memory does not fail.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Only in strings: JSON itself has none of them.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_is_markup() {
        let hostile = "</script><!--<b a='x' b=\"y\">&amp;\u{0}\u{85}";
        assert_eq!(
            Esc(hostile).to_string(),
            "&lt;/script&gt;&lt;!--&lt;b a=&#39;x&#39; b=&quot;y&quot;&gt;&amp;amp;\u{fffd}\u{fffd}"
        );
        let data = json(&[hostile, "\u{2028}"]);
        assert!(!data.contains(['<', '>', '&', '\u{2028}']), "{data}");
        let back: Vec<String> = serde_json::from_str(&data).expect("it is still JSON");
        assert_eq!(back, [hostile, "\u{2028}"]);
    }
}
