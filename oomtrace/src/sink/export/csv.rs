//! Tables as CSV (RFC 4180, lines ended by LF): a heading, numbers plain, times in RFC 3339. What is not known is an empty field;
//! a text that is empty is `""`.

use std::io::{self, Write};

use super::columns::Column;
use super::row::{Row, Value};
use super::{Rows, Target};

/// Writes CSV.
pub struct Csv {
    target: Box<dyn Target>,
    line: Vec<u8>,
}

impl Rows for Csv {
    fn start(target: Box<dyn Target>, columns: &[Column]) -> io::Result<Self> {
        let mut csv = Self { target, line: Vec::new() };
        for (at, column) in columns.iter().enumerate() {
            csv.separate(at);
            csv.line.extend_from_slice(column.name.as_bytes());
        }
        csv.end_of_line()?;
        Ok(csv)
    }

    fn row(&mut self, columns: &[Column], row: &Row<'_>) -> io::Result<()> {
        for (at, column) in columns.iter().enumerate() {
            self.separate(at);
            match (column.value)(row) {
                Value::Null => {}
                Value::Int(number) => write!(self.line, "{number}")?,
                Value::Bool(truth) => write!(self.line, "{truth}")?,
                Value::Text(text) => quoted(&mut self.line, &text),
                Value::Time(us) => {
                    if let Ok(time) = jiff::Timestamp::from_microsecond(us) {
                        write!(self.line, "{time:.6}")?;
                    }
                }
            }
        }
        self.end_of_line()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.target.commit()
    }
}

impl Csv {
    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.line.push(b',');
        }
    }

    fn end_of_line(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        self.target.write_all(&self.line)?;
        self.line.clear();
        Ok(())
    }
}

/// In quotes where they are needed.
fn quoted(out: &mut Vec<u8>, text: &str) {
    let plain = |c: char| !matches!(c, ',' | '"' | '\n' | '\r');
    let at_the_edge = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    if !text.is_empty() && !at_the_edge && text.chars().all(plain) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_where_it_must_be() {
        let quoted = |text: &str| {
            let mut out = Vec::new();
            quoted(&mut out, text);
            String::from_utf8(out).expect("it was text")
        };
        for (text, expected) in [
            ("plain [1]", "plain [1]"),
            ("", r#""""#),
            ("a,b", r#""a,b""#),
            (r#"say "hi""#, r#""say ""hi""""#),
            ("two\nlines", "\"two\nlines\""),
            (" led", r#"" led""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
