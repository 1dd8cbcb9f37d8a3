//! What the help says below the options, in sections.
//!
//! A line that ends with a colon, and has something indented below it, is a heading. So is the beginning of a paragraph of the form
//! `Word:` or `Two words:`, and what begins with "The exit code" is about that. Other paragraphs belong to what comes before them, or to NOTES.

/// A section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Without its colon.
    pub(super) heading: String,
    /// What is in it.
    pub(super) lines: Vec<Line>,
}

/// A part of a section.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Text whose lines may be broken elsewhere.
    Paragraph(String),
    /// A line that was indented, and is kept as it is.
    Kept(String),
}

/// Reads the text below the options.
pub(super) fn read(help: &str) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for block in help.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut paragraph = String::new();
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(line) = line.strip_prefix("  ") {
                flush(&mut notes, &mut paragraph);
                push(&mut notes, Line::Kept(line.trim_end().to_owned()));
            } else {
                if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(line.trim());
            }
        }
        flush(&mut notes, &mut paragraph);
    }
    notes
}

/// Takes what was gathered of a paragraph, which may begin with a heading.
fn flush(notes: &mut Vec<Note>, paragraph: &mut String) {
    let text = std::mem::take(paragraph);
    match heading(&text) {
        Some((heading, rest)) => {
            notes.push(Note { heading: heading.to_owned(), lines: Vec::new() });
            if !rest.is_empty() {
                push(notes, Line::Paragraph(rest.to_owned()));
            }
        }
        None if text.is_empty() => {}
        None if text.starts_with("The exit code ") => {
            notes.push(Note { heading: "Exit status".to_owned(), lines: vec![Line::Paragraph(text)] });
        }
        None => push(notes, Line::Paragraph(text)),
    }
}

fn push(notes: &mut Vec<Note>, line: Line) {
    if notes.is_empty() {
        notes.push(Note { heading: "Notes".to_owned(), lines: Vec::new() });
    }
    if let Some(note) = notes.last_mut() {
        note.lines.push(line);
    }
}

/// One or two words before a colon.
fn heading(text: &str) -> Option<(&str, &str)> {
    let (before, after) = text.split_once(':')?;
    let is_end = after.is_empty() || after.starts_with(' ');
    let words = || before.split(' ');
    let plain = words().all(|word| !word.is_empty() && word.chars().all(char::is_alphabetic));
    (is_end && plain && words().count() <= 2).then_some((before, after.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_lists_and_paragraphs_are_told_apart() {
        let help = "Changes:\n  kill:PID  gone\n            before\n\nSIZE may be: anything,\nor nothing.\n\nExit codes: 0 done,\n1 not";
        let paragraph = |text: &str| Line::Paragraph(text.to_owned());
        let kept = |text: &str| Line::Kept(text.to_owned());
        let expected = [
            Note {
                heading: "Changes".to_owned(),
                lines: vec![
                    kept("kill:PID  gone"),
                    kept("          before"),
                    paragraph("SIZE may be: anything, or nothing."),
                ],
            },
            Note { heading: "Exit codes".to_owned(), lines: vec![paragraph("0 done, 1 not")] },
        ];
        assert_eq!(read(help), expected);
        assert_eq!(
            read("A score is\nno more."),
            [Note { heading: "Notes".to_owned(), lines: vec![paragraph("A score is no more.")] }]
        );
        assert_eq!(read("  \n"), []);
    }
}
