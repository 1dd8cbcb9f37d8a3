//! Lines of one episode: labels in a column, wrapping with a hanging indent, colour when wanted.

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::Options;

/// Columns before a label.
pub(super) const INDENT: usize = 4;
/// Columns of a label, with the gap after it.
pub(super) const LABEL: usize = 10;

const PLAIN: Style = Style::new();
const HEADLINE: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const VICTIM: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();

/// Columns where nothing is to be cut or wrapped.
const UNBOUNDED: usize = 1 << 20;

/// A label and what is said under it, for outputs that lay it out themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) label: String,
    /// A sentence each.
    pub(crate) texts: Vec<String>,
    /// About something that is not as it should be.
    pub(crate) warning: bool,
}

/// Text being put together.
pub(super) struct Page {
    text: String,
    options: Options,
    /// Instead of the text, what is said.
    said: Option<Vec<Said>>,
}

impl Page {
    pub(super) fn new(options: Options) -> Self {
        Self { text: String::new(), options, said: None }
    }

    /// Options under which nothing is cut, for a page that is not laid out.
    pub(super) fn unbounded() -> Options {
        Options { width: UNBOUNDED, color: false, verbose: false }
    }

    /// What is written with labels, not laid out.
    pub(super) fn said(write: impl FnOnce(&mut Self)) -> Vec<Said> {
        let mut page = Self { said: Some(Vec::new()), ..Self::new(Self::unbounded()) };
        write(&mut page);
        page.said.unwrap_or_default()
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }

    /// Columns for the text after a label.
    pub(super) fn text_width(&self) -> usize {
        self.options.width.saturating_sub(INDENT + LABEL).max(20)
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// The first line of an episode.
    pub(super) fn headline(&mut self, text: &str, hanging: usize) {
        self.wrapped("", text, hanging, HEADLINE);
    }

    /// Text from the first column on.
    pub(super) fn paragraph(&mut self, text: &str, hanging: usize) {
        self.wrapped("", text, hanging, PLAIN);
    }

    /// The same, about something that is not as it should be.
    pub(super) fn warning(&mut self, text: &str, hanging: usize) {
        self.wrapped("", text, hanging, WARNING);
    }

    /// A label and its text.
    pub(super) fn labelled(&mut self, label: &str, text: &str) {
        self.under(label, text, INDENT + LABEL, PLAIN);
    }

    /// A label and its text, of which what does not fit on the line begins so many columns further in.
    pub(super) fn labelled_hanging(&mut self, label: &str, text: &str, hanging: usize) {
        self.under(label, text, INDENT + LABEL + hanging, PLAIN);
    }

    /// The same, about something that is not as it should be.
    pub(super) fn labelled_warning(&mut self, label: &str, text: &str) {
        self.under(label, text, INDENT + LABEL, WARNING);
    }

    fn under(&mut self, label: &str, text: &str, hanging: usize, style: Style) {
        let Some(said) = &mut self.said else {
            self.wrapped(&label_column(label), text, hanging, style);
            return;
        };
        let (text, warning) = (text.trim().to_owned(), style == WARNING);
        match said.last_mut() {
            // Without a label it goes on under the one before.
            Some(last) if label.is_empty() => last.texts.push(text),
            _ => said.push(Said { label: label.to_owned(), texts: vec![text], warning }),
        }
    }

    /// A line of the table, as it is.
    pub(super) fn row(&mut self, text: &str, kind: Row) {
        let style = match kind {
            Row::Header => DIM,
            Row::Victim => VICTIM,
            Row::Other => PLAIN,
        };
        self.styled(text.trim_end(), style);
        self.text.push('\n');
    }

    fn wrapped(&mut self, label: &str, text: &str, hanging: usize, style: Style) {
        self.styled(label, DIM);
        let mut column = label.width();
        let mut line = String::new();
        for piece in pieces(text, self.options.width.saturating_sub(hanging)) {
            let needed = piece.trim_end_matches(' ').width();
            if column + needed > self.options.width && column > hanging.max(label.width()) {
                self.styled(line.trim_end(), style);
                self.text.push('\n');
                self.text.push_str(&" ".repeat(hanging));
                line.clear();
                column = hanging;
            }
            line.push_str(piece);
            column += piece.width();
        }
        self.styled(line.trim_end(), style);
        self.text.push('\n');
    }

    fn styled(&mut self, text: &str, style: Style) {
        if self.options.color && !text.is_empty() && style != PLAIN {
            self.text.push_str(&format!("{style}{text}{style:#}"));
        } else {
            self.text.push_str(text);
        }
    }
}

/// What a row of the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Header,
    Victim,
    Other,
}

fn label_column(label: &str) -> String {
    format!("{:INDENT$}{label:<LABEL$}", "")
}

/// Where a line may be broken: after blanks; in words that are longer than a line also after `|`, which joins flags.
fn pieces(text: &str, room: usize) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ').flat_map(move |word| {
        let separator = if word.width() > room.min(24) { '|' } else { ' ' };
        word.split_inclusive(separator)
    })
}
